/* What every endpoint has in common: keys, bodies, queries, paths, and clients that do not behave. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { Server } from './harness.ts';

let server: Server;
before(async () => {
    server = await Server.start();
});
after(() => server.stop());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') => fetch(server.url + path, { method, headers });

/** Writes these bytes, reads until the server closes. */
async function wire(bytes: string | Buffer): Promise<string> {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.write(bytes);
    return text(socket);
}

test('health and ready need no key', async () => {
    const health = await get('/health');
    assert.deepEqual([health.status, await health.json()], [200, { result: 'ok' }]);
    assert.equal((await get('/ready')).status, 200);
});

test('metrics are in the text format of Prometheus', async () => {
    const answer = await get('/metrics', { authorization: `Bearer ${server.key}` });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/);
    const lines = (await answer.text()).split('\n').filter(Boolean);
    assert.ok(lines.some((line) => line.startsWith('tidemark_')), lines.slice(0, 5).join('\n'));
    for (const line of lines) assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? [-+\d.eInfNa]+)$/);
});

test('unknown paths and methods that are not allowed', async () => {
    const unknown = await server.api('GET', '/nowhere');
    assert.equal(unknown.status, 404);
    assert.equal(unknown.body.error.code, 'not_found');

    const wrong = await server.api('DELETE', '/health');
    assert.equal(wrong.status, 405);
    assert.equal(wrong.body.error.code, 'method_not_allowed');
    assert.match(wrong.headers.get('allow') ?? '', /GET/);
});

test('a missing key', async () => {
    const answer = await get('/integrations');
    assert.equal(answer.status, 401);
    assert.equal(
        await answer.text(),
        '{"error":{"message":"Authentication failed. The request is missing the Authorization header.","code":"missing_auth_header","payload":{}}}'
    );
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
});

for (const [name, header, code] of [
    ['malformed', 'Bearer ', 'malformed_auth_header'],
    ['no UUID', 'Bearer secret', 'invalid_secret_key_format'],
    ['of another version', `Bearer ${randomUUID().replace(/-4(\w{3}-[89ab])/, '-1$1')}`, 'invalid_secret_key_format'],
    ['unknown', `Bearer ${randomUUID()}`, 'unknown_account']
] as const) {
    test(`a key that is ${name}`, async () => {
        const answer = await server.api('GET', '/integrations', undefined, { authorization: header });
        assert.equal(answer.status, 401);
        assert.deepEqual(Object.keys(answer.body.error), ['message', 'code', 'payload']);
        assert.equal(answer.body.error.code, code);
        assert.deepEqual(answer.body.error.payload, {});
    });
}

test('keys are read leniently, as clients write them', async () => {
    for (const header of [server.key, `Bearer ${server.key.toUpperCase()}`, `Bearer Bearer ${server.key}`])
        assert.equal((await get('/integrations', { authorization: header })).status, 200, header);
});

test('a body must be JSON, and say what is wrong with it', async () => {
    for (const broken of ['{', '{"provider":"x"', 'x', '{"a":1}}', '{"a":\u0001}', '[1,]', '"\ud800'])  {
        const { status, body } = await server.api('POST', '/integrations', broken);
        assert.equal(status, 400, broken);
        assert.equal(body.error.code, 'invalid_json', broken);
        assert.ok(body.error.message, broken);
    }
});

test('text that is no UTF-8, and nesting without end, are refused', async () => {
    const send = (body: Buffer) =>
        fetch(`${server.url}/integrations`, { method: 'POST', body: new Uint8Array(body), headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' } });
    assert.equal((await send(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]))).status, 400);
    assert.equal((await send(Buffer.alloc(1_000_000, '['))).status, 400);
    assert.equal((await send(Buffer.from('{"a":'.repeat(200_000)))).status, 400);
    assert.equal((await get('/health')).status, 200);
});

test('unknown keys and wrong types are listed', async () => {
    const { status, body } = await server.api('POST', '/integrations', { provider: 1, foo: 1, bar: 2 });
    assert.equal(status, 400);
    assert.deepEqual(body, {
        error: {
            code: 'invalid_body',
            errors: [
                { code: 'invalid_type', message: 'Invalid input: expected string, received number', path: ['provider'] },
                { code: 'invalid_type', message: 'Invalid input: expected string, received undefined', path: ['unique_key'] },
                { code: 'unrecognized_keys', message: 'Unrecognized keys: "foo", "bar"', path: [] }
            ]
        }
    });
    for (const other of [[], 'text', 1, null]) {
        const answer = await server.api('POST', '/integrations', JSON.stringify(other));
        assert.equal(answer.status, 400, JSON.stringify(other));
    }
    assert.equal((await server.api('POST', '/integrations')).status, 400, 'no body at all');
});

test('a body that is too large is refused before it is read, and the server lives on', async () => {
    const large = `{"provider":"${'x'.repeat(11 << 20)}"}`;
    const { status, body } = await server.api('POST', '/integrations', large);
    assert.equal(status, 413);
    assert.equal(body.error.code, 'request_too_large');

    const { hostname } = new URL(server.url);
    const answer = await wire(
        `POST /sync/deploy HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${server.key}\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n{`
    );
    assert.match(answer, /^HTTP\/1.1 413/);
    assert.equal((await get('/health')).status, 200);
});

test('another content type than JSON is refused, even on GET', async () => {
    for (const method of ['GET', 'POST']) {
        const answer = await server.api(method, '/integrations', method === 'POST' ? 'a=b' : undefined, { 'content-type': 'text/plain' });
        assert.equal(answer.status, 415);
        assert.deepEqual(answer.body, { error: { code: 'invalid_content_type', message: 'Content-Type header must be application/json' } });
    }
    for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON'])
        assert.equal((await server.api('GET', '/integrations', undefined, { 'content-type': type })).status, 200, type);
});

test('queries hold what is known, once', async () => {
    const unknown = await server.api('GET', '/integrations?foo=1');
    assert.equal(unknown.status, 400);
    assert.deepEqual(unknown.body, {
        error: { code: 'invalid_query_params', errors: [{ code: 'unrecognized_keys', message: 'Unrecognized key: "foo"', path: [] }] }
    });
    const twice = await server.api('GET', '/connections?limit=1&limit=2');
    assert.equal(twice.status, 400);
    assert.equal(twice.body.error.code, 'invalid_query_params');
    assert.deepEqual(twice.body.error.errors[0].path, ['limit']);
});

test('a slash at the end changes nothing', async () => {
    assert.equal((await server.api('GET', '/integrations/')).status, 200);
    assert.equal((await get('/health/')).status, 200);
});

test('HEAD is GET without the body', async () => {
    const answer = await get('/health', {}, 'HEAD');
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), '');
    assert.equal((await get('/integrations', {}, 'HEAD')).status, 401);
    assert.equal((await get('/integrations', { authorization: `Bearer ${server.key}` }, 'HEAD')).status, 200);
});

test('browsers may ask from anywhere', async () => {
    const preflight = await get('/records', { origin: 'http://app.test', 'access-control-request-method': 'GET' }, 'OPTIONS');
    assert.ok([200, 204].includes(preflight.status));
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    const allowed = (preflight.headers.get('access-control-allow-headers') ?? '').toLowerCase();
    for (const header of ['authorization', 'content-type', 'connection-id', 'provider-config-key']) assert.ok(allowed.includes(header), header);
    assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /PATCH/);

    const answer = await get('/health');
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    assert.match(answer.headers.get('access-control-expose-headers') ?? '', /X-RateLimit/i);
    assert.equal(answer.headers.get('x-powered-by'), null);
});

test('odd paths find nothing and break nothing', async () => {
    const odd = ['//integrations', '/integrations/%00', '/integrations/%', '/integrations/%zz', '/%2e%2e/health', '/integrations/../health%00', `/${'a'.repeat(4000)}`, '/?', '/integrations/%ff%fe'];
    for (const path of odd) {
        const answer = await wire(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.key}\r\nconnection: close\r\n\r\n`);
        assert.match(answer, /^HTTP\/1.1 4\d\d/, `${path}: ${answer.slice(0, 100)}`);
    }
});

test('what is no HTTP gets an error or a closed connection', async () => {
    const requests = [
        'hello\r\n\r\n',
        'GET /health HTTP/9.9\r\n\r\n',
        `GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(1 << 20)}\r\nconnection: close\r\n\r\n`,
        'POST /integrations HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n',
        'POST /integrations HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
        Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x0d, 0x0a, 0x0d, 0x0a])
    ];
    for (const request of requests) {
        // Reset instead of an answer is as good.
        const answer = await wire(request).catch(() => '');
        if (answer) assert.match(answer, /^HTTP\/1.1 (4\d\d|505)/, answer.slice(0, 200));
    }
    assert.equal((await get('/health')).status, 200);
});

test('requests behind one another on a connection are answered in order', async () => {
    const one = (path: string, end = '') => `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.key}\r\n${end}\r\n`;
    const answer = await wire(one('/health') + one('/integrations') + one('/nowhere', 'connection: close\r\n'));
    assert.deepEqual(answer.match(/HTTP\/1.1 (\d+)/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404']);
});

test('many at once are all answered', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => server.api('GET', i % 2 ? '/integrations' : '/connections')));
    assert.ok(answers.every(({ status }) => status === 200));
});

test('the server logs no keys', () => {
    assert.ok(!server.log.join('\n').includes(server.key));
});
