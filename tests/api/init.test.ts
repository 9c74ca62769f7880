/* A new project, and `tidemark dev`, which checks it at every change. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { json } from '../fake/replies.ts';
import { binary, root, run, Server, tempDir, until } from './harness.ts';

const dir = join(tempDir(), 'new');
const source = join(dir, 'github', 'syncs', 'repositories.ts');
let server: Server;
let fake: Fake;

before(async () => {
    const { code, stdout, stderr } = await run(binary, ['init', dir]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /written .*github\/syncs\/repositories\.ts/);
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
    server = await Server.start();
    fake = await startFake();
    fake.on('GET', '/user/repos', json([{ id: 5, full_name: 'a/b', stargazers_count: 1 }]));
});
after(async () => {
    await server.stop();
    await fake.close();
});

test('a new project type-checks, passes its test, and deploys as it stands', async () => {
    const types = await run(join(root, 'node_modules', '.bin', 'tsc'), ['-p', dir]);
    assert.equal(types.code, 0, types.stdout);
    const replayed = await run(binary, ['test', dir]);
    assert.match(replayed.stdout, /1 passed, 0 failed, 0 skipped\n$/);
    const checked = await run(binary, ['dev', '--once', dir]);
    assert.equal(checked.stdout, '1 functions, 0 errors, 0 warnings\n', checked.stderr);
    await server.integration('github');
    const env = { TIDEMARK_HOST: server.url, TIDEMARK_SECRET_KEY_DEV: server.key };
    const deployed = await run(binary, ['deploy', 'dev', dir], env);
    assert.equal(deployed.code, 0, deployed.stderr);
    await server.connection('c1', fake.url, 'github');
    const records = await until('the record', async () => {
        const list = await server.records('c1', 'Repository', undefined, 'github').catch(() => []);
        return list.length ? list : undefined;
    });
    assert.equal(records[0].name, 'a/b');
});

test('init leaves what is there alone, but renews the types', async () => {
    writeFileSync(join(dir, 'index.ts'), readFileSync(join(dir, 'index.ts'), 'utf8') + '// mine\n');
    rmSync(join(dir, '.tidemark'), { recursive: true });
    const { stdout } = await run(binary, ['init', dir]);
    assert.match(stdout, /kept .*index\.ts/);
    assert.match(readFileSync(join(dir, 'index.ts'), 'utf8'), /mine/);
    assert.match(readFileSync(join(dir, '.tidemark', 'types', 'index.d.ts'), 'utf8'), /createSync/);
    assert.equal((await run(binary, ['init'])).code, 2);
    assert.equal((await run(binary, ['init', '/dev/null/x'])).code, 1);
});

test('dev says what is wrong where, at every change', async () => {
    const good = readFileSync(source, 'utf8');
    const watching = spawn(binary, ['dev', dir], { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    for (const stream of [watching.stdout, watching.stderr]) createInterface(stream).on('line', (line) => lines.push(line));
    const sums = () => lines.filter((line) => /^\d+ functions, /.test(line));
    try {
        await until('the first check', () => sums().length === 1, 60_000);
        writeFileSync(source, good.replace('name: z.string()', 'name: z.number()').replace('await nango.trackDeletesEnd', 'nango.trackDeletesEnd'));
        await until('the second check', () => sums().length >= 2, 60_000);
        assert.equal(sums()[1], '1 functions, 1 errors, 1 warnings', lines.join('\n'));
        assert.ok(lines.some((line) => /^github\/syncs\/repositories\.ts:\d+:\d+: error TS\d+: /.test(line)), lines.join('\n'));
        assert.ok(lines.some((line) => /^github\/syncs\/repositories\.ts:\d+:\d+: warning: nango\.trackDeletesEnd is not awaited/.test(line)), lines.join('\n'));
        writeFileSync(source, good);
        await until('the third check', () => sums().length >= 3, 60_000);
        assert.equal(sums()[2], '1 functions, 0 errors, 0 warnings', lines.join('\n'));
    } finally {
        watching.kill();
    }
    writeFileSync(source, good.replace('exec: async', 'exec: async async'));
    const once = await run(binary, ['dev', '--once', dir]);
    assert.equal(once.code, 1);
    assert.match(once.stderr, /^github\/syncs\/repositories\.ts:\d+:\d+: /m);
    writeFileSync(source, good);
});
