/* Several servers on one database: each can do everything, none does what another does, and one may die. PostgreSQL only. */

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { held, json } from '../fake/replies.ts';
import { App, Reader, Server, serverWithApp, sync, tempDir, until } from './harness.ts';
import { cluster, psql } from './postgres.ts';

const FUNCTIONS = {
    'fake/syncs/count': sync(`await nango.get({ endpoint: '/ran', params: { who: nango.connectionId } }); await nango.batchSave([{ id: 'x', at: Date.now() }], 'Count');`, { model: 'Count', autoStart: false }),
    'fake/syncs/waits': sync(`await nango.batchSave([{ id: 'before' }], 'Wait'); await nango.get({ endpoint: '/wait' }); await nango.batchSave([{ id: 'after' }], 'Wait');`, { model: 'Wait', autoStart: false }),
    'fake/syncs/steps': sync(
        `
        const from = (await nango.getCheckpoint())?.step ?? 0;
        for (let step = from; step < 6; step++) {
            await nango.get({ endpoint: '/step', params: { step } });
            await nango.batchSave([{ id: String(step) }], 'Step');
            await nango.saveCheckpoint({ step: step + 1 });
        }
        await nango.clearCheckpoint();`,
        { model: 'Step', autoStart: false }
    ),
    'fake/syncs/ticks': sync(`await nango.get({ endpoint: '/tick' });`, { model: 'Tick', frequency: 'every 15 seconds', autoStart: false }),
    'fake/actions/hello': `import { createAction } from 'nango';
import { z } from 'zod';
export default createAction({ description: 'x', version: '1.0.0', input: z.any(), output: z.any(), exec: async () => ({ hello: true }) });`
};
/** Far less than a lease, and much for a start. */
const SOON_MS = 10_000;
const HEADERS = { 'provider-config-key': 'fake' };

describe('nodes', { skip: cluster ? false : 'needs a cluster: tests/with-postgres' }, () => {
    let a: Server;
    let b: Server;
    let app: App;
    let fake: Fake;
    before(async () => {
        ({ server: a, app } = await serverWithApp({ args: ['--min-frequency', '1s'] }));
        b = await a.node();
        fake = await startFake();
        for (const path of ['/ran', '/tick', '/step']) fake.on('GET', path, json('ok'));
        await a.integration();
        await b.deploy(FUNCTIONS);
    });
    after(async () => {
        await Promise.all([a.stop(), b.stop()]);
        await fake.close();
        app.close();
    });

    const ids = (records: any[]) => records.map(({ id }) => id);

    test('what one node is told the other knows at once', async () => {
        await b.connection('shared', fake.url);
        assert.equal((await a.ok('GET', '/connections/shared?provider_config_key=fake')).connection_id, 'shared');
        await a.ok('POST', '/connections/metadata', { provider_config_key: 'fake', connection_id: 'shared', metadata: { a: 1 } });
        assert.deepEqual((await b.ok('GET', '/connections/shared?provider_config_key=fake')).metadata, { a: 1 });
        assert.deepEqual(ids(await a.records('shared', 'Count')), []);
        await app.after(() => b.trigger('count', 'shared'), 'count', (body) => body.connectionId === 'shared');
        assert.deepEqual([ids(await a.records('shared', 'Count')), ids(await b.records('shared', 'Count'))], [['x'], ['x']]);
        assert.deepEqual(await a.statusOf('count', 'shared'), await b.statusOf('count', 'shared'));
    });

    test('a hundred runs, each once, and each told once', async () => {
        const names = Array.from({ length: 100 }, (_, i) => `each-${i}`);
        for (const [i, name] of names.entries()) await (i % 2 ? a : b).connection(name, fake.url);
        const mark = fake.requests.length;
        await Promise.all(names.map((name, i) => (i % 3 ? a : b).trigger('count', name)));
        const mine = (body: any) => body.connectionId.startsWith('each-');
        await app.syncs(100, mine, 60_000);
        const asked = fake.requests.slice(mark).map(({ query }) => query.get('who'));
        assert.deepEqual(asked.sort(), [...names].sort(), 'no run was executed twice');
        assert.deepEqual((await app.syncs(100, mine)).map(({ connectionId }) => connectionId).sort(), [...names].sort(), 'nor a webhook delivered twice');
        const numbers = await Promise.all([a, b].map(async (node) => Number(/^tidemark_runs_started_total (\d+)$/m.exec((await node.api('GET', '/metrics')).body)![1])));
        assert.ok(numbers.every((n) => n > 0), `both worked: ${numbers}`);
    });

    test('a run of one node is ended through the other', async () => {
        for (const [name, by] of [['ended-a', a], ['ended-b', b]] as const) {
            await a.connection(name, fake.url);
            const { handler, release } = held(json('ok'));
            fake.on('GET', '/wait', handler);
            const before = fake.requests.length;
            await b.trigger('waits', name);
            await fake.asked(before + 1);
            assert.equal((await by.statusOf('waits', name)).status, 'RUNNING');
            await by.ok('POST', '/sync/pause', { syncs: ['waits'], provider_config_key: 'fake', connection_id: name });
            await until('the pause', async () => (await a.statusOf('waits', name)).status === 'PAUSED');
            release();
            fake.on('GET', '/wait', json('ok'));
            const again = await app.after(() => a.trigger('waits', name), 'waits', (body) => body.connectionId === name && body.success);
            assert.equal(again.responseResults.added, 1, 'what was ended had saved before it waited, and nothing after');
        }
    });

    test('an action is answered by the node that is asked', async () => {
        await a.connection('acts', fake.url);
        for (const node of [a, b]) {
            const answer = await node.ok('POST', '/action/trigger', { action_name: 'hello', input: {} }, { ...HEADERS, 'connection-id': 'acts' });
            assert.deepEqual(answer, { hello: true });
        }
    });

    test('a node is killed: another goes on with its runs and its schedules, and a reader misses nothing', async () => {
        const names = Array.from({ length: 8 }, (_, i) => `dead-${i}`);
        for (const name of names) await a.connection(name, fake.url);
        await a.connection('ticks', fake.url);
        const c = await a.node();
        const readers = names.map((name) => new Reader(a, name, 'Step'));
        // All runs stop in the middle, on whichever node they are.
        const { handler, release } = held(json('ok'));
        fake.on('GET', '/step', (request, response) => (request.query.get('step') === '3' ? handler : json('ok'))(request, response));
        const at = (step: number) => fake.requests.filter(({ path, query }) => path === '/step' && query.get('step') === String(step)).length;
        await Promise.all(names.map((name, i) => [a, b, c][i % 3]!.trigger('steps', name)));
        await until('all in the middle', () => at(3) === names.length, 30_000);
        await c.kill();
        release();
        const mine = (body: any) => body.syncName === 'steps';
        const hooks = await app.syncs(names.length, mine, 90_000);
        assert.ok(hooks.every(({ success }) => success), JSON.stringify(hooks));
        assert.deepEqual(hooks.map(({ connectionId }) => connectionId).sort(), [...names].sort());
        assert.equal(at(0), names.length, 'they went on from their checkpoints');
        assert.equal(at(5), names.length, 'and each step was done once');
        for (const [i, reader] of readers.entries()) assert.deepEqual(ids(await reader.drain()), ['0', '1', '2', '3', '4', '5'], names[i]);
        assert.ok(hooks.every(({ responseResults }) => responseResults.added === 6), JSON.stringify(hooks.map((hook) => hook.responseResults)));

        await b.ok('PUT', '/sync/update-connection-frequency', { sync_name: 'ticks', provider_config_key: 'fake', connection_id: 'ticks', frequency: 'every 1 second' });
        await b.ok('POST', '/sync/start', { syncs: ['ticks'], provider_config_key: 'fake', connection_id: 'ticks' });
        const told = await app.syncs(3, (body) => body.syncName === 'ticks');
        const starts = told.map((hook) => Date.parse(hook.modifiedAfter));
        assert.ok(starts[2]! - starts[0]! > 1000, `one run a second, not one on each node: ${starts}`);
    });
});

describe('a node that is started again', { skip: cluster ? false : 'needs a cluster: tests/with-postgres' }, () => {
    let node: Server;
    let app: App;
    let fake: Fake;
    before(async () => {
        ({ server: node, app } = await serverWithApp());
        fake = await startFake();
        fake.on('GET', '/ran', json('ok'));
        await node.integration();
        await node.deploy(FUNCTIONS);
    });
    after(async () => {
        await node.stop();
        await fake.close();
        app.close();
    });

    /** Starts runs that stop in their middle; what they ask from then on is counted. */
    async function inTheMiddle(names: string[]): Promise<{ at: (step: number) => number; release: () => void }> {
        for (const name of names) await node.connection(name, fake.url);
        const { handler, release } = held(json('ok'));
        fake.on('GET', '/step', (request, response) => (request.query.get('step') === '3' ? handler : json('ok'))(request, response));
        const mark = fake.requests.length;
        const at = (step: number) => fake.requests.slice(mark).filter(({ path, query }) => path === '/step' && query.get('step') === String(step)).length;
        await Promise.all(names.map((name) => node.trigger('steps', name)));
        await until('all in the middle', () => at(3) === names.length);
        return { at, release };
    }

    /** Soon their webhooks come; each step was taken once, but for the one they stood at, perhaps. */
    async function endedOnce(names: string[], at: (step: number) => number, again: number): Promise<void> {
        const hooks = await app.syncs(names.length, (body) => names.includes(body.connectionId), SOON_MS);
        assert.deepEqual(hooks.map(({ connectionId, success, responseResults }) => `${connectionId} ${success} ${responseResults.added}`).sort(), names.map((name) => `${name} true 6`).sort());
        assert.deepEqual([0, 1, 2, 3, 4, 5].map(at), [1, 1, 1, 1 + again, 1, 1].map((n) => n * names.length));
    }

    test('goes on at once with what it was at', async () => {
        const names = ['again-1', 'again-2', 'again-3'];
        const { at, release } = await inTheMiddle(names);
        await node.kill();
        release();
        await node.up();
        await endedOnce(names, at, 1);
    });

    test('delivers at once what it was delivering', async () => {
        await node.connection('owed', fake.url);
        const mine = ({ body }: any) => body.connectionId === 'owed' && body.type === 'sync';
        app.answer = (hook) => {
            // Before the answer gets there.
            if (mine(hook) && app.webhooks.filter(mine).length === 1) process.kill(node.pid, 'SIGKILL');
            return 200;
        };
        await node.trigger('count', 'owed');
        await node.ended();
        await node.up();
        const [first, second] = await app.hooks(2, mine, SOON_MS);
        assert.equal(first!.headers['webhook-id'], second!.headers['webhook-id']);
    });

    test('leaves alone what a living node is at, also with a copy of its folder, or the folder itself', async () => {
        const names = ['copied-1', 'copied-2'];
        const { at, release } = await inTheMiddle(names);
        const copy = tempDir();
        cpSync(node.data, copy, { recursive: true });
        const twins = [await node.node({ data: copy }), await node.node({ data: node.data })];
        const warned = twins.map(({ log }) => log.filter((line) => line.includes('wait for the leases')).length);
        assert.deepEqual(warned, [0, 1], 'the second one of a folder says that it has no place');
        // They have taken over what they think is theirs once they claim other work.
        for (const [i, twin] of twins.entries()) {
            await twin.connection(`twin-${i}`, fake.url);
            const answer = await twin.ok('POST', '/action/trigger', { action_name: 'hello', input: {} }, { ...HEADERS, 'connection-id': `twin-${i}` });
            assert.deepEqual(answer, { hello: true });
        }
        assert.equal(at(3), names.length);
        release();
        await endedOnce(names, at, 0);
        await Promise.all(twins.map((twin) => twin.stop()));
    });
});

test('what a dead node had in work is taken over when its leases have run out, not before', { skip: cluster ? false : 'needs a cluster: tests/with-postgres' }, async () => {
    const { server: dead, app } = await serverWithApp({ args: ['--min-frequency', '1s'] });
    const fake = await startFake();
    fake.on('GET', '/ran', json('ok'));
    const { handler, release } = held(json('ok'));
    fake.on('GET', '/tick', handler);
    await dead.integration();
    await dead.deploy(FUNCTIONS);
    await dead.connection('c', fake.url);
    const of = { provider_config_key: 'fake', connection_id: 'c' };
    await dead.ok('PUT', '/sync/update-connection-frequency', { ...of, sync_name: 'ticks', frequency: 'every 1 second' });
    // It dies with a scheduled run and a delivery in work.
    await dead.ok('POST', '/sync/start', { ...of, syncs: ['ticks'] });
    await fake.asked(1, ({ path }) => path === '/tick');
    const counted = ({ body }: { body: any }) => body.syncName === 'count';
    app.answer = (hook) => {
        if (counted(hook) && app.webhooks.filter(counted).length === 1) process.kill(dead.pid, 'SIGKILL');
        return 200;
    };
    await dead.trigger('count', 'c');
    await dead.ended();
    release();
    const other = await dead.node();
    await other.connection('d', fake.url);
    const fresh = await app.after(() => other.trigger('count', 'd'), 'count', (body) => body.connectionId === 'd');
    assert.equal(fresh.success, true, 'it does work of its own');
    const ticks = () => fake.requests.filter(({ path }) => path === '/tick').length;
    const owed = () => app.webhooks.filter((hook) => counted(hook) && hook.body.connectionId === 'c');
    assert.deepEqual([ticks(), owed().length], [1, 1], 'and leaves alone what may be in work');
    // Time passes.
    await psql(dead.database!, `UPDATE runs SET lease_ms = 0 WHERE owner IS NOT NULL; UPDATE outbox SET next_ms = 0 WHERE owner IS NOT NULL`);
    const runs = await app.syncs(3, (body) => body.syncName === 'ticks', 30_000);
    const starts = runs.map(({ success, modifiedAfter }) => (assert.ok(success), Date.parse(modifiedAfter)));
    assert.ok(starts[2]! - starts[0]! > 1000, `one run a second: ${starts}`);
    await app.hooks(2, (hook) => owed().includes(hook));
    assert.deepEqual(new Set(owed().map(({ headers }) => headers['webhook-id'])).size, 1);
    assert.equal(owed().length, 2, 'once more');
    await other.stop();
    await fake.close();
    app.close();
});
