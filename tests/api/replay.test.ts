/* `tidemark test` over recordings as they come: cases, both layouts, failures, clocks, broken functions. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { binary, run, sync, tempDir } from './harness.ts';

/** A folder with these files; objects are written as JSON. */
function folder(files: Record<string, unknown>): string {
    const dir = tempDir();
    for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return dir;
}

const action = (body: string, more = '') => `
import { createAction } from 'nango';
import { z } from 'zod';
${more}
export default createAction({
    description: 'x', version: '1.0.0', input: z.any(), output: z.any(),
    exec: async (nango: any, input: any) => { ${body} }
});
`;

interface Line {
    function: string;
    type: string;
    result: string;
    reason?: string;
}

async function results(dir: string, ...argv: string[]): Promise<{ lines: Record<string, Line>; sums: any; code: number | null; stderr: string }> {
    const { stdout, stderr, code } = await run(binary, ['test', dir, '--json', ...argv]);
    const all = stdout.trimEnd().split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const lines = Object.fromEntries(all.slice(0, -1).map((line) => [line.function, line]));
    return { lines, sums: all.at(-1), code, stderr };
}

const answer = (response: unknown, more: object = {}) => ({ response, status: 200, headers: {}, request: {}, ...more });

test('a folder of integrations, several cases of a function, sums by type', async () => {
    const echo = action(`return (await nango.get({ endpoint: '/who', params: { name: input.name } })).data;`);
    const asked = (name: string) => ({ input: { name }, output: { hello: name }, api: { get: { '/who': answer({ hello: name }, { request: { params: { name } } }) } } });
    const dir = folder({
        'crm/actions/echo.ts': echo,
        'crm/tests/echo.test.json': asked('ann'),
        'crm/tests/echo-umlaut.test.json': asked('ü & co'),
        'crm/actions/echo-twice.ts': echo,
        'crm/tests/echo-twice-more.test.json': asked('bob'),
        'crm/tests/gone.test.json': asked('x'),
        'crm/syncs/users.ts': sync(`await nango.batchSave([{ id: '1', name: 'n' }], 'Item');`),
        'crm/actions/users.ts': action(`return 1;`),
        'crm/tests/users.test.json': { nango: { batchSave: { Item: [{ id: '1', name: 'n' }] } }, api: {} },
        'other/actions/never.ts': echo
    });
    const { lines, sums, code } = await results(dir);
    assert.deepEqual(
        Object.values(lines).map(({ function: name, type, result }) => `${name} ${type} ${result}`).sort(),
        ['crm/echo action passed', 'crm/echo-twice action skipped', 'crm/echo-twice-more action passed', 'crm/echo-umlaut action passed', 'crm/gone other failed', 'crm/users sync passed', 'other/never action skipped']
    );
    assert.equal(code, 1);
    assert.equal(sums.failed, 1);
    assert.deepEqual(sums.types.sync, { passed: 1, failed: 0, skipped: 0 });
    assert.equal(sums.types.action.passed, 3);
});

test('the older layout: a folder mocks/', async () => {
    const dir = folder({
        'crm/actions/make.ts': action(`const { connection_config: c } = await nango.getConnection();
            const { data } = await nango.post({ endpoint: '/v1/things', data: { name: input.name } });
            return { id: data.id, region: c.region, tags: (await nango.get({ endpoint: '/v1/tags?all=1' })).data };`),
        'crm/mocks/make/input.json': { name: 'n' },
        'crm/mocks/make/output.json': { id: 7, region: 'eu', tags: ['a'] },
        'crm/mocks/nango/getConnection.json': { connection_config: { region: 'eu' } },
        'crm/mocks/nango/post/proxy/v1/things/make/abc.json': { requestIdentityHash: 'abc', requestIdentity: { params: [], headers: [['Content-Length', '12']], data: '{"name":"n"}' }, response: { id: 7 }, status: 201, headers: {} },
        'crm/mocks/nango/get/proxy/v1/tags/make.json': ['a'],
        'crm/mocks/nango/get/proxy/v1/tags/users.json': ['b'],
        'crm/syncs/users.ts': sync(`
            for (const endpoint of ['users', 'teams', 'teams/users']) await nango.batchSave((await nango.get({ endpoint })).data, 'Item');`),
        'crm/mocks/users/Item/batchSave.json': [{ id: '1', name: 'n' }, { id: '2' }, { id: '3' }],
        'crm/mocks/nango/get/proxy/teams/users.json': [{ id: '2' }],
        'crm/mocks/nango/get/proxy/teams/users/users.json': [{ id: '3' }],
        'crm/mocks/nango/get/proxy/teams/users/make.json': [],
        'crm/mocks/users/Item/batchDelete.json': [],
        'crm/mocks/nango/get/proxy/users/users.json': [{ id: '1', name: 'n' }],
        'crm/mocks/nango/get/proxy/users/details/make.json': {}
    });
    const { lines, code, stderr } = await results(join(dir, 'crm'));
    assert.equal(code, 0, JSON.stringify(lines) + stderr);
    assert.deepEqual(Object.keys(lines).sort(), ['crm/make', 'crm/users']);
});

test('a recorded failure is expected, and only that one', async () => {
    const fails = action(`throw new nango.ActionError({ message: 'no such thing', id: input.id });`);
    const dir = folder({
        'crm/actions/fails.ts': fails,
        'crm/tests/fails.test.json': { input: { id: 1 }, error: { type: 'action_script_runtime_error', payload: { message: 'no such thing', id: 1 } } },
        'crm/tests/fails-other.test.json': { input: { id: 2 }, error: { type: 'action_script_runtime_error', payload: { message: 'no such thing', id: 1 } } },
        'crm/actions/works.ts': action(`return 1;`),
        'crm/tests/works.test.json': { error: { type: 'action_script_runtime_error' } },
        'crm/tests/works-without.test.json': { output: 1 }
    });
    const { lines } = await results(dir);
    assert.equal(lines['crm/fails']?.result, 'passed', lines['crm/fails']?.reason);
    assert.match(lines['crm/fails-other']?.reason ?? '', /error\.payload\.id: expected 1, got 2/);
    assert.match(lines['crm/works']?.reason ?? '', /says that it fails/);
    assert.equal(lines['crm/works-without']?.result, 'passed');
});

test('the clock of a replayed run is that of the recording', async () => {
    const clock = action(`
        await nango.get({ endpoint: '/t', params: { since: String(Math.floor(Date.now() / 1000)) } });
        return { day: new Date().toISOString().slice(0, 10), built: new Date(0).getTime() };`);
    const at = Date.UTC(2024, 1, 29, 12, 0, 0) / 1000;
    const rec = (since: number, more: object) => ({ ...more, output: { day: '2024-02-29', built: 0 }, api: { get: { '/t': answer(1, { headers: { Date: 'Thu, 29 Feb 2024 12:00:00 GMT' }, request: { params: { since: String(since) } } }) } } });
    const dir = folder({
        'crm/actions/clock.ts': clock,
        'crm/tests/clock.test.json': rec(at, {}),
        'crm/tests/clock-before.test.json': rec(at - 1, {}),
        'crm/tests/clock-stated.test.json': rec(at - 3600, { now: '2024-02-29T11:00:00.000Z' }),
        'crm/tests/clock-wrong.test.json': rec(at - 2, {})
    });
    const { lines } = await results(dir);
    for (const name of ['clock', 'clock-before', 'clock-stated']) assert.equal(lines[`crm/${name}`]?.result, 'passed', `${name}: ${lines[`crm/${name}`]?.reason}`);
    assert.match(lines['crm/clock-wrong']?.reason ?? '', /not recorded/);
});

test('a function that does not compile fails alone, with its place', async () => {
    const good = action(`return 1;`);
    const dir = folder({
        'crm/actions/good.ts': good,
        'crm/actions/syntax.ts': good.replace('return 1', 'return return'),
        'crm/actions/soap.ts': action(`return soap;`, `import soap from 'soap';`),
        'crm/actions/helper.ts': action(`return x;`, `import { x } from '../lib/x.js';`),
        'crm/lib/x.ts': `import { readFileSync } from 'node:fs';\nexport const x = readFileSync;\n`,
        'crm/actions/missing.ts': action(`return y;`, `import { y } from '../lib/y.js';`),
        'crm/actions/empty.ts': ``,
        'crm/actions/named.ts': good.replace('export default', 'export const named ='),
        ...Object.fromEntries(['good', 'syntax', 'soap', 'helper', 'missing', 'empty', 'named'].map((name) => [`crm/tests/${name}.test.json`, { output: 1 }]))
    });
    const { lines } = await results(dir);
    const reason = (name: string) => lines[`crm/${name}`]?.reason ?? '';
    assert.equal(lines['crm/good']?.result, 'passed');
    assert.match(reason('syntax'), /^crm\/actions\/syntax\.ts:\d+:\d+: /);
    assert.match(reason('soap'), /^crm\/actions\/soap\.ts:4:\d+: module 'soap' is not available in tidemark/);
    assert.match(reason('helper'), /^crm\/lib\/x\.ts:1:\d+: import of 'node:fs' is not allowed/);
    assert.match(reason('missing'), /^crm\/actions\/missing\.ts:4:\d+: .*lib\/y/);
    assert.match(reason('empty'), /^crm\/actions\/empty\.ts: .*default/);
    assert.match(reason('named'), /^crm\/actions\/named\.ts: .*default/);
});

test('uncontrolledFetch is answered from the recording', async () => {
    const dir = folder({
        'crm/actions/fetch.ts': action(`
            const r = await nango.uncontrolledFetch({ url: new URL('https://files.example.com/up?x=1'), method: 'POST', headers: { 'X-Way': 'a' }, body: '{"n":1}' });
            return { ok: r.ok, status: r.status, got: await r.json(), kind: r.headers.get('X-Kind') };`),
        'crm/tests/fetch.test.json': {
            output: { ok: false, status: 409, got: { a: 1 }, kind: 'k' },
            api: { post: { '/up': answer({ a: 1 }, { status: 409, headers: { 'x-kind': 'k' }, request: { params: { x: 1 }, headers: { 'X-Way': 'a' }, data: { n: 1 } } }) } }
        }
    });
    const { lines } = await results(dir);
    assert.equal(lines['crm/fetch']?.result, 'passed', lines['crm/fetch']?.reason);
});

test('triggerAction is answered from the recording', async () => {
    const calls = action(`
        const said = [];
        for (const n of input) said.push(await nango.triggerAction('crm', nango.connectionId, 'double', { n }).catch((error: any) => [error.status, error.response.data.error]));
        return said;`);
    const recorded = (n: number, more: object) => ({ name: 'double', providerConfigKey: 'crm', input: { n }, ...more });
    const error = { kind: 'control', code: 'action_script_runtime_error', message: 'no', status: 400, payload: { why: 13 } };
    const nango = { triggerAction: [recorded(1, { output: 2 }), recorded(1, { output: 'again' }), recorded(13, { error }), recorded(4, {})] };
    const told = [400, { code: error.code, message: 'no', payload: { why: 13 } }];
    const dir = folder({
        'crm/actions/calls.ts': calls,
        'crm/tests/calls.test.json': { input: [1, 13, 1, 1, 4], output: [2, told, 'again', 2, null], nango },
        'crm/tests/calls-other.test.json': { input: [1, 2], output: [2, 4], nango },
        'crm/tests/calls-none.test.json': { input: [1], output: [2] }
    });
    const { lines } = await results(dir);
    assert.equal(lines['crm/calls']?.result, 'passed', lines['crm/calls']?.reason);
    assert.match(lines['crm/calls-other']?.reason ?? '', /^not recorded: triggerAction double of crm with {"n":2}/);
    assert.match(lines['crm/calls-none']?.reason ?? '', /^not recorded: triggerAction double of crm with {"n":1}/);
});

test('an experimental function is tested like an action, and refused by compile', async () => {
    const dir = folder({
        'index.ts': `import './crm/functions/plain.js';\n`,
        'crm/functions/plain.ts': `import { createFunction } from 'nango/experimental';
export default createFunction({ description: 'x', trigger: { type: 'none' }, exec: async (nango: any) => (await nango.get({ endpoint: '/a' })).data } as any);
`,
        'crm/tests/plain.test.json': { output: { a: 1 }, api: { get: { '/a': answer({ a: 1 }) } } }
    });
    const { lines } = await results(dir);
    assert.equal(lines['crm/plain']?.result, 'passed', lines['crm/plain']?.reason);
    const { code, stderr } = await run(binary, ['compile', dir]);
    assert.equal(code, 1);
    assert.match(stderr, /createFunction is experimental and cannot be deployed yet/);
});
