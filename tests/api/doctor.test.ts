/* tidemark doctor: one line per check, a verdict that scripts can use, and each trouble seen. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, run, Server, sync, tempDir } from './harness.ts';
import { cluster } from './postgres.ts';

let server: Server;

before(async () => {
    server = await Server.start({ database: null });
    await server.integration();
    await server.deploy({ 'fake/syncs/save': sync(`await nango.batchSave([{ id: '1' }], 'Item');`, { autoStart: true }) });
    await server.connection('c1', 'http://127.0.0.1:1');
});
after(() => server.stop());

const doctor = (args: string[] = [], env = {}, data = server.data) => run(binary, ['doctor', ...args, '--data', data], env);

/** Changes the database behind everybody's back. */
async function tamper(data: string, sql: string): Promise<void> {
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(join(data, 'tidemark.db'));
    db.exec(sql);
    db.close();
}

/** A stopped copy of the installation. */
async function copy(): Promise<string> {
    const data = tempDir();
    chmodSync(data, 0o700);
    assert.equal((await run(binary, ['backup', join(data, 'tidemark.db'), '--data', server.data])).code, 0);
    copyFileSync(join(server.data, 'master.key'), join(data, 'master.key'));
    return data;
}

async function sees(data: string, line: RegExp, code: number, env = {}): Promise<void> {
    const found = await doctor([], env, data);
    assert.match(found.stdout, line);
    assert.equal(found.code, code, found.stdout);
}

test('a healthy installation: every line is ok, also as JSON', async () => {
    const text = await doctor();
    assert.equal(text.code, 0, text.stdout);
    const lines = text.stdout.trimEnd().split('\n');
    assert.match(lines.pop()!, /^\d+ warnings, 0 failures$/);
    for (const line of lines) assert.match(line, /^(ok  |warn)  [a-z -]+: ./);
    for (const what of ['settings', 'data folder', 'key source', 'database', 'master key', 'clock', 'schedules', 'webhooks', 'disk', 'open files', 'server', 'runner', 'esbuild'])
        assert.ok(lines.some((line) => line.includes(`  ${what}: `)), what);
    assert.equal(new Set(lines.map((line) => line.split(':')[0])).size, lines.length, 'each check once');
    assert.match(text.stdout, /server: one runs/);
    assert.match(text.stdout, /runner: a function was evaluated/);

    const json = await doctor(['--json']);
    assert.equal(json.code, 0);
    const report = JSON.parse(json.stdout);
    assert.equal(report.ok, true);
    assert.equal(report.failures, 0);
    assert.ok(report.checks.every((c: any) => ['ok', 'warn'].includes(c.verdict) && c.what && c.detail));
});

test('a missing folder, settings that are none, a wrong or missing key', async () => {
    await sees('/nowhere/at/all', /^fail  data folder: .*not there/m, 1);
    const settings = await doctor(['--json', '--max-body', 'huge']);
    assert.equal(settings.code, 1);
    assert.deepEqual(JSON.parse(settings.stdout).checks.map((c: any) => [c.verdict, c.what]), [['fail', 'settings']]);
    await sees(server.data, /^fail  master key: .*not the one/m, 1, { TIDEMARK_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
    const data = await copy();
    await run('rm', [join(data, 'master.key')]);
    await sees(data, /^fail  database: .*master.key is missing/m, 1);
});

test('files that others may read, a rotation that was interrupted', async () => {
    const data = await copy();
    chmodSync(data, 0o755);
    await sees(data, /^warn  data folder: .*chmod 700/m, 0);
    chmodSync(join(data, 'master.key'), 0o644);
    await sees(data, /^fail  key source: .*chmod 600/m, 1);
    chmodSync(join(data, 'master.key'), 0o600);
    copyFileSync(join(data, 'master.key'), join(data, 'master.key.new'));
    await sees(data, /^warn  key source: .*interrupted/m, 0);
    await sees(data, /server: none runs/, 0);
});

test('late syncs, a webhook backlog, a clock that was set back, half an import, another schema', async () => {
    const data = await copy();
    const long_ago = Date.now() - 3_600_000;
    await tamper(data, `UPDATE syncs SET run_id = NULL, next_run_ms = ${long_ago}`);
    await sees(data, /^warn  schedules: a sync is due since (59|60) minutes/m, 0);
    await tamper(data, `INSERT INTO outbox (environment_id, lane, type, url, uuid, body, state, next_ms, created_ms) VALUES (1, 'l', 'sync', 'http://x', 'u', '{}', 'PENDING', 1, ${long_ago})`);
    await sees(data, /^warn  webhooks: \d+ wait for delivery, the oldest for (59|60) minutes/m, 0);
    await tamper(data, `INSERT INTO log_messages (operation_id, level, type, source, message, created_ms) VALUES ('o', 'info', 'log', 'user', 'm', ${Date.now() + 3_600_000})`);
    await sees(data, /^fail  clock: .*from 3\d\d\d s in the future/m, 1);
    await tamper(data, `INSERT INTO imports (export_id, position, digest, started_ms) VALUES ('e', 1, 'd', 1)`);
    await sees(data, /^fail  import: the import of export e is not complete/m, 1);
    await tamper(data, 'PRAGMA user_version = 9999');
    await sees(data, /^fail  database: .*schema 9999, this program needs \d+/m, 1);
});

test('records that were changed behind our back', async () => {
    const data = await copy();
    const ask = () => run(binary, ['doctor', '--records', '--data', data]);
    let found = await ask();
    assert.match(found.stdout, /^ok    records: all 1 in 1 datasets are whole$/m);
    assert.equal(found.code, 0);
    await tamper(data, 'UPDATE record_keys SET hash = zeroblob(16)');
    found = await ask();
    assert.match(found.stdout, /^fail  records: dataset Item of connection 1, record '1': the payload has another hash/m);
    assert.equal(found.code, 1);
    await tamper(data, 'UPDATE datasets SET live = 7');
    await tamper(data, 'DELETE FROM record_feed');
    assert.match((await ask()).stdout, /^fail  records: .*it is not in the feed/m);
});

test('PostgreSQL: its version and clock, the key of its servers, a database that is away', { skip: !cluster }, async () => {
    const shared = await Server.start();
    const found = await shared.beside(['doctor']);
    assert.equal(found.code, 0, found.stdout);
    assert.match(found.stdout, /^ok    database: PostgreSQL \d+.*, schema \d+$/m);
    assert.match(found.stdout, /^ok    clock: /m);
    assert.doesNotMatch(found.stdout, /data folder|write-ahead log/);
    const wrong = await shared.beside(['doctor'], { TIDEMARK_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /^fail  master key: .*not the one/m);
    await shared.stop();
    const away = await doctor(['--json', '--database', 'postgres://127.0.0.1:1/none'], { TIDEMARK_ENCRYPTION_KEY: shared.masterKey });
    assert.equal(away.code, 1);
    assert.match(JSON.parse(away.stdout).checks.find((c: any) => c.what === 'database').detail, /cannot be reached/);
});

test('a damaged file', async () => {
    const data = await copy();
    writeFileSync(join(data, 'tidemark.db'), randomBytes(100_000));
    await sees(data, /^fail  database: .*not a database/m, 1);
});
