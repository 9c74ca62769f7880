/* tidemark export and import: an installation moves, whole or not at all, and goes on where it was. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, Reader, run, Server, serverWithApp, sync, tempDir, type App } from './harness.ts';

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

/** A new data folder that has the master key and nothing else. */
function target(from = server.data): string {
    const data = join(tempDir(), 'data');
    mkdirSync(data, { mode: 0o700 });
    copyFileSync(join(from, 'master.key'), join(data, 'master.key'));
    return data;
}

const importInto = (data: string, path = file, env = {}) => run(binary, ['import', path, '--data', data], env);

test('an export beside the running server', async () => {
    const done = await run(binary, ['export', file, '--data', server.data]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^exported \d+ rows, .*master key/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!existsSync(`${file}.part`));
    const all = lines(file);
    const header = JSON.parse(all[0]!);
    assert.equal(header.tidemark_export, 1);
    const trailer = JSON.parse(all.at(-2)!);
    assert.equal(trailer.end.rows.record_feed, RECORDS);
    const secret = readFileSync(join(server.data, 'master.key'), 'utf8').trim();
    assert.ok(!readFileSync(file, 'utf8').includes(secret) && !readFileSync(file, 'utf8').includes(server.key), 'secrets stay sealed');

    const again = await run(binary, ['export', file, '--data', server.data]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /exists/);
});

test('imported, it is the same, and goes on: cursors, runs, new ids', async () => {
    const data = target();
    const done = await importInto(data);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^imported \d+ rows .*counts and checksum fit/);
    const back = join(tempDir(), 'back.ndjson');
    assert.equal((await run(binary, ['export', back, '--data', data])).code, 0);
    assert.deepEqual(lines(back).slice(1), lines(file).slice(1));

    const moved = await Server.start({ data, env: { TIDEMARK_SECRET_KEY_DEV: server.key, TIDEMARK_WEBHOOK_URL_DEV: app.url } });
    const there = new Reader(moved, 'c1', 'Item', 1000);
    there.cursor = reader.cursor;
    Object.assign(moved, { key: server.key });
    assert.deepEqual(await there.drain(), [], 'the cursor of before is at the end');
    await moved.ok('POST', '/connections/metadata', { provider_config_key: 'fake', connection_id: 'c1', metadata: { round: 2 } });
    const hook = await app.after(() => moved.trigger('fill', 'c1'), 'fill');
    assert.deepEqual([hook.success, hook.responseResults.added, hook.responseResults.updated], [true, 0, RECORDS / 100], JSON.stringify(hook));
    assert.equal((await there.drain()).length, RECORDS / 100);
    await moved.connection('c2', 'http://127.0.0.1:1');
    await app.after(() => moved.trigger('fill', 'c2'), 'fill', (body) => body.connectionId === 'c2');
    assert.equal(new Set((await moved.records('c2', 'Item')).map((r) => r.id)).size, RECORDS);
    await moved.stop();
});

test('through a pipe', async () => {
    const data = target();
    const exporting = spawn(binary, ['export', '-', '--data', server.data], { stdio: ['ignore', 'pipe', 'pipe'] });
    const importing = spawn(binary, ['import', '-', '--data', data], { stdio: [exporting.stdout!, 'pipe', 'pipe'] });
    let said = '';
    importing.stdout!.on('data', (text) => (said += text));
    const [[code], [code2]] = await Promise.all([once(exporting, 'exit'), once(importing, 'exit')]);
    assert.deepEqual([code, code2], [0, 0]);
    assert.match(said, /^imported /);
});

for (const [point, hits] of [['import.batch', [1, 5, 12]], ['import.end', [1]], ['db.committed', [1, 2, 9]]] as const) {
    for (const hit of hits) {
        test(`an import killed at ${point} ${hit} is not served, and goes on where it stopped`, async () => {
            const data = target();
            const killed = await importInto(data, file, { TIDEMARK_FAULT: `${point}:${hit}:kill` });
            assert.equal(killed.code, null, `${killed.stdout} ${killed.stderr}`);
            const started = await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', data]);
            assert.equal(started.code, 1);
            assert.match(started.stderr, /the import of export \S+ is not complete/);
            const done = await importInto(data);
            assert.equal(done.code, 0, done.stderr);
            const back = join(tempDir(), 'back.ndjson');
            assert.equal((await run(binary, ['export', back, '--data', data])).code, 0);
            assert.deepEqual(lines(back).slice(1), lines(file).slice(1));
        });
    }
}

test('an export that was killed leaves nothing that looks whole, and can be made again', async () => {
    const path = join(tempDir(), 'killed.ndjson');
    const killed = await run(binary, ['export', path, '--data', server.data], { TIDEMARK_FAULT: 'db.query:20:kill' });
    assert.equal(killed.code, null);
    assert.ok(!existsSync(path));
    assert.equal((await run(binary, ['export', path, '--data', server.data])).code, 0);
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
        const data = target();
        writeFileSync(bad, content);
        const { code, stderr } = await importInto(data, bad);
        assert.equal(code, 1);
        assert.match(stderr, /^tidemark: cannot import: /);
        assert.match(stderr, why);
    }
    // A pipe that ends too early is noticed only then: what is there is not served.
    const data = target();
    const cut = spawn('/bin/sh', ['-c', `head -c ${Math.floor(text.length / 2)} "${file}" | "${binary}" import - --data "${data}"`], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    cut.stderr!.on('data', (part) => (said += part));
    await once(cut, 'close');
    assert.match(said, /not complete, stopped in record_feed after \d+ rows: the file ends/);
    assert.equal((await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', data])).code, 1);
    assert.equal((await run(binary, ['export', join(tempDir(), 'x'), '--data', data])).code, 1);
    assert.equal((await importInto(data)).code, 0);
});

test('targets that do not do: another key, none, not empty, in use', async () => {
    const none = await importInto(join(tempDir(), 'data'));
    assert.equal(none.code, 1);
    assert.match(none.stderr, /master\.key is missing \(copy the exporting/);
    const other = await importInto(tempDir(), file, { TIDEMARK_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
    assert.equal(other.code, 1);
    assert.match(other.stderr, /sealed with master key \w{16}, here is \w{16}/);
    const used = await importInto(server.data);
    assert.equal(used.code, 1);
    assert.match(used.stderr, /another server uses/);
    const elsewhere = await Server.start();
    await elsewhere.stop();
    const full = await importInto(elsewhere.data, file, { TIDEMARK_ENCRYPTION_KEY: readFileSync(join(server.data, 'master.key'), 'utf8').trim() });
    assert.equal(full.code, 1);
    assert.match(full.stderr, /not empty: table \w+ has/);
    for (const argv of [['import'], ['export'], ['import', file, '--nonsense', '1']]) assert.equal((await run(binary, argv)).code, 2, argv.join(' '));
    assert.equal((await run(binary, ['import', '/nowhere/at/all', '--data', tempDir()])).code, 1);
});

test('a full disk is said, and leaves no file', async () => {
    const said = await new Promise<string>((resolve) => {
        const child = spawn('/bin/sh', ['-c', `"${binary}" export - --data "${server.data}" > /dev/full`], { stdio: ['ignore', 'ignore', 'pipe'] });
        let text = '';
        child.stderr!.on('data', (part) => (text += part));
        child.on('close', () => resolve(text));
    });
    assert.match(said, /cannot export: cannot write the export: No space left/);
});
