/* What functions do with records: what a batch may be, what is said of one that may not, and reading back. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { held, json } from '../fake/replies.ts';
import { App, play, Reader, Server, scripted, serverWithApp, sync } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;

const MB = 1 << 20;
const FUNCTIONS = {
    'fake/syncs/items': scripted,
    'fake/syncs/large': sync(
        `
        const text = 'ü'.repeat(${8 * MB});
        await nango.batchSave([{ id: 'small' }, { id: 'large', text }, { id: 'after' }], 'Large');
        const same = [];
        for await (const record of nango.listRecords('Large')) same.push(record.text === undefined || record.text === text);
        await nango.batchSave([{ id: 'large', text }, { id: 'result', same }], 'Large');
        await nango.batchUpdate([{ id: 'large', more: true }], 'Large');`,
        { model: 'Large', autoStart: false }
    ),
    'fake/syncs/huge': sync(`await nango.batchSave(Array.from({ length: 3 }, (_, i) => ({ id: String(i), text: 'x'.repeat(${35 * MB}) })), 'Huge');`, { model: 'Huge', autoStart: false }),
    'fake/syncs/many': sync(
        `
        const all = (more) => Array.from({ length: 10_000 }, (_, i) => ({ id: i, name: 'number ' + i, ...more }));
        const { round } = await nango.getMetadata();
        if (round === 1) await nango.batchSave(all(), 'Many');
        if (round === 2) await nango.batchUpdate(all({ updated: true }), 'Many');
        if (round === 3) await nango.batchDelete(all(), 'Many');`,
        { model: 'Many', autoStart: false }
    ),
    'fake/syncs/reads': sync(
        `
        await nango.batchSave(Array.from({ length: 250 }, (_, i) => ({ id: i, n: i })), 'Read');
        await nango.batchDelete([{ id: 3 }], 'Read');
        const found = await nango.getRecordsByIds([1, '2', 3, 'none', 'a\\u0000b', ...Array.from({ length: 120 }, (_, i) => i + 100)], 'Read');
        const listed = [];
        for await (const record of nango.listRecords('Read')) listed.push(record);
        const rest = [];
        for await (const record of nango.listRecords('Read', { cursor: listed[199]._nango_metadata.cursor })) rest.push(record.id);
        const empty = await nango.getRecordsByIds([], 'Read');
        await nango.batchSave([{ id: 'result', keys: [found.has(1), found.has('1'), found.has('2'), found.has('none')], size: found.size, n: found.get(1).n, id_of: found.get(1).id,
            deleted: found.get(3)._nango_metadata.last_action, listed: listed.length, last: listed.at(-1).id, rest, empty: empty.size }], 'Read');`,
        { model: 'Read', autoStart: false }
    ),
    'fake/syncs/outdated': sync(
        `
        const { ids } = await nango.getMetadata();
        await nango.batchSave(ids.map((id) => ({ id })), 'Old');
        const { deletedKeys } = await nango.deleteRecordsFromPreviousExecutions('Old');
        await nango.log('deleted ' + JSON.stringify(deletedKeys.sort()));`,
        { model: 'Old', autoStart: false }
    ),
    'fake/syncs/lone': sync(
        `
        await nango.batchSave([{ id: '\\ud800' }, { id: 'x\\udc00y', text: '\\ud83d' }, { id: 'pair', text: '\\ud83d\\ude00' }], 'Lone');
        const found = await nango.getRecordsByIds(['\\ud800', 'x\\udc00y', 'pair'], 'Lone');
        await nango.batchSave([{ id: 'result', size: found.size, text: found.get('x\\ufffdy')?.text === '\\ud83d' }], 'Lone');`,
        { model: 'Lone', autoStart: false }
    ),
    // Saves, waits for the provider while others write, and then does what the metadata says.
    'fake/syncs/careful': sync(
        `
        const { strategy, op } = await nango.getMetadata();
        if (strategy) await nango.setMergingStrategy({ strategy }, 'Shared');
        await nango.batchSave([{ id: '1', by: 'mine' }, { id: '2', by: 'mine' }], 'Shared');
        await nango.get({ endpoint: '/wait' });
        await nango[op]([{ id: '1', by: 'mine again' }, { id: '2', by: 'mine again' }, { id: '3', by: 'mine again' }], 'Shared');`,
        { model: 'Shared', autoStart: false }
    ),
    'fake/syncs/others': sync(`await nango.batchSave([{ id: '2', by: 'others' }], 'Shared');`, { model: 'Shared', autoStart: false })
};

before(async () => {
    // Room for a batch that is too large, sanitizers included.
    ({ server, app } = await serverWithApp({ args: ['--runner-memory', '2G'] }));
    fake = await startFake();
    await server.integration();
    await server.deploy(FUNCTIONS);
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

const connect = (id: string, metadata: object = {}) => server.connection(id, fake.url, 'fake', { metadata });
const setMetadata = (connection_id: string, metadata: object) => server.ok('POST', '/connections/metadata', { connection_id, provider_config_key: 'fake', metadata });
const next = (name: string, id: string) => app.after(() => server.trigger(name, id), name, (body) => body.connectionId === id, 60_000);
const byId = async (id: string, model: string) => new Map((await server.records(id, model)).map((record) => [record.id, record]));

const LONGEST = 'x'.repeat(255);
const NO_ID = 'records[1].id: expected a string of 1 to 255 characters or a number';
const refused: [string, unknown, string][] = [
    ['an empty id', { id: '' }, NO_ID],
    ['no id', { name: 'x' }, NO_ID],
    ['null for an id', { id: null }, NO_ID],
    ['true for an id', { id: true }, NO_ID],
    ['an array for an id', { id: ['1'] }, NO_ID],
    ['an object for an id', { id: { a: 1 } }, NO_ID],
    ['256 characters', { id: `${LONGEST}x` }, NO_ID],
    ['256 characters, as JavaScript counts', { id: '😀'.repeat(128) }, NO_ID],
    ['nothing but a NUL', { id: '\u0000' }, NO_ID],
    ['null for a record', null, 'records[1]: expected an object'],
    ['text for a record', 'x', 'records[1]: expected an object'],
    ['a number for a record', 7, 'records[1]: expected an object'],
    ['an array for a record', [{ id: '1' }], 'records[1]: expected an object']
];
for (const [method, verb] of [['batchSave', 'save'], ['batchUpdate', 'update'], ['batchDelete', 'delete']] as const) {
    test(`${method} refuses a batch with one wrong record, and says which`, async () => {
        const id = `refused-${method}`;
        await connect(id);
        assert.equal((await play(server, app, id, [['batchSave', [{ id: 'good', v: 1 }], 'Item']])).success, true);
        for (const [what, record, reason] of refused) {
            const hook = await play(server, app, id, [[method, [{ id: 'good', v: 2 }, record], 'Item']]);
            assert.equal(hook.success, false, what);
            assert.ok(hook.error.description.includes(`Failed to ${verb} records: ${reason}`), `${what}: ${hook.error.description}`);
        }
        const [good, ...more] = await server.records(id, 'Item');
        assert.deepEqual([good.v, good._nango_metadata.last_action, more], [1, 'ADDED', []], 'nothing of such a batch is stored');
    });
}

test('ids of every kind that is allowed', async () => {
    await connect('ids');
    const reader = new Reader(server, 'ids', 'Item');
    const given = [0, '00', -1.5, 1e21, LONGEST, '😀'.repeat(127), 'a\u0000b', ' ', '/?&#%', '__proto__', 'constructor', '"\\\n'];
    const stored = ['0', '00', '-1.5', '1e+21', LONGEST, '😀'.repeat(127), 'ab', ' ', '/?&#%', '__proto__', 'constructor', '"\\\n'];
    const hook = await play(server, app, 'ids', [['batchSave', given.map((id) => ({ id })), 'Item']]);
    assert.equal(hook.success, true, hook.error?.description);
    assert.deepEqual(hook.responseResults, { added: given.length, updated: 0, deleted: 0 });
    const ids = (await reader.drain()).map(({ id }) => id);
    assert.deepEqual(ids, stored);
    for (const id of ids) {
        const query = new URLSearchParams({ model: 'Item', ids: id });
        const { records } = await server.ok('GET', `/records?${query}`, undefined, { 'connection-id': 'ids', 'provider-config-key': 'fake' });
        assert.deepEqual(records.map((record: any) => record.id), [id]);
    }
    const again = await play(server, app, 'ids', [['batchSave', stored.slice(0, 5).map((id) => ({ id })), 'Item']]);
    assert.deepEqual(again.responseResults, { added: 0, updated: 0, deleted: 0 }, 'a number is the text it is written as');
});

test('payloads are kept as they are', async () => {
    await connect('payload');
    const odd = {
        id: 'odd', nul: 'a\u0000b', emoji: '👩‍👩‍👧', '': 'empty key', 'key with "quotes"': 1, deep: [[[[{}]]]], 'a.b': 1, numbers: [1.5, -0.1, 1e300, 5e-324, 9007199254740991],
        nothing: null, text: '\u2028\u2029</script>\\', __nothing: [], long: 'x'.repeat(100_000), 10: 'ten', 2: 'two', id2: 'x', Id: 'X', deletedAt: 'not a time'
    };
    const hook = await play(server, app, 'payload', [['batchSave', [odd], 'Item']]);
    assert.equal(hook.success, true, hook.error?.description);
    const [{ _nango_metadata, ...read }] = await server.records('payload', 'Item');
    assert.deepEqual(read, odd);
});

test('the first of records with one id counts, and the others are told of', async () => {
    await connect('twice');
    const hook = await play(server, app, 'twice', [['batchSave', [{ id: '1', v: 1 }, { id: '2' }, { id: '1', v: 2 }, { id: 1, v: 3 }, { id: '3' }], 'Item']]);
    assert.deepEqual(hook.responseResults, { added: 3, updated: 0, deleted: 0 });
    const lines = await server.said('twice', /Found duplicate key '1' for model Item\. The record was ignored\./);
    assert.equal(lines.filter((line) => line.includes('duplicate key')).length, 1, 'each id once');
    assert.equal((await byId('twice', 'Item')).get('1').v, 1);
});

test('ten thousand records in one call', async () => {
    await connect('many', { round: 1 });
    const reader = new Reader(server, 'many', 'Many', 1000);
    const counts = async (round: number) => {
        await setMetadata('many', { round });
        const hook = await next('many', 'many');
        assert.equal(hook.success, true, hook.error?.description);
        return hook.responseResults;
    };
    assert.deepEqual(await counts(1), { added: 10_000, updated: 0, deleted: 0 });
    assert.deepEqual((await reader.drain()).map(({ id }) => id), Array.from({ length: 10_000 }, (_, i) => String(i)), 'in the order in which they were given');
    assert.deepEqual(await counts(1), { added: 0, updated: 0, deleted: 0 });
    assert.deepEqual(await reader.drain(), []);
    assert.deepEqual(await counts(2), { added: 0, updated: 10_000, deleted: 0 });
    assert.equal((await reader.drain()).length, 10_000);
    assert.deepEqual([reader.live.get('7').name, reader.live.get('7').updated], ['number 7', true]);
    assert.deepEqual(await counts(3), { added: 0, updated: 0, deleted: 10_000 });
    assert.equal((await reader.drain()).length, 10_000);
    assert.equal(reader.live.size, 0);
    const { recordCount } = await server.statusOf('many', 'many');
    assert.equal(recordCount.Many, 0);
});

test('a record of 16 MiB', async () => {
    await connect('large');
    const hook = await next('large', 'large');
    assert.equal(hook.success, true, hook.error?.description);
    assert.deepEqual(hook.responseResults, { added: 4, updated: 1, deleted: 0 });
    const records = await byId('large', 'Large');
    assert.equal(records.get('large').text, 'ü'.repeat(8 * MB));
    assert.equal(records.get('large').more, true);
    assert.deepEqual(records.get('result').same, [true, true, true], 'the function read what it had saved');
});

test('a batch of more than 100 MiB is refused', async () => {
    await connect('huge');
    const hook = await next('huge', 'huge');
    assert.equal(hook.success, false);
    assert.match(hook.error.description, /batchSave: 3 records make 1\d{8} characters of JSON, at most 104857600 are accepted/);
});

test('functions read what they saved', async () => {
    await connect('reads');
    const hook = await next('reads', 'reads');
    assert.equal(hook.success, true, hook.error?.description);
    const result = (await byId('reads', 'Read')).get('result');
    delete result._nango_metadata;
    assert.deepEqual(result, {
        id: 'result', keys: [true, false, true, false], size: 123, n: 1, id_of: '1', deleted: 'DELETED', listed: 250, last: '3',
        rest: [...Array.from({ length: 49 }, (_, i) => String(i + 201)), '3'], empty: 0
    });
});

test('records of earlier runs can be deleted', async () => {
    await connect('outdated', { ids: ['1', '2', '3'] });
    assert.deepEqual((await next('outdated', 'outdated')).responseResults, { added: 3, updated: 0, deleted: 0 });
    await setMetadata('outdated', { ids: ['2', '4'] });
    assert.deepEqual((await next('outdated', 'outdated')).responseResults, { added: 1, updated: 0, deleted: 2 });
    await server.said('outdated', /deleted \["1","3"\]/);
});

test('a time of deletion may be given', async () => {
    await connect('deleted');
    await play(server, app, 'deleted', [['batchSave', [{ id: '1', v: 1 }, { id: '2' }], 'Item']]);
    const hook = await play(server, app, 'deleted', [['batchDelete', [{ id: '1', deletedAt: '2020-01-02T03:04:05.678Z' }], 'Item']]);
    assert.equal(hook.responseResults.deleted, 1);
    const record = (await byId('deleted', 'Item')).get('1');
    assert.deepEqual([record.v, record._nango_metadata.deleted_at], [1, '2020-01-02T03:04:05.678+00:00']);
    const bad = await play(server, app, 'deleted', [['batchDelete', [{ id: '2', deletedAt: 'soon' }], 'Item']]);
    assert.ok(bad.error.description.includes('Failed to delete records: records[0].deletedAt: expected a time'), bad.error.description);
});

test('a model that is not declared is refused, with those that are', async () => {
    await connect('undeclared');
    for (const model of ['Other', 'Item::v1', 'item', '']) {
        const hook = await play(server, app, 'undeclared', [['batchSave', [{ id: '1' }], model]]);
        assert.equal(hook.success, false, model);
        assert.match(hook.error.description, model ? /The model '.*' is not included in the declared sync models: Item\./ : /a model name is needed/);
    }
});

test('half of a surrogate pair is kept in payloads, and is U+FFFD in ids', async () => {
    await connect('lone');
    const hook = await next('lone', 'lone');
    assert.equal(hook.success, true, hook.error?.description);
    const records = await server.records('lone', 'Lone');
    assert.deepEqual(records.map(({ id, text }) => [id, text]), [['\ufffd', undefined], ['x\ufffdy', '\ud83d'], ['pair', '😀'], ['result', true]]);
    assert.equal(records.at(-1).size, 3);
    assert.deepEqual((await next('lone', 'lone')).responseResults, { added: 0, updated: 0, deleted: 0 });
});

/** Runs the careful sync, has the others write in the middle of it, and says what each record is in the end. */
async function meddledWith(id: string, metadata: object): Promise<{ by: string[]; counts: object }> {
    await connect(id, metadata);
    const { handler, release } = held(json('ok'));
    fake.on('GET', '/wait', handler);
    const asked = fake.requests.length;
    const hook = await app.after(
        async () => {
            await server.trigger('careful', id);
            await fake.asked(asked + 1);
            assert.equal((await next('others', id)).success, true);
            release();
        },
        'careful',
        (body) => body.connectionId === id
    );
    assert.equal(hook.success, true, hook.error?.description);
    const records = await byId(id, 'Shared');
    return { by: ['1', '2', '3'].map((each) => (records.get(each)?._nango_metadata.last_action === 'DELETED' ? 'deleted' : records.get(each)?.by)), counts: hook.responseResults };
}

test('the usual merging strategy: the last to write wins', async () => {
    const all = { by: ['mine again', 'mine again', 'mine again'], counts: { added: 3, updated: 2, deleted: 0 } };
    assert.deepEqual(await meddledWith('override', { op: 'batchSave' }), all);
    assert.deepEqual(await meddledWith('override2', { strategy: 'override', op: 'batchSave' }), all);
});

test('ignore_if_modified_after leaves alone what others wrote meanwhile, and nothing else', async () => {
    const strategy = 'ignore_if_modified_after';
    assert.deepEqual(await meddledWith('save', { strategy, op: 'batchSave' }), { by: ['mine again', 'others', 'mine again'], counts: { added: 3, updated: 1, deleted: 0 } });
    assert.deepEqual(await meddledWith('update', { strategy, op: 'batchUpdate' }), { by: ['mine again', 'others', undefined], counts: { added: 2, updated: 1, deleted: 0 } });
    assert.deepEqual(await meddledWith('delete', { strategy, op: 'batchDelete' }), { by: ['deleted', 'others', undefined], counts: { added: 2, updated: 0, deleted: 1 } });
});

test('a strategy nobody knows is refused, a second one ignored', async () => {
    await connect('strategy');
    const unknown = await play(server, app, 'strategy', [['setMergingStrategy', { strategy: 'newest' }, 'Item']]);
    assert.match(unknown.error.description, /Unsupported merging strategy: newest/);
    const twice = await play(server, app, 'strategy', [['setMergingStrategy', { strategy: 'override' }, 'Item'], ['setMergingStrategy', { strategy: 'ignore_if_modified_after' }, 'Item']]);
    assert.equal(twice.success, true);
    await server.said('strategy', /warn .*merging strategy of Item is set already/);
});
