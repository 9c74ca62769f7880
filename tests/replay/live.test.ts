/* ./run replay: syncs with recordings through a live server; what passes, and what must not. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { binary, root, run, sync, tempDir } from '../api/harness.ts';
import { casesBelow, recordedProject } from './collection.ts';
import { difference, replayAll } from './replay.ts';
import type { Entry, Recording } from './recording.ts';

const answer = (response: unknown, request: Entry['request'] = {}, more: Entry = {}): Entry => ({ response, request, ...more });

const saves = (records: object[], more: Recording = {}): Recording => ({ ...more, nango: { batchSave: { Item: records }, ...more.nango } });

const at = (date: string, more: object = {}) => ({ headers: { Date: date, ...more } });

/** Integrations with syncs and recordings. */
const files: Record<string, string | Recording> = {
    'github/syncs/pages.ts': sync(
        `
        const { team } = await nango.getMetadata();
        for await (const page of nango.paginate({ endpoint: \`/teams/\${team}/items\`, params: { since: Math.floor(Date.now() / 1000) }, paginate: { type: 'link', link_rel_in_response_header: 'next' } }))
            await nango.batchSave(page.map((item: any) => ({ ...item, day: new Date().toISOString().slice(0, 10) })), 'Item');`
    ),
    'github/tests/pages.test.json': saves([{ id: '1', day: '2024-02-29' }, { id: 2, day: '2024-02-29' }], {
        nango: { getMetadata: { team: 'a b' } },
        api: {
            get: {
                // The function looked at its clock in the second before.
                '/teams/a b/items': [
                    answer([{ id: '1' }], { params: { since: String(Date.UTC(2024, 1, 29, 11, 59, 59) / 1000) } }, at('Thu, 29 Feb 2024 12:00:00 GMT', { link: '<https://api.github.com/teams/a%20b/items?page=2>; rel="next"' })),
                    answer([{ id: 2 }], { params: { page: 2 } })
                ]
            }
        }
    }),
    'github/tests/pages-none.test.json': saves([], { now: '2024-02-29T12:00:00.250Z', nango: { getMetadata: { team: 1 } }, api: { get: { '/teams/1/items': answer([], { params: { since: String(Date.UTC(2024, 1, 29, 12) / 1000) } }) } } }),
    'github/syncs/elsewhere.ts': sync(
        `
        const { data } = await nango.post({ endpoint: '/search', baseUrlOverride: 'https://search.example.com/v3', data: { q: 'x' }, headers: { 'X-Kind': 'k' } });
        const file = await nango.uncontrolledFetch({ url: new URL('https://files.example.com/a.json?n=1') });
        await nango.batchSave([data, await file.json()], 'Item');`,
        { autoStart: false }
    ),
    'github/tests/elsewhere.test.json': saves([{ id: 'a' }, { id: 'b' }], {
        api: { post: { '/search': answer({ id: 'a' }, { data: { q: 'x' }, headers: { 'X-Kind': 'k' } }) }, get: { '/a.json': answer({ id: 'b' }, { params: { n: 1 } }) } }
    }),
    'github/syncs/deletes.ts': sync(`
        await nango.batchSave([{ id: '1', a: { b: 1 } }, { id: '2' }], 'Item');
        await nango.batchUpdate([{ id: '1', a: { c: 2 } }], 'Item');
        await nango.batchDelete([{ id: '2' }, { id: 'unknown' }], 'Item');`),
    'github/tests/deletes.test.json': { nango: { batchSave: { Item: [{ id: '1', a: { b: 1 } }, { id: '2' }] }, batchUpdate: { Item: [{ id: '1', a: { c: 2 } }] }, batchDelete: { Item: [{ id: '2' }, { id: 'unknown' }] } } },
    'bitbucket/syncs/users.ts': sync(`await nango.batchSave((await nango.get({ endpoint: '/2.0/users' })).data, 'Item');`),
    'bitbucket/mocks/users/Item/batchSave.json': [{ id: '1' }] as Recording,
    'bitbucket/mocks/nango/get/proxy/2.0/users/users.json': [{ id: '1' }] as Recording,
    // What fails, each for another reason.
    'github/syncs/wrong.ts': sync(`await nango.batchSave([{ id: '1', n: [1, { x: 2 }] }], 'Item');`),
    'github/tests/wrong.test.json': saves([{ id: '1', n: [1, { x: 3 }] }]),
    'github/syncs/unasked.ts': sync(`try { await nango.get({ endpoint: '/other' }); } catch { /* hidden */ }`),
    'github/tests/unasked.test.json': saves([], { api: { get: { '/items': answer([]) } } }),
    'github/syncs/throws.ts': sync(`throw new Error('no luck');`),
    'github/tests/throws.test.json': saves([]),
    'github/syncs/more.ts': sync(`await nango.batchSave([{ id: '1' }], 'Item');`),
    'github/tests/more.test.json': { nango: { batchSave: {} } },
    'github/syncs/undeleted.ts': sync(`await nango.batchDelete([{ id: '1' }], 'Item');`),
    'github/tests/undeleted.test.json': { nango: { batchDelete: { Item: [{ id: '1' }, { id: '2' }] } } },
    'github/syncs/drifts.ts': sync(`
        const { ran } = (await nango.getMetadata()) ?? {};
        await nango.updateMetadata({ ran: true });
        await nango.batchSave([{ id: '1', ...(ran && { more: true }) }], 'Item');`),
    'github/tests/drifts.test.json': saves([{ id: '1' }]),
    'github/syncs/broken.ts': sync(`return return;`),
    'github/tests/broken.test.json': saves([]),
    'nobody/syncs/items.ts': sync(``),
    'nobody/tests/items.test.json': saves([]),
    // Not a sync's, or without a recording.
    'github/syncs/bare.ts': sync(``),
    'github/actions/pages-other.ts': '',
    'github/tests/pages-other.test.json': saves([]),
    'github/tests/other.test.json': saves([])
};

function made(): string {
    const dir = tempDir();
    for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return dir;
}

const passes = ['bitbucket/users', 'github/deletes', 'github/elsewhere', 'github/pages', 'github/pages-none'];

test('syncs of a folder, one server: what saves what was recorded passes, all else is named with why', async () => {
    const dir = made();
    const command = (...argv: string[]) => run(process.execPath, [join(root, 'tests', 'replay', 'main.ts'), dir, ...argv], { TIDEMARK_BIN: binary });
    const { code, stdout, stderr } = await command('--min', String(passes.length));
    assert.equal(code, 0, stdout + stderr);
    const lines = stdout.trimEnd().split('\n');
    const failed = Object.fromEntries(lines.flatMap((line) => [...line.matchAll(/^\[\d+\/13\] FAIL {2}(\S+): (.*)$/g)]).map(([, name, why]) => [name, why]));
    assert.deepEqual(lines.flatMap((line) => line.match(/ok {4}(\S+):/)?.[1] ?? []).sort(), passes);
    assert.match(lines.at(-1)!, /^5 of 13 syncs passed \(38\.46 %\): 6 records of 12 requests in \d+ s$/);
    assert.equal(failed['github/wrong'], 'Item: record 1: .n.1.x expected 3, got 2');
    assert.match(failed['github/unasked']!, /^not recorded: GET https:\/\/api\.github\.com\/other/);
    assert.match(failed['github/throws']!, /no luck/);
    assert.equal(failed['github/more'], 'Item: 1 records that are not in the recording');
    assert.match(failed['github/undeleted']!, /2 records of Item are deleted/);
    assert.equal(failed['github/drifts'], 'the second run changed records: {"added":0,"deleted":0,"updated":1}');
    assert.match(failed['github/broken']!, /syncs\/broken\.ts:\d+:\d+: /);
    assert.equal(failed['nobody/items'], "skipped: the catalogue has no provider 'nobody'");
    const strict = await command('--filter', 'github/wrong');
    assert.equal(strict.code, 1);
    assert.match(strict.stderr, /fewer than 1 passed/);
});

test('which records a recording allows', () => {
    const got = (id: string, more: object = {}, last_action = 'ADDED') => ({ id, ...more, _nango_metadata: { last_action } });
    assert.equal(difference([got('1'), got('2', { a: 1 })], [{ id: 1 }, { id: '2', a: 1 }], [], []), undefined);
    assert.match(difference([], [{ id: '1' }], [], [])!, /record 1 is missing/);
    assert.match(difference([got('1'), got('2')], [{ id: '1' }], [], [])!, /record 2 is not in the recording/);
    assert.match(difference([got('1', { a: 1 })], [{ id: '1' }], [], [])!, /\.a expected undefined, got 1/);
    assert.match(difference([got('2'), got('1')], [{ id: '1' }, { id: '2' }], [], [])!, /another order/);
    // Of records with one id, the first in a batch counts, but the last batch.
    for (const a of [1, 2]) assert.equal(difference([got('1', { a })], [{ id: '1', a: 1 }, { id: '1', a: 2 }], [], []), undefined);
    assert.equal(difference([got('1', {}, 'DELETED')], [{ id: '1' }], [], [{ id: '1' }, { id: '2' }]), undefined);
    assert.match(difference([got('1')], [{ id: '1' }], [], [{ id: '1' }])!, /record 1 is not deleted/);
    assert.match(difference([got('1', {}, 'DELETED')], [{ id: '1' }], [], [])!, /record 1 is deleted/);
    assert.equal(difference([got('1', { a: { b: 1, c: 2 } })], [{ id: '1', a: { b: 1 } }], [{ id: '1', a: { c: 2 } }], []), undefined);
});

test('our functions for real APIs save what was recorded', async () => {
    const { project, count } = recordedProject();
    const cases = casesBelow(project);
    assert.equal(cases.length, count);
    const verdicts = await replayAll(cases);
    assert.deepEqual(verdicts.filter(({ problem }) => problem), []);
    assert.equal(verdicts.length, count);
});
