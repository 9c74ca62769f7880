/* The server on PostgreSQL when PostgreSQL is not well: connections cut in mid-work, a restart, a database it cannot use. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startFake, type Fake } from '../fake/fake.ts';
import { held, json } from '../fake/replies.ts';
import { App, binary, play, Reader, root, run, Server, scripted, serverWithApp, sync, tempDir, until } from './harness.ts';
import { cluster, createDatabase, psql } from './postgres.ts';

const ROUNDS = 60;
const PER_ROUND = 50;
const STEPS = sync(
    `
        const from = (await nango.getCheckpoint())?.round ?? 0;
        for (let round = from; round < ${ROUNDS}; round++) {
            await nango.batchSave(Array.from({ length: ${PER_ROUND} }, (_, i) => ({ id: round + '-' + i, round, again: i % 10 })), 'Step');
            if (round % 4 === 3) await nango.batchDelete([{ id: round + '-0' }, { id: round - 1 + '-0' }], 'Step');
            await nango.saveCheckpoint({ round: round + 1 });
            await nango.log('round ' + round);
        }
        await nango.clearCheckpoint();`,
    { model: 'Step', autoStart: false }
);
const WAITS = sync(`await nango.batchSave([{ id: 'before' }], 'Wait'); await nango.get({ endpoint: '/wait' }); await nango.batchSave([{ id: 'after' }], 'Wait');`, { model: 'Wait', autoStart: false });
const MASTER = randomBytes(32).toString('base64');

/** Ends all connections to a database, as an administrator or a failover would; says how many there were. */
async function cut(url: string): Promise<number> {
    const [count] = await psql(url, 'SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()');
    return Number(count);
}

/** What a server says that must not start. */
async function refused(url: string, env: Record<string, string> = { TIDEMARK_ENCRYPTION_KEY: MASTER }): Promise<string> {
    const { code, stderr } = await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', tempDir(), '--database', url], env);
    assert.notEqual(code, 0);
    return stderr;
}

describe('on PostgreSQL', { skip: cluster ? false : 'needs a cluster: tests/with-postgres' }, () => {
    let server: Server;
    let app: App;
    let fake: Fake;
    before(async () => {
        ({ server, app } = await serverWithApp());
        fake = await startFake();
        await server.integration();
        await server.deploy({ 'fake/syncs/steps': STEPS, 'fake/syncs/items': scripted, 'fake/syncs/waits': WAITS });
    });
    after(async () => {
        await server.stop();
        await fake.close();
        app.close();
    });

    test('connections cut again and again while a sync saves: it comes to the same', async () => {
        await server.connection('cut', fake.url);
        const reader = new Reader(server, 'cut', 'Step');
        let cuts = 0;
        let over = false;
        const cutting = (async () => {
            while (!over) {
                cuts += await cut(server.database!);
                await reader.drain().catch(() => {});
            }
        })();
        const hook = await app.after(() => server.trigger('steps', 'cut'), 'steps', undefined, 120_000).finally(() => (over = true));
        await cutting;
        assert.ok(cuts > 10, `${cuts} connections cut`);
        assert.equal(hook.success, true, JSON.stringify(hook.error));
        const deleted = (ROUNDS / 4) * 2;
        assert.deepEqual(hook.responseResults, { added: ROUNDS * PER_ROUND, updated: 0, deleted }, 'each batch counts once');
        await reader.drain();
        assert.equal(reader.live.size, ROUNDS * PER_ROUND - deleted);
        const fresh = new Reader(server, 'cut', 'Step', 10_000);
        await fresh.drain();
        assert.deepEqual([...fresh.live.keys()].sort(), [...reader.live.keys()].sort(), 'the reader missed nothing');
        const { recordCount, checkpoint, latestExecutionStatus } = await server.statusOf('steps', 'cut');
        assert.deepEqual([recordCount.Step, checkpoint, latestExecutionStatus], [reader.live.size, null, 'SUCCESS']);
        assert.equal(app.webhooks.filter(({ body }) => body.syncName === 'steps').length, 1, 'told once');
    });

    test('requests while connections are cut are answered, or refused with 503', async () => {
        await server.connection('requests', fake.url);
        await play(server, app, 'requests', [['batchSave', [{ id: '1' }], 'Item']]);
        const statuses = new Set<number>();
        for (let i = 0; i < 40; i++) {
            const [answers] = await Promise.all([
                Promise.all(Array.from({ length: 5 }, () => server.api('GET', '/records?model=Item', undefined, { 'connection-id': 'requests', 'provider-config-key': 'fake' }))),
                cut(server.database!)
            ]);
            for (const { status, body } of answers) {
                statuses.add(status);
                if (status === 200) assert.equal(body.records.length, 1);
            }
        }
        statuses.delete(503);
        assert.deepEqual([...statuses], [200]);
    });
});

describe('a server and its PostgreSQL', { skip: cluster ? false : 'needs a cluster: tests/with-postgres' }, () => {
    test('PostgreSQL restarted: the server says it is not ready, and recovers by itself', async (t) => {
        const dir = tempDir();
        const script = join(root, 'tests', 'with-postgres');
        const postgres = async (...argv: string[]) => (await promisify(execFile)(script, argv)).stdout.trim();
        const own = await postgres('--start', dir);
        t.after(() => postgres('--stop', dir).catch(() => {}));
        const app = await App.start();
        const fake = await startFake();
        const server = await Server.start({ database: await createDatabase(own), env: { TIDEMARK_WEBHOOK_URL_DEV: app.url } });
        t.after(async () => {
            await server.kill();
            await fake.close();
            app.close();
        });
        await server.integration();
        await server.deploy({ 'fake/syncs/waits': WAITS });
        await server.connection('c1', fake.url);
        const ready = async () => (await server.api('GET', '/ready')).status;
        assert.equal(await ready(), 200);

        const { handler, release } = held(json('ok'));
        fake.on('GET', '/wait', handler);
        await server.trigger('waits', 'c1');
        await fake.asked(1);
        await postgres('--stop', dir, 'fast');
        await until('not ready', async () => (await ready()) === 503);
        assert.equal((await server.api('GET', '/health')).status, 200, 'the process itself is well');
        const patient = server.records('c1', 'Wait');

        fake.on('GET', '/wait', json('ok'));
        release();
        await postgres('--start', dir);
        await until('ready', async () => (await ready()) === 200, 30_000);
        assert.equal((await patient)[0].id, 'before', 'a request has waited for the database to come back');
        const [hook] = await app.syncs(1, undefined, 60_000);
        assert.equal(hook.success, true, JSON.stringify(hook.error));
        assert.deepEqual((await server.records('c1', 'Wait')).map(({ id }) => id), ['before', 'after']);

        // Killed, not stopped, and nobody asks in between.
        await postgres('--stop', dir, 'immediate');
        await postgres('--start', dir);
        const again = await app.after(() => until('a trigger', () => server.trigger('waits', 'c1').then(() => true, () => false)), 'waits', undefined, 60_000);
        assert.equal(again.success, true, JSON.stringify(again.error));
    });

    test('a database that cannot be used is refused with the reason', async () => {
        const closed = createServer().listen(0, '127.0.0.1');
        await new Promise((resolve) => closed.once('listening', resolve));
        const { port } = closed.address() as { port: number };
        await new Promise((resolve) => closed.close(resolve));
        assert.match(await refused(`postgres://postgres@127.0.0.1:${port}/x`), /^tidemark: cannot serve: .*(refused|reach|connect)/im);
        const missing = Object.assign(new URL(cluster!), { pathname: '/no_such_database' }).href;
        assert.match(await refused(missing), /"?no_such_database"? does not exist/);
        assert.match(await refused('mysql://localhost/x'), /^tidemark: cannot serve: .*database/m);
        const nobody = Object.assign(new URL(cluster!), { username: 'no_such_role' }).href;
        assert.match(await refused(nobody), /no_such_role/);
    });

    test('the master key is one that all servers share', async () => {
        const url = await createDatabase();
        assert.match(await refused(url, {}), /set TIDEMARK_ENCRYPTION_KEY/);
        const server = await Server.start({ database: url });
        assert.match(await refused(url), /encryption key|TIDEMARK_ENCRYPTION_KEY/i, 'another key than that which sealed it');
        await server.stop();
    });

    test('a database of something else, or of a later version, is left alone', async () => {
        const other = await createDatabase();
        await psql(other, 'CREATE TABLE runs (id int)');
        assert.match(await refused(other), /^tidemark: cannot serve: .*(another program|not ours|other tables|exists)/im);
        assert.deepEqual(await psql(other, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), ['1'], 'nothing is made in it');
    });

    test('tidemark keys reads them from the database', async () => {
        const server = await Server.start();
        const shown = await run(binary, ['keys', 'dev', '--database', server.database!, '--data', server.data], { TIDEMARK_ENCRYPTION_KEY: server.masterKey });
        assert.equal(shown.code, 0, shown.stderr);
        assert.ok(shown.stdout.includes(server.key));
        await server.stop();
    });
});
