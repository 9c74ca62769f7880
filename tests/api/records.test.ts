/* Reading records: what a request may be, what comes back and in which order, and forgetting payloads. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { App, micros, play, Server, scripted, serverWithApp } from './harness.ts';

const PROD = randomUUID();
let server: Server;
let app: App;
before(async () => {
    ({ server, app } = await serverWithApp({ env: { TIDEMARK_SECRET_KEY_PROD: PROD } }));
    await server.integration();
    await server.deploy({ 'fake/syncs/items': scripted });
    await server.connection('c1', 'http://127.0.0.1:1');
    await server.connection('c2', 'http://127.0.0.1:1');
});
after(async () => {
    await server.stop();
    app.close();
});

const HEADERS = { 'connection-id': 'c1', 'provider-config-key': 'fake' };
const read = (query: string, headers: Record<string, string> = HEADERS) => server.api('GET', `/records?${query}`, undefined, headers);
const list = async (query: string, connection = 'c1') => (await server.ok('GET', `/records?${query}`, undefined, { ...HEADERS, 'connection-id': connection })).records as any[];
const prune = (body: object, query = '') => server.api('PATCH', `/records/prune${query}`, body, HEADERS);
const ids = (records: any[]) => records.map(({ id }) => id);
const numbered = (count: number, more: object = {}) => Array.from({ length: count }, (_, i) => ({ id: String(i + 1), ...more }));

/** A connection of its own with these records. */
async function filled(connection: string, ...ops: unknown[][]): Promise<any> {
    await server.connection(connection, 'http://127.0.0.1:1');
    const hook = await play(server, app, connection, ops);
    assert.equal(hook.success, true, JSON.stringify(hook.error));
    return hook;
}

const NUMBER = 'Invalid input: expected number, received NaN';
const REGEX_MODEL = 'Invalid string: must match pattern /^[A-Z][a-zA-Z0-9_-]+$/';
const OLD = 'must be within the last 12 months';
const FILTER = 'Invalid option: expected one of "added"|"updated"|"deleted"|"ADDED"|"UPDATED"|"DELETED"';
const NOW = new Date().toISOString();
const issue = (code: string, message: string, ...path: string[]) => ({ code, message, path });

const wrong: [string, string, ...ReturnType<typeof issue>[]][] = [
    ['no model', '', issue('invalid_type', 'Invalid input: expected string, received undefined', 'model')],
    ['two models', 'model=Item&model=Other', issue('invalid_type', 'Invalid input: expected string, received array', 'model')],
    ['a model of one letter', 'model=I', issue('invalid_format', REGEX_MODEL, 'model')],
    ['a model in lower case', 'model=item', issue('invalid_format', REGEX_MODEL, 'model')],
    ['a long model', `model=I${'x'.repeat(255)}`, issue('too_big', 'Too big: expected string to have <=255 characters', 'model')],
    ['an odd variant', 'model=Item&variant=a+b', issue('invalid_format', 'Invalid string: must match pattern /^[a-zA-Z0-9_-]+$/', 'variant')],
    ['limit 0', 'model=Item&limit=0', issue('too_small', 'Too small: expected number to be >=1', 'limit')],
    ['an empty limit', 'model=Item&limit=', issue('too_small', 'Too small: expected number to be >=1', 'limit')],
    ['a large limit', 'model=Item&limit=10001', issue('too_big', 'Too big: expected number to be <=10000', 'limit')],
    ['a limit in words', 'model=Item&limit=ten', issue('invalid_type', NUMBER, 'limit')],
    ['two limits', 'model=Item&limit=1&limit=2', issue('invalid_type', NUMBER, 'limit')],
    ['a limit below one', 'model=Item&limit=0.5', issue('too_small', 'Too small: expected number to be >=1', 'limit')],
    ['a negative limit', 'model=Item&limit=-1', issue('too_small', 'Too small: expected number to be >=1', 'limit')],
    ['a limit cut off', 'model=Item&limit=1e', issue('invalid_type', NUMBER, 'limit')],
    ['a limit that is an object', 'model=Item&limit[a]=1', issue('invalid_type', NUMBER, 'limit')],
    ['an empty filter', 'model=Item&filter=', issue('invalid_value', FILTER, 'filter', '0')],
    ['a filter with a comma too many', 'model=Item&filter=added,', issue('invalid_value', FILTER, 'filter', '1')],
    ['two filters', 'model=Item&filter=added&filter=updated', issue('invalid_type', 'Invalid input: expected string, received array', 'filter')],
    ['ids that are an object', 'model=Item&ids[a]=x', issue('invalid_union', 'Invalid input', 'ids')],
    ['an empty id among others', 'model=Item&ids=a&ids=', issue('invalid_union', 'Invalid input', 'ids')],
    ['an id of 257 characters, as JavaScript counts', `model=Item&ids=${encodeURIComponent('😀'.repeat(128))}x`, issue('invalid_union', 'Invalid input', 'ids')],
    ['two dates', `model=Item&modified_after=${NOW}&modified_after=${NOW}`, issue('invalid_type', 'Invalid input: expected string, received array', 'modified_after')],
    ['an empty variant', 'model=Item&variant=', issue('invalid_format', 'Invalid string: must match pattern /^[a-zA-Z0-9_-]+$/', 'variant')],
    ['a long and odd model', `model=${'i'.repeat(256)}`, issue('invalid_format', REGEX_MODEL, 'model'), issue('too_big', 'Too big: expected string to have <=255 characters', 'model')],
    ['a filter with a space', 'model=Item&filter=added,%20updated', issue('invalid_value', FILTER, 'filter', '1')],
    ['a filter of mixed case', 'model=Item&filter=Added', issue('invalid_value', FILTER, 'filter', '0')],
    ['an empty cursor', 'model=Item&cursor=', issue('too_small', 'Too small: expected string to have >=1 characters', 'cursor')],
    ['a long cursor', `model=Item&cursor=${'x'.repeat(1001)}`, issue('too_big', 'Too big: expected string to have <=1000 characters', 'cursor')],
    ['an empty id', 'model=Item&ids=', issue('invalid_union', 'Invalid input', 'ids')],
    ['a long id', `model=Item&ids=${'x'.repeat(257)}`, issue('invalid_union', 'Invalid input', 'ids')],
    ['101 ids', `model=Item&${Array.from({ length: 101 }, (_, i) => `ids=${i}`).join('&')}`, issue('invalid_union', 'Invalid input', 'ids')],
    ['a date with an offset', `model=Item&modified_after=${encodeURIComponent(new Date(Date.now() - 1000).toISOString().replace('Z', '+02:00'))}`, issue('invalid_format', 'Invalid ISO datetime', 'modified_after')],
    ['no date', 'model=Item&modified_after=yesterday', issue('invalid_format', 'Invalid ISO datetime', 'modified_after'), issue('custom', OLD, 'modified_after')],
    ['an old date', 'model=Item&modified_after=2001-01-01T00:00:00Z', issue('custom', OLD, 'modified_after')],
    ['an old delta', 'model=Item&delta=2001-01-01T00:00:00.000Z', issue('custom', OLD, 'delta')],
    ['one unknown parameter', 'model=Item&foo=1', issue('unrecognized_keys', 'Unrecognized key: "foo"')],
    ['several things', 'limit=0&foo=1&bar=2',
        issue('invalid_type', 'Invalid input: expected string, received undefined', 'model'),
        issue('too_small', 'Too small: expected number to be >=1', 'limit'),
        issue('unrecognized_keys', 'Unrecognized keys: "foo", "bar"')]
];
for (const [name, query, ...errors] of wrong) {
    test(`the query is refused: ${name}`, async () => {
        const { status, body } = await read(query);
        assert.equal(status, 400);
        assert.deepEqual(body, { error: { code: 'invalid_query_params', errors } });
    });
}

test('dates have one form', async () => {
    const day = NOW.slice(0, 10);
    for (const time of [NOW.toLowerCase(), `${day}T24:00:00Z`, `${day} ${NOW.slice(11)}`, NOW.slice(0, 19), day, `${NOW.slice(0, 4)}-02-30T00:00:00Z`, `${day}T10:60:00Z`, `${day}T10:00:60Z`]) {
        const { status, body } = await read(`model=Item&modified_after=${encodeURIComponent(time)}`);
        assert.deepEqual([status, body.error?.errors[0]], [400, issue('invalid_format', 'Invalid ISO datetime', 'modified_after')], time);
    }
});

test('what JavaScript takes for a number is one, and dates have their forms', async () => {
    for (const limit of ['1e3', '%207%20', '1.5', '10000', '+5', '5.']) assert.equal((await read(`model=Item&limit=${limit}`)).status, 200, limit);
    for (const time of [`${NOW.slice(0, 16)}Z`, `${NOW.slice(0, 19)}Z`, `${NOW.slice(0, 19)}.1234567891Z`]) assert.equal((await read(`model=Item&modified_after=${time}`)).status, 200, time);
    const longest = encodeURIComponent('😀'.repeat(128));
    assert.equal((await read(`model=Item&ids=${longest}`)).status, 200, '256 characters, as JavaScript counts');
});

test('checks come in order: content type, key, query, headers, connection', async () => {
    const nothing = await fetch(`${server.url}/records?foo=1`, { headers: { 'content-type': 'text/plain' } });
    assert.equal(nothing.status, 415);
    assert.equal((await fetch(`${server.url}/records?foo=1`)).status, 401);
    assert.equal((await read('foo=1', {})).body.error.code, 'invalid_query_params');

    const headers = await read('model=Item', {});
    assert.equal(headers.status, 400);
    assert.deepEqual(headers.body, {
        error: {
            code: 'invalid_headers',
            errors: [
                issue('invalid_type', 'Invalid input: expected string, received undefined', 'connection-id'),
                issue('invalid_type', 'Invalid input: expected string, received undefined', 'provider-config-key')
            ]
        }
    });
    for (const unknown of [{ ...HEADERS, 'connection-id': 'nope' }, { ...HEADERS, 'provider-config-key': 'nope' }]) {
        const { status, body } = await read('model=Item', unknown);
        assert.equal(status, 400);
        assert.deepEqual(body, { error: { code: 'unknown_connection', message: 'Provided ConnectionId and ProviderConfigKey does not match a valid connection' } });
    }
});

test('a model without records is empty', async () => {
    assert.deepEqual((await read('model=Nothing')).body, { next_cursor: null, records: [] });
    assert.deepEqual((await server.api('GET', '/records/?model=Nothing&variant=base&limit=1e3', undefined, HEADERS)).body, { next_cursor: null, records: [] });
    assert.equal((await read('model=Nothing%3A%3Av1')).status, 200, 'what the CLI sends for variants');
});

test('a record is what was saved, its id as text, and what is known of it', async () => {
    const saved = { z: 1, id: 7, a: { deep: [null, true, 1.5, 'ü\u0000😀', { b: 1, a: 2 }] }, deletedAt: 'x', empty: {} };
    await filled('shape', ['batchSave', [saved], 'Item']);
    const raw = await fetch(`${server.url}/records?model=Item`, { headers: { ...HEADERS, 'connection-id': 'shape', authorization: `Bearer ${server.key}` } });
    const answer = await raw.text();
    assert.ok(answer.startsWith('{"next_cursor":null,"records":[{"z":1,"id":"7","a":{"deep":'), answer);
    const [record] = JSON.parse(answer).records;
    const { _nango_metadata: metadata, ...rest } = record;
    assert.deepEqual(rest, { ...saved, id: '7' });
    assert.deepEqual(Object.keys(metadata), ['first_seen_at', 'last_modified_at', 'last_action', 'deleted_at', 'pruned_at', 'cursor']);
    for (const time of [metadata.first_seen_at, metadata.last_modified_at]) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?\+00:00$/);
    assert.equal(metadata.first_seen_at, metadata.last_modified_at);
    assert.deepEqual([metadata.last_action, metadata.deleted_at, metadata.pruned_at], ['ADDED', null, null]);
    assert.match(metadata.cursor, /^[A-Za-z0-9+/]+={0,2}$/);
});

test('what became of a record shows in its metadata', async () => {
    await filled('history', ['batchSave', [{ id: '1', v: 1 }, { id: '2', v: 1 }, { id: '3', v: 1 }], 'Item']);
    const before = await list('model=Item', 'history');
    await play(server, app, 'history', [['batchSave', [{ id: '1', v: 1 }, { id: '2', v: 2 }], 'Item'], ['batchDelete', [{ id: '3' }], 'Item']]);
    const [same, changed, deleted] = await list('model=Item', 'history');

    assert.deepEqual(same, before[0], 'unchanged: nothing moved');
    assert.equal(changed._nango_metadata.last_action, 'UPDATED');
    assert.equal(changed._nango_metadata.first_seen_at, before[1]._nango_metadata.first_seen_at);
    assert.ok(micros(changed._nango_metadata.last_modified_at) > micros(changed._nango_metadata.first_seen_at));
    assert.equal(deleted._nango_metadata.last_action, 'DELETED');
    assert.equal(deleted._nango_metadata.deleted_at, deleted._nango_metadata.last_modified_at);
    assert.equal(deleted.v, 1, 'the last payload is kept');

    await play(server, app, 'history', [['batchSave', [{ id: '3', v: 1 }], 'Item']]);
    const back = (await list('model=Item', 'history')).at(-1)!;
    assert.deepEqual([back.id, back._nango_metadata.last_action, back._nango_metadata.deleted_at], ['3', 'ADDED', null]);
    assert.equal(back._nango_metadata.first_seen_at, back._nango_metadata.last_modified_at);
});

test('pages follow each other without gap or repeat', async () => {
    await filled('pages', ['batchSave', numbered(2500), 'Item']);
    const first = await read('model=Item&limit=2', { ...HEADERS, 'connection-id': 'pages' });
    assert.deepEqual(ids(first.body.records), ['1', '2']);
    assert.equal(first.body.next_cursor, first.body.records[1]._nango_metadata.cursor);

    const all: any[] = [];
    let pages = 0;
    for (let cursor: string | null = ''; cursor !== null; pages++) {
        const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
        const { body } = await read(`model=Item&limit=100${query}`, { ...HEADERS, 'connection-id': 'pages' });
        all.push(...body.records);
        cursor = body.next_cursor;
    }
    assert.equal(pages, 25);
    assert.deepEqual(ids(all), ids(numbered(2500)));
    for (let i = 1; i < all.length; i++) assert.ok(micros(all[i]._nango_metadata.last_modified_at) > micros(all[i - 1]._nango_metadata.last_modified_at));
    assert.equal((await list('model=Item&limit=10000', 'pages')).length, 2500);

    const last = all.at(-1)._nango_metadata.cursor;
    assert.deepEqual(await list(`model=Item&cursor=${encodeURIComponent(last)}`, 'pages'), [], 'drained');
    await play(server, app, 'pages', [['batchSave', [{ id: '5', new: true }], 'Item']]);
    assert.deepEqual(ids(await list(`model=Item&cursor=${encodeURIComponent(last)}`, 'pages')), ['5'], 'only what changed since');
});

test('a fraction as limit gives no half records', async () => {
    await filled('fraction', ['batchSave', numbered(3), 'Item']);
    const { body } = await read('model=Item&limit=1.5', { ...HEADERS, 'connection-id': 'fraction' });
    assert.equal(body.records.length, 1);
    assert.equal(body.next_cursor, body.records[0]._nango_metadata.cursor);
});

test('filters are unions of what they name', async () => {
    await filled('filter', ['batchSave', numbered(3), 'Item']);
    await play(server, app, 'filter', [['batchSave', [{ id: '2', v: 2 }], 'Item'], ['batchDelete', [{ id: '3' }], 'Item']]);
    const expected: Record<string, string[]> = {
        added: ['1'], ADDED: ['1'], updated: ['2'], deleted: ['3'], 'added,updated': ['1', '2'], 'updated,deleted': ['2', '3'],
        'added,DELETED': ['1', '3'], 'added,added': ['1'], 'added,updated,deleted': ['1', '2', '3']
    };
    for (const [filter, want] of Object.entries(expected)) assert.deepEqual(ids(await list(`model=Item&filter=${filter}`, 'filter')), want, filter);
    assert.deepEqual(ids(await list('model=Item', 'filter')), ['1', '2', '3']);
});

test('records by their ids', async () => {
    await filled('ids', ['batchSave', [{ id: 1 }, { id: 'a,b' }, { id: 'x\u0000y' }, ...numbered(120).slice(1)], 'Item']);
    const get = async (query: string) => ids(await list(`model=Item&${query}`, 'ids'));
    assert.deepEqual(await get('ids=2&ids=1'), ['1', '2'], 'in the order of the feed');
    assert.deepEqual(await get('ids[]=1&ids[]=3'), ['1', '3']);
    assert.deepEqual(await get('ids[0]=3'), ['3']);
    assert.deepEqual(await get('ids=a,b'), ['a,b'], 'a comma is a letter');
    assert.deepEqual(await get('ids=xy'), ['xy'], 'no NUL in ids');
    assert.deepEqual(await get('ids=x%00y'), ['xy']);
    assert.deepEqual(await get('ids=none'), []);
    assert.equal((await get(Array.from({ length: 100 }, (_, i) => `ids=${i + 1}`).join('&'))).length, 100);
    assert.deepEqual(await get('ids=1&ids=2&limit=1'), ['1']);
});

test('modified_after includes its millisecond', async () => {
    await filled('after', ['batchSave', numbered(3), 'Item']);
    const all = await list('model=Item', 'after');
    const first = all[0]._nango_metadata.last_modified_at;
    const ms = `${new Date(Number(micros(first) / 1000n)).toISOString()}`;
    assert.equal((await list(`model=Item&modified_after=${ms}`, 'after')).length, 3);
    assert.equal((await list(`model=Item&delta=${ms}`, 'after')).length, 3);
    const later = new Date(Number(micros(all[2]._nango_metadata.last_modified_at) / 1000n) + 1).toISOString();
    assert.deepEqual(await list(`model=Item&modified_after=${later}`, 'after'), []);
    assert.equal((await list(`model=Item&modified_after=${later}&delta=${ms}`, 'after')).length, 3, 'delta wins');
    assert.equal((await list(`model=Item&modified_after=${ms.slice(0, 10)}T00:00Z`, 'after')).length, 3, 'seconds may be left out');
});

test('a cursor that is broken or of another dataset is refused', async () => {
    await filled('foreign', ['batchSave', numbered(2), 'Item']);
    await filled('own', ['batchSave', numbered(2), 'Item']);
    const [record] = await list('model=Item', 'foreign');
    const foreign = record._nango_metadata.cursor;
    for (const cursor of [foreign, 'garbage', Buffer.from('a||b').toString('base64'), `${foreign.slice(0, -4)}AAAA`, '%']) {
        const { status, body } = await read(`model=Item&cursor=${encodeURIComponent(cursor)}`, { ...HEADERS, 'connection-id': 'own' });
        assert.equal(status, 400, cursor);
        assert.ok(body.error.code, cursor);
    }
});

test('connections see nothing of each other', async () => {
    await filled('mine', ['batchSave', [{ id: '1', whose: 'mine' }], 'Item']);
    assert.deepEqual(await list('model=Item', 'c2'), []);
});

test('another environment sees none of them, by either route', async () => {
    await filled('tenant', ['batchSave', numbered(2), 'Item']);
    const [record] = await list('model=Item', 'tenant');
    const until_cursor = record._nango_metadata.cursor;
    const asProd = { ...HEADERS, 'connection-id': 'tenant', authorization: `Bearer ${PROD}` };
    for (const [method, path, body] of [['GET', '/records?model=Item', undefined], ['PATCH', '/records/prune', { model: 'Item', until_cursor }]] as const) {
        const answer = await server.api(method, path, body, asProd);
        assert.deepEqual([answer.status, answer.body.error.code], [400, 'unknown_connection'], path);
    }
    // One of the same name there is another one.
    await server.ok('POST', '/integrations', { provider: 'unauthenticated', unique_key: 'fake' }, asProd);
    await server.ok('POST', '/connections', { provider_config_key: 'fake', connection_id: 'tenant', credentials: { type: 'NONE' } }, asProd);
    assert.deepEqual((await server.ok('GET', '/records?model=Item', undefined, asProd)).records, []);
    const foreign = await server.api('PATCH', '/records/prune', { model: 'Item', until_cursor }, asProd);
    assert.deepEqual([foreign.status, foreign.body.error.errors], [400, [issue('custom', 'Invalid cursor', 'until_cursor')]]);
    assert.equal((await list('model=Item', 'tenant')).length, 2);
});

test('a page of many bytes ends early, and its cursor goes on', async () => {
    const small = await serverWithApp({ args: ['--max-page', '10K'] });
    await small.server.integration();
    await small.server.deploy({ 'fake/syncs/items': scripted });
    await small.server.connection('c1', 'http://127.0.0.1:1');
    const sizes = [4000, 4000, 4000, 50_000, 10, 10];
    await play(small.server, small.app, 'c1', [['batchSave', sizes.map((size, i) => ({ id: String(i), text: 'x'.repeat(size) })), 'Item']]);
    const pages: string[][] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
        const query = new URLSearchParams({ model: 'Item', limit: '10000', ...(cursor && { cursor }) });
        const page = await small.server.ok('GET', `/records?${query}`, undefined, HEADERS);
        pages.push(ids(page.records));
        cursor = page.next_cursor;
    }
    assert.deepEqual(pages, [['0', '1'], ['2'], ['3'], ['4', '5']], 'one record always fits');
    await small.server.stop();
    small.app.close();
});

test('pruning forgets payloads up to a cursor, a limit at a time', async () => {
    await server.connection('prune', 'http://127.0.0.1:1');
    await play(server, app, 'prune', [['batchSave', numbered(3, { v: 1 }), 'Item']]);
    const headers = { ...HEADERS, 'connection-id': 'prune' };
    const at = async (body: object) => (await server.api('PATCH', '/records/prune', { model: 'Item', ...body }, headers)).body;
    const cursors = (await list('model=Item', 'prune')).map((each) => each._nango_metadata.cursor);

    assert.deepEqual(await at({ until_cursor: cursors[2], limit: 1 }), { count: 1, has_more: true });
    assert.deepEqual(await at({ until_cursor: cursors[1] }), { count: 1, has_more: false });
    assert.deepEqual(await at({ until_cursor: cursors[2] }), { count: 1, has_more: false });
    assert.deepEqual(await at({ until_cursor: cursors[2] }), { count: 0, has_more: false });

    const pruned = await list('model=Item', 'prune');
    assert.deepEqual(pruned.map((each) => each._nango_metadata.cursor), cursors, 'their place in the feed stays');
    for (const record of pruned) {
        assert.deepEqual(Object.keys(record), ['id', '_nango_metadata']);
        assert.equal(record._nango_metadata.last_action, 'ADDED');
        assert.ok(record._nango_metadata.pruned_at);
    }
    const [status] = await server.status('prune');
    assert.deepEqual(status.recordCount, { Item: 3 });

    await play(server, app, 'prune', [['batchSave', [{ id: '2', v: 2 }], 'Item']]);
    const back = (await list('model=Item', 'prune')).find(({ id }) => id === '2')!;
    assert.deepEqual([back.v, back._nango_metadata.pruned_at], [2, null]);
});

test('a record that changed after its cursor was read is not pruned', async () => {
    await server.connection('moved', 'http://127.0.0.1:1');
    await play(server, app, 'moved', [['batchSave', numbered(2, { v: 1 }), 'Item']]);
    const cursor = (await list('model=Item', 'moved')).at(-1)!._nango_metadata.cursor;
    await play(server, app, 'moved', [['batchSave', [{ id: '2', v: 2 }], 'Item']]);
    const headers = { ...HEADERS, 'connection-id': 'moved' };
    const again = () => server.ok('PATCH', '/records/prune', { model: 'Item', until_cursor: cursor }, headers);
    assert.equal((await again()).count, 1);
    assert.deepEqual(await again(), { count: 0, has_more: false });
    const left = await list('model=Item', 'moved');
    assert.deepEqual(left.map(({ id, v }) => [id, v]), [['1', undefined], ['2', 2]]);
});

test('what pruning refuses', async () => {
    const query = await prune({ model: 'Item', until_cursor: 'x' }, '?a=1');
    assert.deepEqual([query.status, query.body.error.code], [400, 'invalid_query_params']);
    const body = await prune({ limit: 0, foo: 1 });
    assert.equal(body.status, 400);
    assert.equal(body.body.error.code, 'invalid_body');
    assert.deepEqual(body.body.error.errors.map(({ path }: any) => path.join()), ['model', 'until_cursor', 'limit', '']);
    assert.equal((await server.api('PATCH', '/records/prune', { model: 'Item', until_cursor: 'x' })).body.error.code, 'invalid_headers');
    const unknown = await server.api('PATCH', '/records/prune', { model: 'Item', until_cursor: 'x' }, { ...HEADERS, 'connection-id': 'nope' });
    assert.deepEqual([unknown.status, unknown.body.error.code], [400, 'unknown_connection']);
    assert.equal((await prune({ model: 'Item', until_cursor: 'garbage' })).status, 400);
});
