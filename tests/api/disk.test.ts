/* The data folder: one that cannot be used is refused with the reason; a full disk loses nothing. SQLite only. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startFake } from '../fake/fake.ts';
import { held, json } from '../fake/replies.ts';
import { App, binary, Reader, run, Server, sync, tempDir, until } from './harness.ts';

const root = process.getuid!() === 0;

/** A server that must not start, run by somebody whom permissions hold back. */
async function refused(data: string): Promise<string> {
    const argv = [binary, 'serve', '--listen', '127.0.0.1:0', '--data', data];
    const { code, stderr } = await (root ? run('setpriv', ['--reuid=nobody', '--regid=nogroup', '--clear-groups', ...argv]) : run(argv[0]!, argv.slice(1)));
    assert.notEqual(code, 0, stderr);
    assert.doesNotMatch(stderr, /first start|listening/);
    return stderr;
}

/** Things of nobody, when root runs the tests. */
function give(...paths: string[]): void {
    if (root) for (const path of paths) chownSync(path, Number(execFileSync('id', ['-u', 'nobody'])), -1);
}

/** A folder with data in it. */
async function used(): Promise<string> {
    const data = mkdtempSync(join(tmpdir(), 'tidemark-disk-'));
    after(() => rmSync(data, { recursive: true, force: true }));
    const server = await Server.start({ data, database: null });
    await server.integration();
    await server.stop();
    give(data, ...readdirSync(data).map((name) => join(data, name)));
    return data;
}

test('a folder in which nothing can be made', async () => {
    const parent = tempDir();
    give(parent);
    chmodSync(parent, 0o555);
    assert.match(await refused(parent), /^tidemark: cannot serve: cannot open .*lock: Permission denied/m);
    assert.match(await refused(join(parent, 'data')), /^tidemark: cannot serve: cannot create .*data: Permission denied/m);
    chmodSync(parent, 0o755);
    writeFileSync(join(parent, 'file'), '');
    assert.match(await refused(join(parent, 'file')), /^tidemark: cannot serve: cannot open .*lock: Not a directory/m);
});

test('a database that can be read and not written', async () => {
    const data = await used();
    const path = join(data, 'tidemark.db');
    chmodSync(path, 0o444);
    assert.match(await refused(data), /cannot open .*tidemark\.db \(check the data directory\): Permission denied/);
    chmodSync(path, 0o600);
    chmodSync(data, 0o555);
    assert.match(await refused(data), /tidemark\.db: .*\(check .*data directory.*\)/);
    chmodSync(data, 0o755);
});

test('what is no database, or the database of another program', async () => {
    const data = await used();
    const path = join(data, 'tidemark.db');
    writeFileSync(path, 'this is something else\n'.repeat(1000));
    assert.match(await refused(data), /tidemark\.db: the file is not a database \(give another path\)/);
    assert.equal(statSync(path).size, 23_000, 'and it is left as it was');
});

test('a second server on the same data', async () => {
    const data = tempDir();
    const server = await Server.start({ data, database: null });
    const { code, stderr } = await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', data]);
    assert.equal(code, 1);
    assert.match(stderr, /another server uses the data folder .* \(stop it, or choose another with --data\)/);
    assert.equal((await server.api('GET', '/ready')).status, 200);
    await server.stop();
});

/** A small disk of its own, where this may be made. */
function smallDisk(): string | null {
    const at = mkdtempSync(join(tmpdir(), 'tidemark-full-'));
    try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', at], { stdio: 'ignore' });
    } catch {
        rmSync(at, { recursive: true });
        return null;
    }
    after(() => {
        execFileSync('umount', ['-l', at]);
        rmSync(at, { recursive: true });
    });
    return at;
}

const WAITS = sync(
    `
        await nango.batchSave([{ id: 'first' }], 'Item');
        await nango.get({ endpoint: '/wait' });
        await nango.batchSave(Array.from({ length: 50 }, (_, i) => ({ id: String(i), text: 'x'.repeat(20_000) })), 'Item');`,
    { autoStart: false }
);

test('a disk that is full: what cannot be stored is refused, and all goes on when there is room', async (t) => {
    const disk = smallDisk();
    if (!disk) return t.skip('this needs the right to mount');
    const app = await App.start();
    const fake = await startFake();
    const { handler, release } = held(json('ok'));
    fake.on('GET', '/wait', handler);
    const server = await Server.start({ data: join(disk, 'data'), database: null, env: { TIDEMARK_WEBHOOK_URL_DEV: app.url } });
    t.after(async () => {
        await server.kill();
        await fake.close();
        app.close();
    });
    await server.integration();
    await server.deploy({ 'fake/syncs/items': WAITS });
    await server.connection('c1', fake.url);
    const reader = new Reader(server, 'c1', 'Item');
    await server.trigger('items', 'c1');
    await fake.asked(1);
    assert.deepEqual((await reader.drain()).map(({ id }) => id), ['first']);

    const ballast = join(disk, 'ballast');
    assert.throws(() => writeFileSync(ballast, Buffer.alloc(16 << 20)), /ENOSPC/);
    release();
    // Neither the batch nor that the run has failed for it.
    await until('the end of the function', () => server.log.some((line) => /run not finished.*the disk is full \(free space where the data directory is\)/.test(line)));
    const refused = await server.api('POST', '/sync/trigger', { syncs: ['items'], provider_config_key: 'fake', connection_id: 'c1' });
    assert.equal(refused.status, 503);
    assert.deepEqual(await reader.drain(), [], 'what is stored can be read');

    rmSync(ballast);
    fake.on('GET', '/wait', json('ok'));
    const [failed] = await app.syncs(1);
    assert.match(failed.error.description, /Failed to save records: .*the disk is full/);
    await app.after(() => server.trigger('items', 'c1'), 'items', ({ success }) => success);
    await reader.drain();
    assert.equal(reader.live.size, 51);
});
