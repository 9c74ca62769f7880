/*
 * Behind a pooler in transaction mode. The one of Debian 12 (PgBouncer 1.18) is of the difficult kind: it keeps no
 * prepared statements, gives every transaction any of its connections, and refuses start-up options.
 */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { Server, sync, tempDir, until } from './harness.ts';
import { createDatabase, psql } from './postgres.ts';

let fake: Fake, pooler: ChildProcess, server: Server, database: string;

async function freePort(): Promise<number> {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => taken.once('listening', done));
    const { port } = taken.address() as AddressInfo;
    await new Promise((done) => taken.close(done));
    return port;
}

const answers = (port: number) =>
    new Promise<boolean>((done) => {
        const socket = connect(port, '127.0.0.1');
        socket.once('connect', () => (socket.destroy(), done(true)));
        socket.once('error', () => done(false));
    });

/** Two connections to the server for whoever comes; PgBouncer, like PostgreSQL, does not run as root. */
async function startPooler(to: URL): Promise<URL> {
    const port = await freePort();
    const dir = tempDir();
    const ini = join(dir, 'pgbouncer.ini');
    writeFileSync(join(dir, 'users.txt'), `"${to.username}" ""\n`);
    writeFileSync(
        ini,
        `[databases]\n* = host=${to.hostname} port=${to.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\n` +
            `auth_type = trust\nauth_file = ${dir}/users.txt\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\n`
    );
    chmodSync(dir, 0o755);
    const argv = process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--'] : [];
    argv.push('pgbouncer', '-q', ini);
    pooler = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] });
    await until('the pooler answers', () => answers(port));
    return Object.assign(new URL(to), { port: String(port) });
}

before(async () => {
    fake = await startFake();
    database = await createDatabase();
    const url = await startPooler(new URL(database));
    server = await Server.start({ database: url.href });
    await server.integration();
});
after(async () => {
    await server.stop();
    pooler.kill();
    await fake.close();
});

test('syncs save, change and read as without it', async () => {
    await server.deploy({
        'fake/syncs/many': sync(`
            for (let i = 0; i < 5; i++) {
                await nango.batchSave(Array.from({ length: 200 }, (_, n) => ({ id: String(i * 200 + n), version: 1 })), 'Item');
            }
            await nango.batchUpdate([{ id: '7', version: 2 }], 'Item');
            await nango.batchDelete([{ id: '8' }], 'Item');`)
    });
    const connections = ['a', 'b', 'c', 'd'];
    for (const id of connections) await server.connection(id, fake.url);
    for (const id of connections) {
        const records = await until(`the records of ${id}`, async () => {
            const all = await server.records(id, 'Item');
            return all.some((record) => record._nango_metadata.last_action === 'DELETED') && all;
        });
        assert.equal(records.length, 1000);
        const { last_action, deleted_at } = records.find((record) => record.id === '8')!._nango_metadata;
        assert.equal(last_action, 'DELETED');
        assert.ok(deleted_at);
        assert.equal(records.find((record) => record.id === '7')!.version, 2);
    }
    // All of that over the two connections.
    const sessions = await psql(database, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    assert.ok(Number(sessions[0]) <= 2, `${sessions[0]} sessions`);
    assert.deepEqual(server.log.filter((line) => line.includes('"level":"error"')), []);
});
