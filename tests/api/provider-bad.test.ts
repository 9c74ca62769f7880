/* Providers that misbehave: what a function sees of it, and what is sent in answer. */

import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startFake, type Fake, type Script } from '../fake/fake.ts';
import * as replies from '../fake/replies.ts';
import { cert, key } from '../fake/self-signed.ts';
import { App, Server, serverWithApp, sync } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;

const ASK = sync(
    `
        const { config } = await nango.getMetadata();
        const short = (data) => typeof data === 'string' && data.length > 200 ? data.length : data;
        let seen;
        try {
            const { status, data, headers } = await nango.proxy(config);
            seen = { status, data: short(data), headers: { ...headers }, count: Object.keys(headers).length };
        } catch (error) {
            const { name, code, message, status, isAxiosError, response, hostname } = error;
            seen = { error: error instanceof Error, name, code, message, status, isAxiosError, hostname, response: response && { status: response.status, data: short(response.data) } };
        }
        await nango.batchSave([{ id: '1', ...seen }], 'Seen');`,
    { model: 'Seen', autoStart: false }
);

before(async () => {
    ({ server, app } = await serverWithApp());
    fake = await startFake();
    await server.integration();
    await server.ok('POST', '/integrations', { provider: 'private-api-bearer', unique_key: 'bearer' });
    await server.deploy({
        'fake/syncs/ask': ASK,
        'bearer/syncs/tell': ASK.replaceAll('Seen', 'Told'),
        'fake/syncs/uncaught': sync(`await nango.get({ endpoint: '/uncaught' });`, { model: 'Un', autoStart: false })
    });
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

let asked = 0;

/** What a function sees of this request, made by a connection of its own. */
async function ask(config: object, { integration = 'fake', ms = 18_000, id = `ask-${++asked}` } = {}): Promise<any> {
    const [name, model] = integration === 'fake' ? ['ask', 'Seen'] : ['tell', 'Told'];
    await server.connection(id, fake.url, integration, {
        metadata: { config },
        ...(integration !== 'fake' && { credentials: { type: 'API_KEY', apiKey: 'the-key' } })
    });
    const hook = await app.after(() => server.trigger(name, id, undefined, integration), name, (body) => body.connectionId === id, ms);
    assert.equal(hook.success, true, JSON.stringify(hook));
    const [record] = await server.records(id, model, undefined, integration);
    return record;
}

const to = (path: string) => fake.requests.filter((request) => request.path === path);

/** Scripts a path and asks for it. */
async function get(path: string, script: Script, more: object = {}): Promise<any> {
    fake.on('GET', path, script);
    return ask({ endpoint: path, ...more });
}

describe('providers', { concurrency: true }, () => {
    test('404 with a body', async () => {
        const seen = await get('/404', replies.json({ why: 'gone' }, 404));
        assert.deepEqual([seen.error, seen.name, seen.isAxiosError, seen.message, seen.code, seen.status], [true, 'AxiosError', true, 'Request failed with status code 404', 'ERR_BAD_REQUEST', 404]);
        assert.deepEqual(seen.response, { status: 404, data: { why: 'gone' } });
        assert.equal(to('/404').length, 1);
    });

    test('cut off in the middle', async () => {
        const seen = await get('/cut', replies.cutOff);
        assert.deepEqual([seen.error, seen.isAxiosError, seen.code, seen.response], [true, true, 'ECONNRESET', undefined]);
    });

    test('a length that is too large', async () => {
        const seen = await get('/long', replies.contentLength('too large'));
        assert.deepEqual([seen.isAxiosError, seen.code], [true, 'ECONNRESET']);
    });

    test('a length that is too small spoils no later answer', async () => {
        await get('/small', replies.contentLength('too small'));
        const later = await get('/after-small', replies.json({ fine: true }));
        assert.deepEqual(later.data, { fine: true });
    });

    test('a length that is no number', async () => {
        const seen = await get('/invalid', replies.contentLength('invalid'));
        assert.equal(seen.error ?? false, true, JSON.stringify(seen));
    });

    test('429 with Retry-After waits that long', async () => {
        const seen = await get('/429', [replies.tooManyRequests(1), replies.json({ ok: 1 })], { retries: 3, retryHeader: { after: 'retry-after' } });
        assert.deepEqual(seen.data, { ok: 1 });
        const [first, second, ...more] = to('/429');
        const wait = second!.at - first!.at;
        assert.ok(wait >= 990 && wait < 2300, `${wait} ms`);
        assert.equal(more.length, 0);
    });

    test('429 without retries is the function\'s to handle', async () => {
        const seen = await get('/429-once', replies.tooManyRequests(1));
        assert.deepEqual([seen.status, seen.code], [429, 'ERR_BAD_REQUEST']);
        assert.equal(to('/429-once').length, 1);
    });

    test('500s are tried again, as often as it was said', async () => {
        const failing = replies.json({ no: 1 }, 500, { 'retry-after': '0' });
        const more = { retries: 3, retryHeader: { after: ['x-none', 'retry-after'] } };
        assert.deepEqual((await get('/500', [failing, failing, replies.json({ ok: 1 })], more)).data, { ok: 1 });
        assert.equal(to('/500').length, 3);
        const seen = await get('/500s', failing, more);
        assert.deepEqual([seen.status, seen.code, seen.response], [500, 'ERR_BAD_RESPONSE', { status: 500, data: { no: 1 } }]);
        assert.equal(to('/500s').length, 4);
    });

    test('without a hint the wait is about three seconds', async () => {
        assert.equal((await get('/503', [replies.json({}, 503), replies.json({ ok: 1 })], { retries: 1 })).status, 200);
        const [first, second] = to('/503');
        const wait = second!.at - first!.at;
        // A busy machine adds to it; the next wait would be six seconds.
        assert.ok(wait > 2300 && wait < 5800, `${wait} ms`);
    });

    test('400 is not tried again, unless the function says so', async () => {
        assert.equal((await get('/400', replies.json({}, 400), { retries: 3 })).status, 400);
        assert.equal(to('/400').length, 1);
        const again = { retries: 3, retryOn: [409], retryHeader: { after: 'retry-after' } };
        assert.equal((await get('/409', [replies.json({}, 409, { 'retry-after': '0' }), replies.json({})], again)).status, 200);
        assert.equal(to('/409').length, 2);
    });

    test('a key that is refused twice is given up', async () => {
        const refused = replies.json({}, 401, { 'retry-after': '0' });
        const seen = await get('/401', refused, { retries: 5, retryHeader: { after: 'retry-after' } });
        assert.equal(seen.status, 401);
        assert.equal(to('/401').length, 2);
    });

    test('a connection that breaks is tried again', async () => {
        fake.on('GET', '/breaks', [replies.cutOff, replies.json({ ok: 1 })]);
        assert.deepEqual((await ask({ endpoint: '/breaks', retries: 1 })).data, { ok: 1 });
    });

    test('redirects are followed', async () => {
        fake.on('GET', '/here', replies.redirect('/there?x=1'));
        assert.deepEqual((await get('/there', replies.json({ arrived: true }))).data, { arrived: true });
        assert.deepEqual((await ask({ endpoint: '/here' })).data, { arrived: true });
        assert.equal(to('/there').at(-1)!.query.get('x'), '1');
    });

    test('a POST becomes a GET on 302, and stays one on 307', async () => {
        fake.on('POST', '/post302', replies.redirect('/landed302', 302));
        fake.on('POST', '/post307', replies.redirect('/landed307', 307));
        fake.on('GET', '/landed302', replies.json({}));
        fake.on('POST', '/landed307', replies.json({}));
        await ask({ endpoint: '/post302', method: 'POST', data: { a: 1 } });
        await ask({ endpoint: '/post307', method: 'POST', data: { a: 1 } });
        assert.deepEqual(to('/landed302').map(({ method, body }) => [method, body]), [['GET', '']]);
        assert.deepEqual(to('/landed307').map(({ method, body }) => [method, body]), [['POST', '{"a":1}']]);
    });

    test('a redirect without end', async () => {
        const seen = await get('/loop', replies.redirectLoop);
        assert.equal(seen.code, 'ERR_FR_TOO_MANY_REDIRECTS');
        assert.equal(to('/loop').length, 6);
    });

    test('a redirect to where machines keep their credentials is refused', async () => {
        const seen = await get('/metadata', replies.redirectToMetadata);
        assert.equal(seen.error, true);
        assert.match(seen.code, /^(denied_ip|denied_hostname|redirect_denied|proxy_redirect_to_denied_host)$/);
        const inside = await get('/inside', replies.redirect('http://10.0.0.1/'));
        assert.match(inside.code, /denied/);
        const odd = await get('/gopher', replies.redirect('file:///etc/passwd'));
        assert.equal(odd.error, true);
    });

    test('a redirect to another host does not take the key along', async () => {
        await using other = await startFake();
        other.on('GET', '/elsewhere', replies.json({ ok: 1 }));
        fake.on('GET', '/to-other', replies.redirect(`${other.url}/elsewhere`));
        const seen = await ask({ endpoint: '/to-other', headers: { cookie: 'a=b', 'x-mine': '1' } }, { integration: 'bearer' });
        assert.deepEqual(seen.data, { ok: 1 });
        assert.equal(to('/to-other')[0]!.headers.authorization, 'Bearer the-key');
        const [arrived] = other.requests;
        assert.deepEqual([arrived!.headers.authorization, arrived!.headers.cookie, arrived!.headers['x-mine']], [undefined, undefined, '1']);
    });

    test('addresses that functions may not ask', async () => {
        for (const baseUrlOverride of ['http://169.254.169.254', 'http://2852039166', 'http://[fe80::1]', 'http://10.1.2.3', 'http://192.168.0.1', 'http://[::ffff:169.254.169.254]', 'http://metadata.google.internal', 'http://[::1]:80', 'http://0.0.0.0']) {
            const seen = await ask({ endpoint: '/x', baseUrlOverride });
            assert.match(String(seen.code), /^denied_(ip|hostname|dns)$/, `${baseUrlOverride}: ${JSON.stringify(seen)}`);
            assert.equal(seen.name, 'OutboundUrlError');
        }
        for (const baseUrlOverride of ['file:///etc/passwd', 'ftp://127.0.0.1', 'gopher://127.0.0.1:1']) assert.equal((await ask({ endpoint: '/x', baseUrlOverride })).error, true, baseUrlOverride);
    });

    test('HTML, broken JSON, text and nothing, all with 200', async () => {
        assert.match((await get('/html', replies.html)).data, /^<!doctype/);
        assert.equal((await get('/broken', replies.invalidJson)).data, '{"items": [{"id": "1"');
        assert.equal((await get('/empty', replies.empty)).data, '');
        assert.equal((await get('/text', replies.reply(200, { 'content-type': 'text/plain' }, '123'))).data, 123);
        assert.deepEqual((await get('/bom', replies.reply(200, {}, '\ufeff{"a":1}'))).data, { a: 1 });
        assert.equal((await get('/as-text', replies.json({ a: 1 }), { responseType: 'text' })).data, '{"a":1}');
        assert.equal((await get('/204', replies.reply(204))).status, 204);
    });

    test('gzip, real and pretended', async () => {
        assert.deepEqual((await get('/gzip', replies.gzipped({ zipped: true }))).data, { zipped: true });
        const seen = await get('/not-gzip', replies.badGzip);
        assert.deepEqual([seen.error, seen.response], [true, undefined], JSON.stringify(seen));
    });

    test('32 MiB are read, more than the limit is not', async () => {
        assert.equal((await get('/32', replies.huge(32 << 20))).data, (32 << 20) - 2);
        const seen = await get('/300', replies.huge(300 << 20));
        assert.equal(seen.error, true);
        assert.match(`${seen.code} ${seen.message}`, /large|limit|size|max/i);
    });

    /** What the run's log says of the last thing that was asked. */
    async function failsAndSaysWhy(path: string, script: Script, code: string, line: RegExp) {
        fake.on('GET', path, script);
        const id = `why-${path.slice(1)}`;
        const seen = await ask({ endpoint: path }, { id });
        assert.deepEqual([seen.error, seen.code, seen.response], [true, code, undefined], JSON.stringify(seen));
        await server.said(id, line);
    }

    test('a body that unpacks to more than the limit, or is announced so', async () => {
        await failsAndSaysWhy('/bomb', replies.gzipBomb(300 << 20), 'ERR_LIMIT', /\/bomb ERR_LIMIT .*more than 268435456 bytes/);
        await failsAndSaysWhy('/3-gib', replies.announced(3 * 2 ** 30), 'ERR_LIMIT', /\/3-gib ERR_LIMIT .*more than 268435456 bytes/);
    });

    test('ten thousand headers are too many', async () => {
        await failsAndSaysWhy('/10000', replies.manyHeaders(10_000), 'HPE_HEADER_OVERFLOW', /\/10000 HPE_HEADER_OVERFLOW .*more than \d+ header/);
    });

    test('a certificate that nobody vouches for', async () => {
        const secure = createServer({ key, cert }, (_request, response) => void response.end('{}'));
        await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
        const { port } = secure.address() as AddressInfo;
        const seen = await ask({ endpoint: '/secure', baseUrlOverride: `https://127.0.0.1:${port}` }, { id: 'why-secure' });
        assert.deepEqual([seen.error, seen.isAxiosError, seen.code], [true, true, 'DEPTH_ZERO_SELF_SIGNED_CERT'], JSON.stringify(seen));
        await server.said('why-secure', /\/secure DEPTH_ZERO_SELF_SIGNED_CERT .*not trusted/);
        secure.closeAllConnections();
        secure.close();
    });

    test('what cannot be sent says so in the log', async () => {
        const seen = await ask({ endpoint: '/x?a=1', params: 'b=2' }, { id: 'why-params' });
        assert.equal(seen.code, 'invalid_query_params');
        await server.said('why-params', /GET \/x\?a=1 not sent: invalid_query_params: params is a text/);
        const unknown = await ask({ endpoint: '/x', baseUrlOverride: 'http://no-such-host.invalid' }, { id: 'why-dns' });
        await server.said('why-dns', new RegExp(`no-such-host.invalid/x ${unknown.code} .*no-such-host.invalid`));
        fake.on('GET', '/loop-line', replies.redirectLoop);
        await ask({ endpoint: '/loop-line' }, { id: 'why-loop' });
        await server.said('why-loop', /\/loop-line ERR_FR_TOO_MANY_REDIRECTS /);
    });

    test('a thousand headers', async () => {
        const seen = await get('/headers', replies.manyHeaders());
        assert.ok(seen.count >= 1000, String(seen.count));
        assert.equal(seen.headers['x-header-999'], '999');
    });

    test('headers of a response', async () => {
        const seen = await get('/cookies', replies.json({}, 200, { 'set-cookie': ['a=1', 'b=2'], 'X-Mixed': 'Case', 'x-two': ['1', '2'] }));
        assert.deepEqual(seen.headers['set-cookie'], ['a=1', 'b=2']);
        assert.deepEqual([seen.headers['x-mixed'], seen.headers['x-two']], ['Case', '1, 2']);
    });

    test('nobody listens, no such host', async () => {
        const gone = await startFake();
        const url = gone.url;
        await gone.close();
        const seen = await ask({ endpoint: '/x', baseUrlOverride: url });
        assert.deepEqual([seen.error, seen.isAxiosError, seen.code, seen.response], [true, true, 'ECONNREFUSED', undefined]);
        const unknown = await ask({ endpoint: '/x', baseUrlOverride: 'http://no-such-host.invalid' });
        assert.equal(unknown.error, true);
        assert.match(String(unknown.code), /^(ENOTFOUND|EAI_AGAIN|dns_resolution_failed)$/);
    });

    test('what a request may be', async () => {
        fake.on('PUT', '/body', replies.json({ ok: 1 }));
        await ask({ endpoint: 'body', method: 'put', data: { a: [1], b: null }, params: { q: 'a b', list: [1, 2] }, headers: { 'X-Own': 'yes' } });
        const [request] = to('/body');
        assert.deepEqual(JSON.parse(request!.body), { a: [1], b: null });
        assert.deepEqual([request!.query.get('q'), request!.query.get('list')], ['a b', '1,2']);
        assert.equal(request!.headers['x-own'], 'yes');
        assert.match(request!.headers['content-type'] ?? '', /^application\/json/);
        assert.ok(request!.headers['user-agent']);

        fake.on('POST', '/form', replies.json({}));
        await ask({ endpoint: '/form', method: 'POST', data: { a: 'x y', b: [1, 2], c: { d: true } }, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
        assert.equal(decodeURIComponent(to('/form')[0]!.body.replaceAll('+', ' ')), 'a=x y&b[]=1&b[]=2&c[d]=true');
    });
});

test('an error that nobody catches tells what the provider said', async () => {
    fake.on('GET', '/uncaught', replies.json({ bad: 1 }, 422, { 'x-ratelimit-left': '0' }));
    await server.connection('uncaught', fake.url);
    const hook = await app.after(() => server.trigger('uncaught', 'uncaught'), 'uncaught');
    assert.equal(hook.success, false);
    assert.match(hook.error.description, /422/);
    assert.deepEqual(hook.error.payload, { bad: 1 });
});

test('the log has a line for each request, without bodies', async () => {
    fake.on('GET', '/logged', [replies.json({ secret: 'of the body' }, 500, { 'retry-after': '0' }), replies.json({ secret: 'of the body' })]);
    await ask({ endpoint: '/logged?q=1', retries: 1, retryHeader: { after: 'retry-after' } });
    await server.said(`ask-${asked}`, /\/logged.*500/);
    const lines = await server.said(`ask-${asked}`, /\/logged.*200/);
    assert.ok(!JSON.stringify(lines).includes('of the body'));
});
