/* Recorded traffic of real APIs, replayed against our own functions for them by `tidemark test`. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { recordedProject } from '../replay/collection.ts';
import { binary, copyDir, root, run } from './harness.ts';

let project: string;
let count = 0;

before(() => {
    ({ project, count } = recordedProject());
});

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1);

test('every recording passes', async () => {
    const { code, stdout, stderr } = await run(binary, ['test', project]);
    assert.equal(lastLine(stdout), `${count} passed, 0 failed, 0 skipped`, stdout + stderr);
    assert.equal(code, 0);
    assert.equal(stdout.split('\n').filter((line) => line.startsWith('ok ')).length, count);
});

test('one integration by its folder, some by a pattern, in JSON', async () => {
    const some = readdirSync(join(project, 'github', 'tests')).length;
    const folder = await run(binary, ['test', join(project, 'github')]);
    assert.equal(lastLine(folder.stdout), `${some} passed, 0 failed, 0 skipped`, folder.stdout + folder.stderr);
    const filtered = await run(binary, ['test', project, '--filter', 'github/*', '--json']);
    assert.equal(filtered.code, 0, filtered.stderr);
    const lines = filtered.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(lines.at(-1), { passed: some, failed: 0, skipped: 0, types: { sync: { passed: some, failed: 0, skipped: 0 } } });
    assert.ok(lines.slice(0, -1).every(({ function: name, result }) => name.startsWith('github/') && result === 'passed'));
});

test('a recording that expects something else fails', async () => {
    const broken = copyDir(project);
    const file = join(broken, 'github', 'tests', 'issues.test.json');
    const recording = JSON.parse(readFileSync(file, 'utf8'));
    const [model] = Object.keys(recording.nango.batchSave) as [string];
    recording.nango.batchSave[model][0].id = 'another';
    writeFileSync(file, JSON.stringify(recording));
    const { code, stdout } = await run(binary, ['test', broken, '--filter', 'github/*']);
    assert.equal(code, 1);
    assert.match(stdout, /^FAIL\s+github\/issues: ./m);
    assert.match(lastLine(stdout) ?? '', /^\d+ passed, 1 failed, 0 skipped$/);
});

test('a request that was not recorded fails, and a function without a recording is skipped', async () => {
    const broken = copyDir(join(project, 'github'));
    const source = join(broken, 'syncs', 'releases.ts');
    const text = readFileSync(source, 'utf8');
    assert.ok(text.includes('        endpoint,'));
    writeFileSync(source, text.replace('        endpoint,', `        endpoint: '/not-recorded' + endpoint,`));
    const { code, stdout } = await run(binary, ['test', broken]);
    assert.equal(code, 1, stdout);
    assert.match(stdout, /^FAIL\s+\S*releases: ./m);

    const bare = copyDir(join(root, 'tests', 'recordings'));
    const none = await run(binary, ['test', bare]);
    assert.match(lastLine(none.stdout) ?? '', /^0 passed, 0 failed, \d+ skipped$/);
    assert.equal(none.code, 0);
});
