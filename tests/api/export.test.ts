/* tidemark export and import: an installation moves, whole or not at all, and goes on where it was. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, Reader, run, Server, serverWithApp, sync, tempDir, type App } from './harness.ts';
import { cluster, createDatabase } from './postgres.ts';

const RECORDS = 12_000;
/** Saves records whose content depends on how often it ran. */
const FILL = sync(
    `
        const round = ((await nango.getMetadata()) as any)?.round ?? 1;
        for (let page = 0; page < ${RECORDS / 1000}; page++) {
            await nango.batchSave(Array.from({ length: 1000 }, (_, i) => ({ id: String(page * 1000 + i), round: i % 100 === 0 ? round : 1, name: 'ünïcode ' + i })), 'Item');
        }`,
    { autoStart: false }
);

let server: Server;
let app: App;
let file: string;
let reader: Reader;

before(async () => {
    ({ server, app } = await serverWithApp());
    await server.integration();
    await server.deploy({ 'fake/syncs/fill': FILL });
    await server.connection('c1', 'http://127.0.0.1:1');
    await app.after(() => server.trigger('fill', 'c1'), 'fill');
    reader = new Reader(server, 'c1', 'Item', 1000);
    assert.equal((await reader.drain()).length, RECORDS);
    file = join(tempDir(), 'all.ndjson');
});
after(async () => {
    await server.stop();
    app.close();
});

const lines = (path: string) => readFileSync(path, 'utf8').split('\n');

interface Target {
    args: string[];
    data: string;
    database: string | null;
    env: Record<string, string>;
}

/** An empty installation that has the master key and nothing else: of the kind tested, or an SQLite file. */
async function target(kind = cluster ? 'postgres' : 'sqlite'): Promise<Target> {
    const database = kind === 'postgres' ? await createDatabase() : null;
    const data = join(tempDir(), 'data');
    mkdirSync(data, { mode: 0o700 });
    if (!server.database) copyFileSync(join(server.data, 'master.key'), join(data, 'master.key'));
    const env: Record<string, string> = server.database ? { TIDEMARK_ENCRYPTION_KEY: server.masterKey } : {};
    return { args: ['--data', data, ...(database ? ['--database', database] : [])], data, database, env };
}

const importInto = (t: Target, path = file, env = {}) => run(binary, ['import', path, ...t.args], { ...t.env, ...env });
const exportFrom = (t: Target, path: string) => run(binary, ['export', path, ...t.args], t.env);
const serve = (t: Target) => run(binary, ['serve', '--listen', '127.0.0.1:0', ...t.args], t.env);

/** A target has what the file has. */
async function same(t: Target): Promise<void> {
    const back = join(tempDir(), 'back.ndjson');
    const done = await exportFrom(t, back);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(lines(back).slice(1), lines(file).slice(1));
}

test('an export beside the running server', async () => {
    const done = await server.beside(['export', file]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^exported \d+ rows, .*master key/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!existsSync(`${file}.part`));
    const all = lines(file);
    const header = JSON.parse(all[0]!);
    assert.equal(header.tidemark_export, 1);
    const trailer = JSON.parse(all.at(-2)!);
    assert.equal(trailer.end.rows.record_feed, RECORDS);
    const secret = server.database ? server.masterKey : readFileSync(join(server.data, 'master.key'), 'utf8').trim();
    assert.ok(!readFileSync(file, 'utf8').includes(secret) && !readFileSync(file, 'utf8').includes(server.key), 'secrets stay sealed');

    const again = await server.beside(['export', file]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /exists/);
});

/** A target goes on where the server was. */
async function goesOn(t: Target): Promise<void> {
    const moved = await Server.start({ data: t.data, database: t.database, env: { ...t.env, TIDEMARK_SECRET_KEY_DEV: server.key, TIDEMARK_WEBHOOK_URL_DEV: app.url } });
    Object.assign(moved, { key: server.key });
    const there = new Reader(moved, 'c1', 'Item', 1000);
    there.cursor = reader.cursor;
    assert.deepEqual(await there.drain(), [], 'the cursor of before is at the end');
    await moved.ok('POST', '/connections/metadata', { provider_config_key: 'fake', connection_id: 'c1', metadata: { round: 2 } });
    const hook = await app.after(() => moved.trigger('fill', 'c1'), 'fill');
    assert.deepEqual([hook.success, hook.responseResults.added, hook.responseResults.updated], [true, 0, RECORDS / 100], JSON.stringify(hook));
    assert.equal((await there.drain()).length, RECORDS / 100);
    await moved.connection('c2', 'http://127.0.0.1:1');
    await app.after(() => moved.trigger('fill', 'c2'), 'fill', (body) => body.connectionId === 'c2');
    assert.equal(new Set((await moved.records('c2', 'Item')).map((r) => r.id)).size, RECORDS);
    await moved.stop();
}

test('imported, it is the same, and goes on: cursors, runs, new ids', async () => {
    const t = await target();
    const done = await importInto(t);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^imported \d+ rows .*counts and checksum fit/);
    await same(t);
    await goesOn(t);
});

test('from PostgreSQL to a file and back', { skip: !cluster }, async () => {
    const [there, back] = [await target('sqlite'), await target()];
    assert.equal((await importInto(there)).code, 0);
    await same(there);
    const path = join(tempDir(), 'from-sqlite');
    assert.equal((await exportFrom(there, path)).code, 0);
    assert.equal((await importInto(back, path)).code, 0);
    await same(back);
    await goesOn(there);
    await goesOn(back);
});

test('through a pipe', async () => {
    const t = await target();
    const from = server.database ? ['--database', server.database] : ['--data', server.data];
    const env = { ...process.env, ...t.env };
    const exporting = spawn(binary, ['export', '-', ...from], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const importing = spawn(binary, ['import', '-', ...t.args], { env, stdio: [exporting.stdout!, 'pipe', 'pipe'] });
    let said = '';
    importing.stdout!.on('data', (text) => (said += text));
    const [[code], [code2]] = await Promise.all([once(exporting, 'exit'), once(importing, 'close')]);
    assert.deepEqual([code, code2], [0, 0]);
    assert.match(said, /^imported /);
    await same(t);
});

for (const [point, hits] of [['import.batch', [1, 5, 12]], ['import.end', [1]], ['db.committed', [1, 2, 9]]] as const) {
    for (const hit of hits) {
        test(`an import killed at ${point} ${hit} is not served, and goes on where it stopped`, async () => {
            const t = await target();
            const killed = await importInto(t, file, { TIDEMARK_FAULT: `${point}:${hit}:kill` });
            assert.equal(killed.code, null, `${killed.stdout} ${killed.stderr}`);
            const started = await serve(t);
            assert.equal(started.code, 1);
            assert.match(started.stderr, /the import of export \S+ is not complete/);
            const done = await importInto(t);
            assert.equal(done.code, 0, done.stderr);
            await same(t);
        });
    }
}

test('an export that was killed leaves nothing that looks whole, and can be made again', async () => {
    const path = join(tempDir(), 'killed.ndjson');
    const killed = await server.beside(['export', path], { TIDEMARK_FAULT: 'db.query:20:kill' });
    assert.equal(killed.code, null);
    assert.ok(!existsSync(path));
    assert.equal((await server.beside(['export', path])).code, 0);
});

test('files that are cut off, damaged, newer or nonsense', async () => {
    const bad = join(tempDir(), 'bad.ndjson');
    const text = readFileSync(file, 'utf8');
    const cases: [string, RegExp][] = [
        [text.slice(0, text.length / 2), /does not end as an export does/],
        [text.slice(0, -1), /does not end as an export does/],
        ['', /does not end/],
        ['hello\n', /does not end/],
        [text.replace(/"schema":\d+/, '"schema":9999'), /schema 9999.*newer/],
        [text.replace('ret', 'rat'), /checksum|wrong value|expected/]
    ];
    for (const [content, why] of cases) {
        writeFileSync(bad, content);
        const { code, stderr } = await importInto(await target(), bad);
        assert.equal(code, 1);
        assert.match(stderr, /^tidemark: cannot import: /);
        assert.match(stderr, why);
    }
    // A pipe that ends too early is noticed only then: what is there is not served.
    const t = await target();
    const command = `head -c ${Math.floor(text.length / 2)} "${file}" | "${binary}" import - ${t.args.map((a) => `"${a}"`).join(' ')}`;
    const cut = spawn('/bin/sh', ['-c', command], { env: { ...process.env, ...t.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    cut.stderr!.on('data', (part) => (said += part));
    await once(cut, 'close');
    assert.match(said, /not complete, stopped in record_feed after \d+ rows: the file ends/);
    assert.equal((await serve(t)).code, 1);
    assert.equal((await exportFrom(t, join(tempDir(), 'x'))).code, 1);
    assert.equal((await importInto(t)).code, 0);
});

test('targets that do not do: another key, none, not empty, in use', async () => {
    const nothing = { args: ['--data', join(tempDir(), 'data')], data: '', database: null, env: {} };
    const none = await importInto(nothing);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /master\.key is missing \(copy the exporting/);
    const other = await importInto(await target(), file, { TIDEMARK_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
    assert.equal(other.code, 1);
    assert.match(other.stderr, /sealed with master key \w{16}, here is \w{16}/);
    const used = await server.beside(['import', file]);
    assert.equal(used.code, 1);
    assert.match(used.stderr, server.database ? /not empty: table \w+ has/ : /another server uses/);
    const elsewhere = await Server.start();
    await elsewhere.stop();
    const key = server.database ? server.masterKey : readFileSync(join(server.data, 'master.key'), 'utf8').trim();
    const full = await elsewhere.beside(['import', file], { TIDEMARK_ENCRYPTION_KEY: key });
    assert.equal(full.code, 1);
    assert.match(full.stderr, /not empty: table \w+ has/);
    for (const argv of [['import'], ['export'], ['import', file, '--nonsense', '1']]) assert.equal((await run(binary, argv)).code, 2, argv.join(' '));
    assert.equal((await run(binary, ['import', '/nowhere/at/all', '--data', tempDir()])).code, 1);
});

test('a full disk is said, and leaves no file', async () => {
    const from = server.database ? `--database "${server.database}"` : `--data "${server.data}"`;
    const env = { ...process.env, ...(await target()).env };
    const said = await new Promise<string>((resolve) => {
        const child = spawn('/bin/sh', ['-c', `"${binary}" export - ${from} > /dev/full`], { env, stdio: ['ignore', 'ignore', 'pipe'] });
        let text = '';
        child.stderr!.on('data', (part) => (text += part));
        child.on('close', () => resolve(text));
    });
    assert.match(said, /cannot export: cannot write the export: No space left/);
});
