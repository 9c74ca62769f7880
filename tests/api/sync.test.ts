/* Syncs: what a run reports, how runs go on from one another, and how an app controls them. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { held, hang, json } from '../fake/replies.ts';
import { App, play, Reader, Server, scripted, serverWithApp, sync, until } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;

const FUNCTIONS = {
    'fake/syncs/items': scripted,
    // Pages with a checkpoint; fails where the metadata says.
    'fake/syncs/steps': sync(
        `
        const start = (await nango.getCheckpoint())?.page ?? 0;
        const { pages, fail } = await nango.getMetadata();
        for (let page = start; page < pages; page++) {
            await nango.batchSave([{ id: String(page), page }], 'Step');
            if (page === fail) throw new Error('page ' + page + ' fails');
            await nango.saveCheckpoint({ page: page + 1 });
        }
        await nango.clearCheckpoint();`,
        { model: 'Step', autoStart: false }
    ),
    'fake/syncs/window': sync(
        `
        const { ids, fail } = await nango.getMetadata();
        await nango.trackDeletesStart('Win');
        await nango.batchSave(ids.map((id) => ({ id })), 'Win');
        if (fail) throw new Error('before the end');
        const { deletedKeys } = await nango.trackDeletesEnd('Win');
        await nango.log('deleted ' + JSON.stringify(deletedKeys.sort()));`,
        { model: 'Win', autoStart: false }
    ),
    'fake/syncs/legacy': sync(`const { ids, v, fail } = await nango.getMetadata();
        await nango.batchSave(ids.map((id) => ({ id, v })), 'Legacy');
        if (fail) throw new Error('not all of them');`, { model: 'Legacy', autoStart: false, more: 'trackDeletes: true,' }),
    'fake/syncs/waits': sync(`const { data } = await nango.get({ endpoint: '/wait' }); await nango.batchSave([{ id: 'late', data }], 'Late');`, { model: 'Late', autoStart: false }),
    'fake/syncs/variants': sync(`await nango.batchSave([{ id: nango.variant }], 'Var'); await nango.saveCheckpoint({ of: nango.variant });`, { model: 'Var', autoStart: false }),
    'fake/syncs/many': sync(`
        await nango.batchSave([{ id: '1' }], 'One');
        await nango.batchSave([{ id: '1' }, { id: '2' }], 'Two');`, { model: 'One: z.object({ id: z.string() }), Two', autoStart: false }),
    'fake/syncs/since': sync(`await nango.batchSave([{ id: '1', since: nango.lastSyncDate?.toISOString() ?? null }], 'Since');`, { model: 'Since', autoStart: false })
};

before(async () => {
    ({ server, app } = await serverWithApp());
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
const next = (name: string, id: string, opts?: object) => app.after(() => server.trigger(name, id, opts), name, (body) => body.connectionId === id);
const counts = (hook: any) => Object.values(hook.responseResults);
const ids = (records: any[]) => records.map(({ id }) => id);

test('the first run is INITIAL and tells what it added; the same again tells of nothing', async () => {
    await connect('first');
    const before = Date.now();
    const hook = await play(server, app, 'first', [['batchSave', [{ id: '1' }, { id: '2' }], 'Item']]);
    const { modifiedAfter, queryTimeStamp, ...rest } = hook;
    assert.deepEqual(rest, {
        connectionId: 'first',
        from: 'nango',
        model: 'Item',
        providerConfigKey: 'fake',
        responseResults: { added: 2, deleted: 0, updated: 0 },
        success: true,
        syncName: 'items',
        syncType: 'INITIAL',
        syncVariant: 'base',
        type: 'sync'
    });
    assert.equal(modifiedAfter, queryTimeStamp);
    assert.match(modifiedAfter, /Z$/);
    assert.ok(Math.abs(Date.parse(modifiedAfter) - before) < 10_000);

    const again = await play(server, app, 'first', [['batchSave', [{ id: '1' }, { id: '2' }], 'Item']]);
    assert.equal(again.syncType, 'INCREMENTAL');
    assert.deepEqual(again.responseResults, { added: 0, deleted: 0, updated: 0 });
});

test('counts are those of the changes in the feed', async () => {
    await connect('counts');
    const reader = new Reader(server, 'counts', 'Item');
    await play(server, app, 'counts', [['batchSave', [{ id: '1', v: 1 }, { id: '2', v: 1 }, { id: '3', v: 1 }, { id: '1', v: 9 }], 'Item']]);
    assert.deepEqual(ids(await reader.drain()), ['1', '2', '3']);
    assert.equal(reader.live.get('1').v, 1, 'of two in a batch the first counts');

    const hook = await play(server, app, 'counts', [
        ['batchSave', [{ id: '1', v: 1 }, { id: '2', v: 2 }, { id: '4' }], 'Item'],
        ['batchDelete', [{ id: '3' }, { id: 'unknown' }], 'Item']
    ]);
    assert.deepEqual(hook.responseResults, { added: 1, updated: 1, deleted: 1 });
    assert.deepEqual((await reader.drain()).map((each) => [each.id, each._nango_metadata.last_action]), [['2', 'UPDATED'], ['4', 'ADDED'], ['3', 'DELETED']]);

    const repeat = await play(server, app, 'counts', [['batchDelete', [{ id: '3' }, { id: 'unknown' }], 'Item']]);
    assert.deepEqual(repeat.responseResults, { added: 0, updated: 0, deleted: 0 });
    assert.deepEqual(await reader.drain(), [], 'nothing is deleted twice');
});

test('other order of keys is no change; other text of a number is none either', async () => {
    await connect('order');
    await play(server, app, 'order', [['batchSave', [{ id: '1', a: 1, b: { c: 1, d: [1.0, 1e2] } }], 'Item']]);
    const hook = await play(server, app, 'order', [['batchSave', [{ b: { d: [1, 100], c: 1 }, a: 1, id: 1 }], 'Item']]);
    assert.deepEqual(counts(hook), [0, 0, 0]);
    const other = await play(server, app, 'order', [['batchSave', [{ id: '1', a: 1, b: { c: 1, d: [100, 1] } }], 'Item']]);
    assert.equal(other.responseResults.updated, 1, 'the order of a list is a change');
});

test('batchUpdate merges into what there is', async () => {
    await connect('update');
    const reader = new Reader(server, 'update', 'Item');
    await play(server, app, 'update', [['batchSave', [{ id: '1', a: { x: 1, y: [1, 2] }, b: 1 }, { id: '2' }], 'Item'], ['batchDelete', [{ id: '2' }], 'Item']]);
    await reader.drain();
    const hook = await play(server, app, 'update', [['batchUpdate', [{ id: '1', a: { y: [3], z: null } }, { id: '2', b: 1 }, { id: 'unknown', b: 1 }], 'Item']]);
    assert.deepEqual(hook.responseResults, { added: 0, updated: 1, deleted: 0 });
    const [record] = await reader.drain();
    assert.deepEqual([record.a, record.b], [{ x: 1, y: [3], z: null }, 1]);

    const same = await play(server, app, 'update', [['batchUpdate', [{ id: '1', b: 1 }], 'Item'], ['batchSave', [{ id: '1', a: { x: 1, y: [3], z: null }, b: 1 }], 'Item']]);
    assert.deepEqual(counts(same), [0, 0, 0], 'what is there already is no change, by either way');
});

test('one webhook per model', async () => {
    await connect('many');
    await server.trigger('many', 'many');
    const hooks = await app.syncs(2, (body) => body.syncName === 'many');
    assert.deepEqual(hooks.map(({ model, responseResults }) => [model, responseResults.added]).sort(), [['One', 1], ['Two', 2]]);
});

test('a run that fails says so, keeps what it saved, and the next goes on from the checkpoint', async () => {
    await connect('steps', { pages: 4, fail: 2 });
    const failed = await next('steps', 'steps');
    assert.equal(failed.success, false);
    assert.equal(failed.model, 'Step');
    assert.match(failed.error.description, /page 2 fails/);
    assert.equal(failed.error.type, 'script_error');
    assert.ok(Date.parse(failed.startedAt) <= Date.parse(failed.failedAt));
    const stopped = await server.statusOf('steps', 'steps');
    assert.deepEqual([stopped.status, stopped.latestExecutionStatus, stopped.checkpoint], ['PAUSED', 'STOPPED', { page: 2 }]);
    assert.deepEqual(ids(await server.records('steps', 'Step')), ['0', '1', '2']);

    await setMetadata('steps', { pages: 4 });
    const resumed = await next('steps', 'steps');
    assert.equal(resumed.success, true);
    assert.equal(resumed.syncType, 'INITIAL', 'none has succeeded before');
    assert.deepEqual(resumed.checkpoints, { from: { page: 2 }, to: null });
    assert.deepEqual(resumed.responseResults, { added: 1, deleted: 0, updated: 0 });
    const status = await server.statusOf('steps', 'steps');
    assert.deepEqual([status.checkpoint, status.recordCount], [null, { Step: 4 }]);
    assert.deepEqual(status.latestResult, { Step: { added: 1, deleted: 0, updated: 0 } });
    assert.equal(status.latestExecutionStatus, 'SUCCESS');
});

test('a window of deletions stays open over a failed run', async () => {
    await connect('win', { ids: ['1', '2', '3'] });
    assert.deepEqual((await next('window', 'win')).responseResults, { added: 3, deleted: 0, updated: 0 });

    await setMetadata('win', { ids: ['1'], fail: true });
    assert.equal((await next('window', 'win')).success, false);
    assert.deepEqual(ids(await server.records('win', 'Win')), ['1', '2', '3'], 'a failed run deletes nothing');
    assert.ok((await server.records('win', 'Win')).every((each) => each._nango_metadata.last_action === 'ADDED'));

    await setMetadata('win', { ids: ['2'] });
    assert.deepEqual((await next('window', 'win')).responseResults, { added: 0, deleted: 1, updated: 0 }, 'what either run saw stays');
    await server.said('win', /deleted \["3"\]/);

    assert.deepEqual((await next('window', 'win')).responseResults, { added: 0, deleted: 1, updated: 0 }, 'a new window sees only its own run');
});

test('the older way to find deletions counts only runs that succeed', async () => {
    await connect('legacy', { ids: ['1', '2'] });
    await next('legacy', 'legacy');
    await setMetadata('legacy', { ids: ['2'], fail: true });
    assert.equal((await next('legacy', 'legacy')).success, false);
    assert.equal((await server.statusOf('legacy', 'legacy')).recordCount.Legacy, 2);
    await setMetadata('legacy', { ids: ['2', '3'], v: 2 });
    assert.deepEqual((await next('legacy', 'legacy')).responseResults, { added: 1, deleted: 1, updated: 1 });
    await setMetadata('legacy', { ids: ['1', '2', '3'], v: 2 });
    assert.deepEqual((await next('legacy', 'legacy')).responseResults, { added: 1, deleted: 0, updated: 0 }, 'what comes back is added');
});

test('deletions of a variant are its own, and are counted', async () => {
    await connect('vardel', { ids: ['1', '2'] });
    const variant = async (sync: string) => server.ok('POST', `/sync/${sync}/variant/v1`, { provider_config_key: 'fake', connection_id: 'vardel' });
    const run = (sync: string) => app.after(() => server.ok('POST', '/sync/trigger', { syncs: [{ name: sync, variant: 'v1' }], provider_config_key: 'fake', connection_id: 'vardel' }), sync, (body) => body.connectionId === 'vardel' && body.syncVariant === 'v1');
    for (const sync of ['legacy', 'window']) {
        await setMetadata('vardel', { ids: ['1', '2'] });
        await variant(sync);
        assert.equal((await next(sync, 'vardel')).responseResults.added, 2);
        assert.equal((await run(sync)).responseResults.added, 2);
        await setMetadata('vardel', { ids: ['2'] });
        const hook = await run(sync);
        assert.deepEqual([hook.model, hook.responseResults], [sync === 'legacy' ? 'Legacy' : 'Win', { added: 0, deleted: 1, updated: 0 }]);
        assert.ok((await server.records('vardel', hook.model)).every((each) => each._nango_metadata.last_action === 'ADDED'), 'those of the base are left alone');
    }
});

test('ending a window that was never opened throws', async () => {
    await connect('noend');
    const hook = await play(server, app, 'noend', [['trackDeletesEnd', 'Item']]);
    assert.equal(hook.success, false);
    assert.match(hook.error.description, /No track deletes starting point found for model 'Item'/);
});

test('reset forgets the checkpoint and the last run, emptyCache the records too', async () => {
    await connect('reset', { pages: 3, fail: 2 });
    await next('steps', 'reset');
    await setMetadata('reset', { pages: 3 });
    const reset = await next('steps', 'reset', { reset: true });
    assert.equal(reset.checkpoints.from, null);
    assert.deepEqual(reset.responseResults, { added: 0, deleted: 0, updated: 0 }, 'the records were there');

    assert.equal((await next('steps', 'reset')).syncType, 'INCREMENTAL');
    const plain = await next('steps', 'reset', { emptyCache: true });
    assert.equal(plain.responseResults.added, 0, 'emptyCache alone does nothing');
    const emptied = await next('steps', 'reset', { reset: true, emptyCache: true });
    assert.equal(emptied.syncType, 'INITIAL');
    assert.deepEqual(emptied.responseResults, { added: 3, deleted: 0, updated: 0 });
});

test('lastSyncDate is the start of the last run that succeeded', async () => {
    await connect('since');
    const since = async () => (await server.records('since', 'Since'))[0].since;
    const first = await next('since', 'since');
    assert.equal(await since(), null);
    await next('since', 'since');
    assert.equal(await since(), first.modifiedAfter);
    await next('since', 'since', { reset: true });
    assert.equal(await since(), null);
});

test('pausing ends the run at once, and it can be started again', async () => {
    await connect('pause');
    fake.on('GET', '/wait', hang);
    await server.trigger('waits', 'pause');
    await fake.asked(1, ({ path }) => path === '/wait');
    assert.equal((await server.statusOf('waits', 'pause')).status, 'RUNNING');
    await server.ok('POST', '/sync/pause', { syncs: ['waits'], provider_config_key: 'fake', connection_id: 'pause' });
    await until('the pause', async () => (await server.statusOf('waits', 'pause')).status === 'PAUSED');
    const paused = await server.statusOf('waits', 'pause');
    assert.equal(paused.nextScheduledSyncAt, null);
    assert.deepEqual(await server.records('pause', 'Late'), []);

    fake.on('GET', '/wait', json('ok'));
    const byHand = await next('waits', 'pause');
    assert.equal(byHand.success, true, 'a paused sync runs when it is told to');
    assert.equal((await server.statusOf('waits', 'pause')).status, 'PAUSED');

    await server.ok('POST', '/sync/start', { syncs: ['waits'], provider_config_key: 'fake', connection_id: 'pause' });
    const started = await server.statusOf('waits', 'pause');
    assert.notEqual(started.status, 'PAUSED');
    assert.ok(Date.parse(started.nextScheduledSyncAt) > 0);
    await server.ok('POST', '/sync/start', { syncs: ['waits'], provider_config_key: 'fake', connection_id: 'pause' });
    await server.ok('POST', '/sync/pause', { syncs: [], provider_config_key: 'fake', connection_id: 'pause' });
});

test('what is deleted while it runs writes nothing any more', async () => {
    await connect('fenced');
    const { handler, release } = held(json('ok'));
    fake.on('GET', '/wait', handler);
    const mark = fake.requests.length;
    await server.trigger('waits', 'fenced');
    await fake.asked(1, (request) => fake.requests.indexOf(request) >= mark);
    await server.ok('DELETE', '/connections/fenced?provider_config_key=fake');
    release();
    await connect('fenced');
    assert.deepEqual(await server.records('fenced', 'Late'), []);
    const hook = await play(server, app, 'fenced', [['batchSave', [{ id: '1' }], 'Item']]);
    assert.equal(hook.success, true);
});

test('the state of a sync with a schedule is that of its last run', async () => {
    await connect('states', { pages: 1, fail: 0 });
    const start = () => server.ok('POST', '/sync/start', { syncs: ['steps'], provider_config_key: 'fake', connection_id: 'states' });
    await app.after(start, 'steps', (body) => body.connectionId === 'states');
    assert.equal((await server.statusOf('steps', 'states')).status, 'ERROR');
    await setMetadata('states', { pages: 1 });
    await next('steps', 'states');
    assert.equal((await server.statusOf('steps', 'states')).status, 'SUCCESS');
    await server.ok('POST', '/sync/pause', { syncs: ['steps'], provider_config_key: 'fake', connection_id: 'states' });
});

test('triggers while it runs are one run after it', async () => {
    await connect('merged');
    const { handler, release } = held(json('one'));
    fake.on('GET', '/wait', [handler, json('two')]);
    const mark = fake.requests.length;
    await server.trigger('waits', 'merged');
    await fake.asked(1, (request) => fake.requests.indexOf(request) >= mark);
    for (let i = 0; i < 5; i++) await server.trigger('waits', 'merged');
    assert.equal(fake.requests.length - mark, 1, 'no two runs at once');
    release();
    await app.syncs(2, (body) => body.connectionId === 'merged');
    await until('the end', async () => (await server.statusOf('waits', 'merged')).status !== 'RUNNING');
    assert.equal(fake.requests.length - mark, 2);
});

test('a sync that does not start by itself waits to be started', async () => {
    await connect('manual');
    const statuses = await server.status('manual');
    assert.deepEqual(statuses.map(({ name }) => name).sort(), Object.keys(FUNCTIONS).map((name) => name.split('/').at(-1)).sort());
    for (const status of statuses) {
        assert.deepEqual([status.status, status.variant, status.type, status.nextScheduledSyncAt, status.checkpoint], ['PAUSED', 'base', 'INITIAL', null, null]);
        assert.match(status.frequency, /^(every hour|1h)$/);
        assert.equal(status.latestExecutionStatus, undefined);
        assert.equal(status.finishedAt, undefined);
        assert.match(status.id, /^[0-9a-f-]{36}$/);
    }
    const started = await app.after(
        () => server.ok('POST', '/sync/start', { syncs: ['variants'], provider_config_key: 'fake', connection_id: 'manual' }),
        'variants',
        (body) => body.connectionId === 'manual'
    );
    assert.equal(started.success, true, 'it runs at once when started for the first time');
});

test('frequency: deployed, overridden, and back', async () => {
    await connect('freq');
    const set = (frequency: string | null) =>
        server.api('PUT', '/sync/update-connection-frequency', { sync_name: 'items', provider_config_key: 'fake', connection_id: 'freq', frequency });
    const expected: [string, string][] = [['every half hour', '30m'], ['every day', '1d'], ['every 20 minutes', '20 minutes'], ['every 15s', '15s'], ['every minute', 'minute'], ['every hour', '1h']];
    for (const [text, normal] of expected) {
        const { status, body } = await set(text);
        assert.equal(status, 200, `${text}: ${JSON.stringify(body)}`);
        if (text !== 'every minute') assert.deepEqual(body, { frequency: normal });
    }
    for (const wrong of ['sometimes', 'every 5 seconds', 'every 0 minutes', 'every -1 hours', '']) assert.equal((await set(wrong)).status, 400, wrong);
    await set('every 3 hours');
    assert.match((await server.statusOf('items', 'freq')).frequency, /3 hours/);
    assert.deepEqual((await set(null)).body, { frequency: 'every hour' });
    assert.match((await server.statusOf('items', 'freq')).frequency, /^(every hour|1h)$/);

    const body = { sync_name: 'items', provider_config_key: 'fake', connection_id: 'freq', frequency: 'every day' };
    for (const [change, code] of [[{ connection_id: 'none' }, 'unknown_connection'], [{ sync_name: 'none' }, 'unknown_sync']] as const) {
        const answer = await server.api('PUT', '/sync/update-connection-frequency', { ...body, ...change });
        assert.deepEqual([answer.status, answer.body.error.code], [400, code]);
    }
});

test('variants are syncs of their own', async () => {
    await connect('var');
    const path = (variant: string) => `/sync/variants/variant/${variant}`;
    const which = { provider_config_key: 'fake', connection_id: 'var' };
    const made = await server.ok('POST', path('v1'), which);
    assert.deepEqual([made.name, made.variant], ['variants', 'v1']);
    await server.ok('POST', path('v2'), which);
    assert.equal((await server.api('POST', path('v1'), which)).body.error.code, 'sync_variant_already_exists');
    for (const base of ['base', 'BASE']) assert.equal((await server.api('POST', path(base), which)).body.error.code, 'invalid_variant');
    assert.equal((await server.api('POST', '/sync/none/variant/v1', which)).body.error.code, 'unknown_sync');
    assert.equal((await server.api('POST', path('v3'), { ...which, connection_id: 'none' })).body.error.code, 'unknown_connection');

    await server.ok('POST', '/sync/trigger', { ...which, syncs: ['variants', 'variants::v1', { name: 'variants', variant: 'v2' }] });
    const hooks = await app.syncs(3, (body) => body.connectionId === 'var');
    assert.deepEqual(hooks.map(({ syncVariant, model }) => [syncVariant, model]).sort(), [['base', 'Var'], ['v1', 'Var'], ['v2', 'Var']]);
    const read = async (variant: string) => ids((await server.ok('GET', `/records?model=Var&variant=${variant}`, undefined, { 'connection-id': 'var', 'provider-config-key': 'fake' })).records);
    assert.deepEqual([await read('base'), await read('v1'), await read('v2')], [['base'], ['v1'], ['v2']]);
    assert.deepEqual((await server.statusOf('variants::v1', 'var')).checkpoint, { of: 'v1' });
    assert.deepEqual((await server.status('var', 'variants,variants::v2')).map(({ variant }) => variant).sort(), ['base', 'v2']);

    assert.deepEqual(await server.ok('DELETE', path('v1'), which), { success: true });
    assert.equal((await server.api('DELETE', path('v1'), which)).status, 404);
    assert.equal((await server.api('DELETE', path('base'), which)).body.error.code, 'invalid_variant');
    assert.deepEqual((await server.status('var', 'variants::v1')), []);
    await server.ok('POST', path('v1'), which);
    assert.equal((await server.statusOf('variants::v1', 'var')).checkpoint, null, 'a variant made again begins anew');
});

test('what control calls refuse', async () => {
    await connect('refuse');
    const trigger = (body: object, headers?: Record<string, string>) => server.api('POST', '/sync/trigger', body, headers);
    const error = async (body: object) => {
        const answer = await trigger(body);
        return [answer.status, answer.body.error.code];
    };
    assert.deepEqual(await error({ syncs: [] }), [400, 'missing_provider_config_key']);
    assert.deepEqual(await error({ syncs: ['items'], provider_config_key: 'none' }), [400, 'unknown_provider_config']);
    assert.deepEqual(await error({ syncs: ['items'], provider_config_key: 'fake', connection_id: 'none' }), [404, 'unknown_connection']);
    assert.deepEqual(await error({ syncs: ['none'], provider_config_key: 'fake', connection_id: 'refuse' }), [400, 'no_syncs_found']);
    assert.deepEqual(await error({ syncs: ['items'], provider_config_key: 'fake', opts: { reset: true }, sync_mode: 'incremental' }), [400, 'invalid_body']);
    assert.deepEqual(await error({ syncs: ['items'], provider_config_key: 'fake', foo: 1 }), [400, 'invalid_body']);
    assert.deepEqual(await error({ syncs: 'items', provider_config_key: 'fake' }), [400, 'invalid_body']);
    const all = await trigger({ syncs: ['none', 'items'], provider_config_key: 'fake', connection_id: 'refuse' });
    assert.equal(all.body.error.code, 'no_syncs_found');
    assert.equal((await server.statusOf('items', 'refuse')).latestExecutionStatus, undefined, 'all or nothing');

    const headers = await trigger({ syncs: ['variants'] }, { 'provider-config-key': 'fake', 'connection-id': 'refuse' });
    assert.deepEqual(headers.body, { success: true });
    const status = await server.api('GET', '/sync/status?syncs=*&provider_config_key=fake&connection_id=none');
    assert.deepEqual([status.status, status.body.error.code], [400, 'invalid_body']);
    assert.deepEqual((await server.status('refuse', 'none,items')).map(({ name }) => name), ['items'], 'unknown names are left out');
    assert.equal((await server.api('GET', '/sync/status?provider_config_key=fake')).body.error.code, 'invalid_query_params');
});

test('old words for a trigger work', async () => {
    await connect('modes', { pages: 1 });
    const send = (body: object) => app.after(() => server.ok('POST', '/sync/trigger', { syncs: ['steps'], provider_config_key: 'fake', connection_id: 'modes', ...body }), 'steps', (hook) => hook.connectionId === 'modes');
    assert.equal((await send({})).responseResults.added, 1);
    assert.equal((await send({ sync_mode: 'incremental' })).syncType, 'INCREMENTAL');
    assert.equal((await send({ sync_mode: 'full_refresh' })).syncType, 'INITIAL');
    assert.equal((await send({ full_resync: true })).syncType, 'INITIAL');
    assert.equal((await send({ sync_mode: 'full_refresh_and_clear_cache' })).responseResults.added, 1);
});

test('a sync of an integration at large runs for all its connections', async () => {
    await server.integration('wide');
    await server.deploy({ ...FUNCTIONS, 'wide/syncs/each': sync(`await nango.batchSave([{ id: nango.connectionId }], 'Each');`, { model: 'Each', autoStart: false }) });
    for (const id of ['w1', 'w2', 'w3']) await server.connection(id, fake.url, 'wide');
    await server.ok('POST', '/sync/trigger', { syncs: ['each'], provider_config_key: 'wide' });
    const hooks = await app.syncs(3, (body) => body.providerConfigKey === 'wide');
    assert.deepEqual(hooks.map(({ connectionId }) => connectionId).sort(), ['w1', 'w2', 'w3']);
});

test('a connection that is made gets its syncs at once, and a deployment reaches connections that are there', async () => {
    await server.integration('auto');
    const version = (text: string) => ({ ...FUNCTIONS, 'auto/syncs/auto': sync(`await nango.batchSave([{ id: '1', text: '${text}' }], 'Auto');`, { model: 'Auto' }) });
    await server.deploy(version('one'));
    const mine = (body: any) => body.syncName === 'auto';
    await server.connection('a1', fake.url, 'auto');
    const [first] = await app.syncs(1, mine);
    assert.equal(first.responseResults.added, 1);
    const status = (await server.status('a1', 'auto', 'auto'))[0];
    const inAnHour = Date.parse(status.nextScheduledSyncAt) - Date.now();
    assert.ok(inAnHour > 0 && inAnHour <= 3_600_000, status.nextScheduledSyncAt);

    await server.deploy(version('two'));
    const second = await app.after(() => server.trigger('auto', 'a1', undefined, 'auto'), 'auto');
    assert.equal(second.responseResults.updated, 1, 'the new code runs');
    assert.equal((await server.status('a1', 'auto', 'auto'))[0].id, status.id, 'the sync is the same');

    await server.deploy({ ...version('two'), 'auto/syncs/later': sync(`await nango.batchSave([{ id: 'x' }], 'Later');`, { model: 'Later' }) });
    const [later] = await app.syncs(1, (body) => body.syncName === 'later');
    assert.equal(later.connectionId, 'a1');

    await server.deploy(FUNCTIONS);
    assert.deepEqual(await server.status('a1', '*', 'auto'), [], 'what is no longer deployed is gone');
});

test('a schedule fires without being asked', async () => {
    // The shortest period a server allows is a setting: here a second.
    const quick = await serverWithApp({ args: ['--min-frequency', '1s'] });
    await quick.server.integration();
    await quick.server.deploy({ 'fake/syncs/tick': sync(`await nango.log('tick');`, { frequency: 'every 15 seconds' }) });
    await quick.server.connection('c1', fake.url);
    await quick.app.syncs(1);
    await quick.server.ok('PUT', '/sync/update-connection-frequency', { sync_name: 'tick', provider_config_key: 'fake', connection_id: 'c1', frequency: 'every 1 second' });
    const hooks = await quick.app.syncs(3);
    const starts = hooks.map((hook) => Date.parse(hook.modifiedAfter));
    assert.ok(starts[2]! - starts[1]! > 500 && starts[2]! - starts[1]! < 3000, starts.join(' '));

    // After a time without a server there is one run, and not one for each period that went by.
    await quick.server.kill();
    const down = Date.now();
    await until('three periods', () => Date.now() - down > 3200);
    await quick.server.up();
    // The last run before may be told of only now.
    const hooksLater = await quick.app.hooks(3, ({ body }) => body.type === 'sync' && Date.parse(body.modifiedAfter) >= down);
    const later = hooksLater.map(({ body }) => Date.parse(body.modifiedAfter));
    assert.ok(later[2]! - later[1]! > 500, `runs at ${later.map((at) => at - down).join(', ')} ms after the server went down`);
    await quick.server.stop();
    quick.app.close();
});
