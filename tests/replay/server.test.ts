/* The replay server by itself: which recorded exchange answers which request. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../api/harness.ts';
import { Exchanges, madeAt, readMocks, type Entry, type Provider, type Recording } from './recording.ts';
import { startReplay } from './server.ts';

const answer = (response: unknown, request?: Entry['request'], more: Entry = {}): Entry => ({ response, ...(request && { request }), ...more });

/** Asks through HTTP as a redirected server would; what it got. */
async function ask(api: Recording['api'], requests: [url: string, options?: RequestInit][], provider: Partial<Provider> = {}): Promise<{ status: number; body: any; headers: Headers }[]> {
    await using replay = await startReplay();
    replay.add('c1', new Exchanges({ api: api! }, { base: 'https://api.example.com/v2', ...provider }));
    const got = [];
    for (const [url, options] of requests) {
        const response = await fetch(`${replay.url}/c1/${url.replace('://', '/')}`, options);
        const text = await response.text();
        got.push({ status: response.status, body: /^[[{"\d]/.test(text) ? JSON.parse(text) : text, headers: response.headers });
    }
    return got;
}

const bodies = async (...args: Parameters<typeof ask>) => (await ask(...args)).map(({ status, body }) => (status === 404 ? 404 : body));

test('method, path and parameters, whatever their order and spelling', async () => {
    const api = {
        get: { '/users/a b?x=1': answer('by endpoint', {}), users: [answer('page 1', { params: { page: 1, ids: ['a', 'b'] } }), answer('page 2', { params: { page: '2' } })] },
        post: { users: answer('posted', {}) }
    };
    const at = 'https://api.example.com/v2/users';
    assert.deepEqual(await bodies(api, [[`${at}?ids=a%2Cb&page=1`], [`${at}?page=2`], [`${at}/a%20b?x=1`], [at, { method: 'POST' }]]), ['page 1', 'page 2', 'by endpoint', 'posted']);
    assert.deepEqual(await bodies(api, [[`${at}?page=3`], [`${at}?page=2&more=1`], [at], [`${at}/a%20b`], [at, { method: 'PUT' }], [`${at}/x`]]), [404, 404, 404, 404, 404, 404]);
});

test('the path is what comes after the base, which must be there once', async () => {
    const api = { get: { users: answer('users'), '/v2/users': answer('link'), '/': answer('root') } };
    assert.deepEqual(await bodies(api, [['https://api.example.com/v2/users'], ['https://api.example.com/v2/']]), ['users', 'root']);
    assert.deepEqual(await bodies(api, [['https://api.example.com/v2/v2/users'], ['https://api.example.com/v1/users'], ['https://other.example.com/v2/users']]), [404, 404, 404]);
    const override = { get: { '/v9/users': answer('users') } };
    assert.deepEqual(await bodies(override, [['https://other.example.com/tenant/v9/users']]), [404]);
    assert.deepEqual(await bodies(override, [['https://other.example.com/tenant/v9/users']], { ownBase: true }), ['users']);
});

test('headers that the function set, but not those that are added to every request', async () => {
    const api = { get: { a: answer('a', { headers: { 'X-Version': '2', Accept: 'x', 'X-Token': 'recorded' } }) } };
    const at = 'https://api.example.com/v2/a';
    assert.deepEqual(await bodies(api, [[at, { headers: { 'x-version': '2', 'x-token': 'ours' } }], [at, { headers: { 'x-token': 'ours' } }]], { headers: ['x-token'] }), ['a', 404]);
    assert.deepEqual(await bodies(api, [[at, { headers: { 'x-version': '2', 'x-token': 'ours' } }]]), [404]);
    assert.deepEqual(await bodies({ get: { a: answer('a', { params: { x: 1 } }) } }, [[`${at}?x=1&key=k`], [`${at}?x=1&other=k`]], { params: ['key'] }), ['a', 404]);
});

test('bodies: JSON, forms, bytes, hashes of long ones', async () => {
    const long = JSON.stringify({ text: 'x'.repeat(2000) });
    const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');
    const post = (body: string | Uint8Array): [string, RequestInit] => ['https://api.example.com/v2/a', { method: 'POST', body: body as any }];
    const api = {
        post: {
            a: [
                answer('json', { data: { a: [1, 2], b: null } }),
                answer('form', { data: { grant: 'x y', n: 1 } }),
                answer('bytes', { data: Buffer.from([255, 0, 1]).toString('base64') }),
                answer('long', { data: `sha1:${sha1(long)}` })
            ]
        }
    };
    assert.deepEqual(await bodies(api, [post('{"b":null, "a":[1,2]}'), post('n=1&grant=x+y'), post(new Uint8Array([255, 0, 1])), post(long)]), ['json', 'form', 'bytes', 'long']);
    assert.deepEqual(await bodies({ post: { a: [answer('json', { data: { a: 1 } })] } }, [post('{"a":2}'), post('')]), [404, 404]);
});

test('a request whose recorded hash fits is the recorded one', async () => {
    const identity = { method: 'get', endpoint: 'a', params: [['x', '1']], headers: [] };
    const hash = createHash('sha1').update(JSON.stringify(identity)).digest('hex');
    assert.deepEqual(await bodies({ get: { a: answer('a', { params: { x: 'edited' } }, { hash }) } }, [['https://api.example.com/v2/a?x=1'], ['https://api.example.com/v2/a?x=2']]), ['a', 404]);
});

test('repeated requests get their answers in order, the last one again', async () => {
    const page = (n: number) => answer(n, { params: {} });
    assert.deepEqual(await bodies({ get: { a: [page(1), page(2)] } }, [1, 2, 3].map(() => ['https://api.example.com/v2/a'])), [1, 2, 1]);
});

test('status, headers and bodies are those of the recording, but for what describes its transfer', async () => {
    const headers = { Link: '<x>; rel="next"', 'content-length': '5', 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' };
    const api = { get: { a: answer({ a: 1 }, {}, { status: 203, headers }), b: answer({ type: 'Buffer', data: [104, 105] }), c: answer(undefined, {}, { status: 204 }), d: answer('text') } };
    const [a, b, c, d] = await ask(api, ['a', 'b', 'c', 'd'].map((path) => [`https://api.example.com/v2/${path}`]));
    assert.deepEqual([a!.status, a!.body, a!.headers.get('link'), a!.headers.get('content-encoding'), a!.headers.get('content-type')], [203, { a: 1 }, '<x>; rel="next"', null, 'application/json']);
    assert.deepEqual([b!.body, c!.status, c!.body, d!.body], ['hi', 204, '', 'text']);
});

test('what was not recorded is noted with what was', async () => {
    await using replay = await startReplay();
    const session = replay.add('c1', new Exchanges({ api: { get: { a: answer(1, { params: { x: 1 } }) } } }, { base: 'https://api.example.com' }));
    const { status } = await fetch(`${replay.url}/c1/https/api.example.com/a?x=2`);
    assert.equal(status, 404);
    assert.equal(session.requests, 1);
    assert.match(session.problems[0]!, /^not recorded: GET https:\/\/api\.example\.com\/a\?x=2 \(recorded: \{"params":\{"x":1\}\}\)$/);
    assert.equal((await fetch(`${replay.url}/c2/https/api.example.com/a?x=1`)).status, 404);
});

test('the older layout, a folder mocks/', () => {
    const dir = tempDir();
    const files: Record<string, unknown> = {
        'users/User/batchSave.json': [{ id: '1' }],
        'users/User/batchDelete.json': [],
        'nango/getMetadata.json': { team: 7 },
        'nango/get/proxy/v1/users/users.json': [{ id: 1 }],
        'nango/get/proxy/v1/users/others.json': [],
        'nango/get/proxy/v1/users/users/abc.json': { requestIdentityHash: 'abc', requestIdentity: { params: [['p', '2']], headers: [['X-A', 'b']] }, response: [], status: 203 }
    };
    for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), JSON.stringify(content));
    }
    assert.deepEqual(readMocks(dir, 'users'), {
        nango: { batchSave: { User: [{ id: '1' }] }, batchDelete: { User: [] }, getMetadata: { team: 7 } },
        api: { get: { '/v1/users': [{ response: [{ id: 1 }] }, { response: [], status: 203, hash: 'abc', request: { params: { p: '2' }, headers: { 'X-A': 'b' } } }] } }
    });
});

test('when a recording was made', () => {
    const dated = (date: string) => answer(1, {}, { headers: { Date: date } });
    const api = { get: { a: [dated('Thu, 29 Feb 2024 12:00:01 GMT'), dated('Thu, 29 Feb 2024 12:00:00 GMT')] } };
    assert.equal(madeAt({ api }), Date.UTC(2024, 1, 29, 12));
    assert.equal(madeAt({ api, now: '2020-01-01T00:00:00.500Z' }), Date.UTC(2020, 0, 1) + 500);
    assert.equal(madeAt({ api: { get: { a: answer(1) } } }), undefined);
});
