/* tidemark backup: a copy that is whole, of one moment, while the server writes; and its way back. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { binary, run, Server, serverWithApp, sync, tempDir, until, type App } from './harness.ts';

/** So that a copy takes many steps. */
const BALLAST = 20_000;
const ALL = BALLAST + 500;
/** Changes records again and again, until it is stopped. */
const CHURN = sync(
    `
        for (let n = 0; n < ${BALLAST}; n += 1000)
            await nango.batchSave(Array.from({ length: 1000 }, (_, i) => ({ id: 'b' + (n + i), text: 'y'.repeat(1000) })), 'Item');
        for (let round = 0; round < 100000; round++)
            await nango.batchSave(Array.from({ length: 500 }, (_, i) => ({ id: String(i), round, text: 'x'.repeat(1000) })), 'Item');`,
    { autoStart: false }
);

let server: Server;
let app: App;

before(async () => {
    ({ server, app } = await serverWithApp({ database: null, args: ['--drain-timeout', '200ms'] }));
    await server.integration();
    await server.deploy({ 'fake/syncs/churn': CHURN });
    await server.connection('c1', 'http://127.0.0.1:1');
});
after(async () => {
    await server.stop();
    app.close();
});

const backup = (path: string, env = {}) => run(binary, ['backup', path, '--data', server.data], env);

/** What SQLite says of the tables of a copy. */
async function look(path: string): Promise<{ check: string; rows: number; total: number; live: number; keys: number }> {
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(path, { readOnly: true });
    const one = (sql: string) => Object.values(db.prepare(sql).get()!)[0] as number;
    const found = {
        check: String(one('PRAGMA integrity_check')),
        rows: one('SELECT COUNT(*) FROM record_feed'),
        total: one('SELECT COALESCE(SUM(total), 0) FROM datasets'),
        live: one('SELECT COALESCE(SUM(live), 0) FROM datasets'),
        keys: one('SELECT COUNT(*) FROM record_keys k JOIN record_feed f USING (connection_id, dataset_id, stamp)')
    };
    db.close();
    return found;
}

test('while records change: the copy is of one moment, and a server runs on it', async () => {
    await server.trigger('churn', 'c1');
    await until('the first changes', async () => (await server.records('c1', 'Item')).some((r) => r.round > 0), 30_000);
    const dir = tempDir();
    for (const name of ['one', 'two', 'three']) {
        const path = join(dir, name);
        const done = await backup(path);
        assert.equal(done.code, 0, done.stderr);
        assert.match(done.stdout, /MB in .* checked\n.*master key is not in it/);
        assert.equal(statSync(path).mode & 0o777, 0o600);
        const { check, rows, total, live, keys } = await look(path);
        assert.deepEqual({ check, rows, total, live, keys }, { check: 'ok', rows: ALL, total: ALL, live: ALL, keys: ALL });
    }
    assert.deepEqual(readdirSync(dir).sort(), ['one', 'three', 'two'], 'nothing lies beside them');

    // The way back, as docs/operations.md says it.
    const data = join(tempDir(), 'data');
    mkdirSync(data, { mode: 0o700 });
    copyFileSync(join(dir, 'three'), join(data, 'tidemark.db'));
    copyFileSync(join(server.data, 'master.key'), join(data, 'master.key'));
    const restored = await Server.start({ data, database: null, env: { TIDEMARK_SECRET_KEY_DEV: server.key }, args: ['--drain-timeout', '200ms'] });
    Object.assign(restored, { key: server.key });
    assert.equal(new Set((await restored.records('c1', 'Item')).map((r) => r.id)).size, ALL);
    await restored.stop();
});

test('an existing file, a missing folder, no data, wrong usage', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'mine'), 'precious');
    const exists = await backup(join(dir, 'mine'));
    assert.equal(exists.code, 1);
    assert.match(exists.stderr, /^tidemark: cannot back up: .*exists/);
    assert.equal(statSync(join(dir, 'mine')).size, 8);
    assert.match((await backup(join(dir, 'no', 'where'))).stderr, /cannot write/);
    assert.equal((await run(binary, ['backup', join(dir, 'x'), '--data', join(dir, 'none')])).code, 1);
    assert.equal((await run(binary, ['backup'])).code, 2);
    const postgres = await run(binary, ['backup', join(dir, 'x'), '--database', 'postgres://localhost/x']);
    assert.equal(postgres.code, 2);
    assert.match(postgres.stderr, /pg_dump/);
    assert.deepEqual(readdirSync(dir), ['mine']);
});

test('killed, it leaves a part that the next one replaces', async () => {
    const path = join(tempDir(), 'copy');
    assert.equal((await backup(path, { TIDEMARK_FAULT: 'backup.pages:1:kill' })).code, null);
    assert.ok(existsSync(`${path}.part`) && !existsSync(path));
    assert.equal((await backup(path)).code, 0);
    assert.ok(!existsSync(`${path}.part`));
});

test('a full disk: it says so, and nothing stays', async () => {
    const dir = tempDir();
    // A limit on the size of files stands in for it.
    const child = spawn('/bin/sh', ['-c', `trap '' XFSZ; ulimit -f 100; exec "${binary}" backup "${dir}/copy" --data "${server.data}"`], { stdio: ['ignore', 'ignore', 'pipe'] });
    const [said] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
    assert.equal(child.exitCode, 1);
    assert.match(said, /^tidemark: cannot back up: .*disk/);
    assert.deepEqual(readdirSync(dir), []);
    const failed = await backup(join(dir, 'copy'), { TIDEMARK_FAULT: 'backup.pages:1' });
    assert.equal(failed.code, 1);
    assert.deepEqual(readdirSync(dir), []);
});
