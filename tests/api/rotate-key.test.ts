/* tidemark rotate-key: the master key and the data keys change beside a running server, whatever is killed in between. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, run, Server, until } from './harness.ts';
import { psql } from './postgres.ts';

const makeKey = () => randomBytes(32).toString('base64');
const keyFile = (data: string) => readFileSync(join(data, 'master.key'), 'utf8').trim();

function rotate(server: Server, args: string[] = [], env: Record<string, string> = {}) {
    return server.beside(['rotate-key', ...args], env);
}

/** Something sealed by a data key, written and read back. */
async function put(server: Server, name: string): Promise<void> {
    await server.integration(`i-${name}`);
    await server.ok('POST', '/connections', { provider_config_key: `i-${name}`, connection_id: name, credentials: { type: 'NONE' }, connection_config: { baseUrl: 'http://x' } });
}

async function check(server: Server, ...names: string[]): Promise<void> {
    for (const name of names) {
        const found = await server.ok('GET', `/connections/${name}?provider_config_key=i-${name}`);
        assert.equal(found.connection_id, name);
    }
}

test('the key file: servers go on, restart, and the old key is kept', async () => {
    const server = await Server.start({ database: null });
    await put(server, 'before');
    const old = keyFile(server.data);
    const done = await rotate(server);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /2 data keys/);
    const kept = /the old one is (\S+):/.exec(done.stdout)![1]!;
    assert.equal(readFileSync(kept, 'utf8').trim(), old);
    assert.equal(statSync(kept).mode & 0o777, 0o600);
    assert.notEqual(keyFile(server.data), old);
    assert.equal(statSync(join(server.data, 'master.key')).mode & 0o777, 0o600);
    assert.ok(!readdirSync(server.data).includes('master.key.new'));

    await put(server, 'after');
    await check(server, 'before', 'after');
    await server.stop();
    await server.up();
    await check(server, 'before', 'after');

    // Again, and with data keys made by a process that the server does not know of.
    assert.equal((await rotate(server)).code, 0);
    assert.match((await rotate(server, ['--data-keys'])).stdout, /2 environments/);
    await check(server, 'before', 'after');
    await server.stop();
    const with_old = await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', server.data], { TIDEMARK_ENCRYPTION_KEY: old });
    assert.notEqual(with_old.code, 0);
    assert.match(with_old.stderr, /^tidemark: .*encryption key is not the one/m);
});

test('new data keys come into use while the server runs', async () => {
    const server = await Server.start({ args: ['--upkeep-period', '100ms'] });
    const node = server.database ? await server.node({ args: ['--upkeep-period', '1d'] }) : server;
    await put(server, 'old');
    const before = await keysInUse(server);
    assert.equal((await rotate(server, ['--data-keys'])).code, 0);
    let n = 0;
    await until('a value sealed with the new key', async () => {
        await put(server, `new${++n}`);
        return (await keysInUse(server)).size > before.size;
    });
    await check(server, 'old', 'new1', `new${n}`);
    await check(node, 'old', 'new1', `new${n}`); // It met the key, and took it up.
    await put(node, 'late');
    await check(server, 'late');
    await node.stop();
    await server.stop();
});

/** Ids of the data keys that seal credentials: bytes 1 to 4 of each blob. */
async function keysInUse(server: Server): Promise<Set<number>> {
    if (server.database) return new Set((await psql(server.database, `SELECT get_byte(credentials_sealed, 1) FROM connections`)).map(Number));
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(join(server.data, 'tidemark.db'), { readOnly: true });
    try {
        return new Set(db.prepare('SELECT credentials_sealed AS s FROM connections').all().map((row) => Buffer.from(row['s'] as Uint8Array).readUInt32LE(1)));
    } finally {
        db.close();
    }
}

test('keys from the environment: both are set meanwhile', async () => {
    const [a, b] = [makeKey(), makeKey()];
    const server = await Server.start({ env: { TIDEMARK_ENCRYPTION_KEY: a } });
    await put(server, 'one');
    const alone = await rotate(server, [], { TIDEMARK_ENCRYPTION_KEY: a });
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /TIDEMARK_ENCRYPTION_KEY_NEW/);
    await server.stop();
    await server.up({ TIDEMARK_ENCRYPTION_KEY_NEW: b });
    const both = { TIDEMARK_ENCRYPTION_KEY: a, TIDEMARK_ENCRYPTION_KEY_NEW: b };
    const done = await rotate(server, [], both);
    assert.equal(done.code, 0, done.stderr);
    assert.match((await rotate(server, [], both)).stdout, /in force already/);
    assert.equal((await rotate(server, ['--data-keys'], both)).code, 0);
    await put(server, 'two');
    await check(server, 'one', 'two');
    await server.kill();
    await server.up({ TIDEMARK_ENCRYPTION_KEY_NEW: b }); // Killed before the settings were changed.
    await check(server, 'one', 'two');
    await server.stop();
    await assert.rejects(server.up(), /encryption key is not the one/);
    await server.up({ TIDEMARK_ENCRYPTION_KEY: b });
    await check(server, 'one', 'two');
    await server.stop();
});

test('a server that has only the old key says so, and makes no key that nobody could open', async () => {
    const [a, b] = [makeKey(), makeKey()];
    const server = await Server.start({ env: { TIDEMARK_ENCRYPTION_KEY: a }, args: ['--upkeep-period', '100ms'] });
    await put(server, 'one');
    const both = { TIDEMARK_ENCRYPTION_KEY: a, TIDEMARK_ENCRYPTION_KEY_NEW: b };
    assert.equal((await rotate(server, [], both)).code, 0);
    await until('the warning', () => server.log.some((line) => line.includes('the encryption key was rotated')));
    await check(server, 'one');
    await server.stop();
});

test('a wrong key, a lost key, keys that do not go together', async () => {
    const server = await Server.start({ database: null });
    const wrong = await rotate(server, [], { TIDEMARK_ENCRYPTION_KEY: makeKey(), TIDEMARK_ENCRYPTION_KEY_NEW: makeKey() });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /encryption key is not the one/);
    const half = await rotate(server, [], { TIDEMARK_ENCRYPTION_KEY_NEW: makeKey() });
    assert.equal(half.code, 1);
    assert.match(half.stderr, /TIDEMARK_ENCRYPTION_KEY_NEW is of use only/);
    assert.equal((await rotate(server, ['--nonsense', 'x'])).code, 2);
    const none = await run(binary, ['rotate-key', '--data', join(server.data, 'nothing')]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /there is no data/);
    await server.stop();
});

for (const point of ['keyfile.next', 'db.commit', 'db.committed', 'keyfile.replace']) {
    test(`killed at ${point}`, async () => {
        const server = await Server.start({ database: null });
        await put(server, 'one');
        const killed = await rotate(server, [], { TIDEMARK_FAULT: `${point}:1:kill` });
        assert.equal(killed.code, null, killed.stderr);
        await put(server, 'two');
        await server.kill();
        await server.up();
        await check(server, 'one', 'two');
        const again = await rotate(server);
        assert.equal(again.code, 0, again.stderr);
        await check(server, 'one', 'two');
        await server.stop();
        await server.up();
        await check(server, 'one', 'two');
        assert.ok(!readdirSync(server.data).includes('master.key.new'));
        await server.stop();
    });
    test(`killed at ${point}, and finished by itself`, async () => {
        const server = await Server.start({ database: null });
        await put(server, 'one');
        await rotate(server, [], { TIDEMARK_FAULT: `${point}:1:kill` });
        const again = await rotate(server);
        assert.equal(again.code, 0, again.stderr);
        await server.stop();
        await server.up();
        await check(server, 'one');
        await server.stop();
    });
}
