/* Keys: those that open the API, and the one that seals everything secret. */

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, run, Server, tempDir } from './harness.ts';

/** The API keys that `tidemark keys` shows. */
const secrets = (shown: string) => [...shown.matchAll(/^(\S+)\s+secret\s+(\S+)/gm)].map(([, environment, key]) => ({ environment, key: key! }));

/** A server that must not start: its exit code and what it says. */
function refused(data: string, env: Record<string, string> = {}) {
    return run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', data], env);
}

/** The files of a data folder that are not the database's. */
const keyFiles = (data: string) => readdirSync(data).filter((name) => /key/.test(name));

test('the first start makes a key file and a database that only their owner can read', async () => {
    const server = await Server.start();
    const [keyFile] = keyFiles(server.data);
    assert.ok(keyFile, readdirSync(server.data).join(' '));
    for (const name of readdirSync(server.data)) assert.equal(statSync(join(server.data, name)).mode & 0o077, 0, name);
    assert.equal(statSync(join(server.data, keyFile)).mode & 0o777, 0o600);
    await server.stop();
});

test('keys are made for dev and prod, or taken from the environment, and stay', async () => {
    const server = await Server.start();
    const shown = await run(binary, ['keys', '--data', server.data]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.deepEqual(secrets(shown.stdout).map(({ environment }) => environment), ['dev', 'prod']);
    const [dev, { key: prod }] = secrets(shown.stdout) as unknown as [{ key: string }, { key: string }];
    assert.equal(dev.key, server.key, 'the preset one');
    assert.notEqual(prod, server.key);
    assert.ok(!server.log.join('\n').includes(prod), 'keys are not logged');
    const one = await run(binary, ['keys', 'prod', '--data', server.data]);
    assert.deepEqual(secrets(one.stdout), [{ environment: 'prod', key: prod }]);

    await server.integration('mine');
    const asProd = { authorization: `Bearer ${prod}` };
    assert.deepEqual((await server.ok('GET', '/integrations', undefined, asProd)).data, [], 'environments see nothing of each other');
    assert.equal((await server.api('GET', '/integrations/mine', undefined, asProd)).status, 404);

    assert.equal(await server.stop(), 0);
    await server.up();
    assert.equal((await server.ok('GET', '/integrations')).data.length, 1);
    assert.equal((await server.api('GET', '/integrations', undefined, asProd)).status, 200);
    await server.stop();
});

test('further environments are named by their preset keys', async () => {
    const staging = randomUUID();
    const server = await Server.start({ env: { TIDEMARK_SECRET_KEY_STAGING: staging } });
    assert.equal((await server.api('GET', '/integrations', undefined, { authorization: `Bearer ${staging}` })).status, 200);
    await server.stop();
});

test('a preset key that is no UUID v4 is refused by name', async () => {
    const { code, stderr } = await refused(tempDir(), { TIDEMARK_SECRET_KEY_DEV: 'secret' });
    assert.ok(code === 1 || code === 2);
    assert.match(stderr, /TIDEMARK_SECRET_KEY_.*dev/i);
});

test('another encryption key than before is refused, with the reason', async () => {
    const key = randomBytes(32).toString('base64');
    const server = await Server.start({ env: { TIDEMARK_ENCRYPTION_KEY: key } });
    assert.deepEqual(keyFiles(server.data), [], 'no file when the key comes from the environment');
    await server.integration();
    await server.stop();

    const other = await refused(server.data, { TIDEMARK_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
    assert.notEqual(other.code, 0);
    assert.match(other.stderr, /^tidemark: .*key/m);
    const none = await refused(server.data);
    assert.equal(none.code, 1, 'a new key file would not open the old data');
    assert.match(none.stderr, /key/);
    const short = await refused(server.data, { TIDEMARK_ENCRYPTION_KEY: 'c2hvcnQ=' });
    assert.ok(short.code === 1 || short.code === 2);
    assert.match(short.stderr, /encryption.key/i);

    await server.up();
    assert.equal((await server.ok('GET', '/integrations')).data.length, 1);
    await server.stop();
});

test('a lost key file is refused, and found again is fine', async () => {
    const server = await Server.start();
    await server.integration();
    await server.stop();
    const file = join(server.data, keyFiles(server.data)[0]!);
    renameSync(file, `${file}.away`);
    const { code, stderr } = await refused(server.data);
    assert.equal(code, 1);
    assert.match(stderr, /key/);
    for (const made of keyFiles(server.data).filter((name) => !name.endsWith('.away'))) assert.fail(`it made ${made}`);
    renameSync(`${file}.away`, file);
    await server.up();
    await server.stop();
});

test('a second server on the same data is refused, and the first goes on', async () => {
    const server = await Server.start();
    const { code, stderr } = await refused(server.data);
    assert.equal(code, 1);
    assert.match(stderr, /^tidemark: .*(another|already|in use|running)/m);
    assert.equal((await server.api('GET', '/ready')).status, 200);
    await server.stop();
});

test('an address that is taken, and arguments that make no sense', async () => {
    const server = await Server.start();
    const taken = await run(binary, ['serve', '--listen', new URL(server.url).host, '--data', tempDir()]);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /^tidemark: .*use/m);
    await server.stop();

    const wrong: string[][] = [['--listen', 'nonsense'], ['--no-such-flag'], ['--min-frequency', 'often'], ['--allow-egress', 'everywhere'], ['--providers', '/no/such/file.yaml']];
    for (const argv of wrong) {
        const { code, stderr } = await run(binary, ['serve', '--data', tempDir(), '--listen', '127.0.0.1:0', ...argv]);
        assert.ok(code === 1 || code === 2, argv.join(' '));
        assert.match(stderr, /^tidemark: |^usage/m, argv.join(' '));
    }
});

test('unknown commands get the nearest one', async () => {
    const { code, stderr } = await run(binary, ['serv']);
    assert.equal(code, 2);
    assert.match(stderr, /did you mean `tidemark serve`/);
    assert.equal((await run(binary, ['--help'])).code, 0);
    assert.match((await run(binary, ['--version'])).stdout, /^tidemark \d/);
});
