/** Tokens that expire: renewed in time, once, and what happens when that fails. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { cutOff, hang, held, html, json, reply, slow } from '../fake/replies.ts';
import { serveTokens, type Tokens } from '../fake/tokens.ts';
import { App, Server, serverWithApp, sync, tempDir, until } from './harness.ts';
import { cluster } from './postgres.ts';

let server: Server;
let app: App;
let fake: Fake;
let tokens: Tokens;
let id = '';
let count = 0;

const catalogue = (url: string) => `
crm:
  auth_mode: OAUTH2
  token_url: ${url}/oauth/token
  proxy: { base_url: ${url}/api }
crm-basic:
  alias: crm
  token_request_auth_method: basic
  body_format: json
  refresh_params: { audience: '\${connectionConfig.audience}' }
crm-nested:
  alias: crm
  token_url: ${url}/\${connectionConfig.tenant}/token
  alternate_access_token_response_path: data.token
crm-cc:
  auth_mode: OAUTH2_CC
  token_url: ${url}/cc/token
  token_params: { audience: '\${connectionConfig.audience}' }
  proxy: { base_url: ${url}/api }
`;

before(async () => {
    fake = await startFake();
    const file = join(tempDir(), 'providers.yaml');
    writeFileSync(file, catalogue(fake.url));
    ({ server, app } = await serverWithApp({ args: ['--providers', file], env: { TIDEMARK_REFRESH_BACKOFF: '60s' } }));
    const credentials = { type: 'OAUTH2', client_id: 'client', client_secret: 'secret-of-the-app' };
    for (const provider of ['crm', 'crm-basic', 'crm-nested']) await server.ok('POST', '/integrations', { provider, unique_key: provider, credentials });
    await server.ok('POST', '/integrations', { provider: 'crm-cc', unique_key: 'crm-cc' });
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});
beforeEach(() => {
    id = `c-${++count}`;
    tokens = serveTokens(fake);
    // The API takes any token that was handed out, and the first one while a test says so.
    fake.on('GET', '/api/me', (request, response) => json({ token: request.headers.authorization })(request, response));
});

const soon = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
const key = () => ({ 'connection-id': id, 'provider-config-key': 'crm' });

async function connect(credentials: object, provider_config_key = 'crm', more: object = {}): Promise<void> {
    await server.ok('POST', '/connections', { provider_config_key, connection_id: id, credentials, ...more });
}
const oauth2 = (expires_at?: string) => ({ type: 'OAUTH2', access_token: 'access-0', refresh_token: 'refresh-0', ...(expires_at && { expires_at }) });

const read = (query = '', provider = 'crm') => server.api('GET', `/connections/${id}?provider_config_key=${provider}${query}`);
const whoami = (headers: Record<string, string> = {}, provider = 'crm') =>
    server.api('GET', '/proxy/me', undefined, { 'connection-id': id, 'provider-config-key': provider, ...headers });

test('a token that lives long is used as it is', async () => {
    await connect(oauth2(soon(3600)));
    assert.equal((await whoami()).body.token, 'Bearer access-0');
    assert.equal((await read()).body.credentials.access_token, 'access-0');
    assert.equal(tokens.asked.length, 0);
});

test('a token is renewed before it expires', async () => {
    await connect(oauth2(soon(300)));
    assert.equal((await whoami()).body.token, 'Bearer access-1');
    const { headers, body } = tokens.asked[0]!;
    assert.match(headers['content-type']!, /^application\/x-www-form-urlencoded/);
    assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), {
        grant_type: 'refresh_token',
        refresh_token: 'refresh-0',
        client_id: 'client',
        client_secret: 'secret-of-the-app'
    });
    const { credentials, errors } = (await read('&refresh_token=true')).body;
    assert.equal(credentials.access_token, 'access-1');
    assert.equal(credentials.refresh_token, 'refresh-1');
    assert.equal(credentials.raw.token_type, 'bearer');
    const life = Date.parse(credentials.expires_at) - Date.now();
    assert.ok(life > 3500_000 && life <= 3600_000, credentials.expires_at);
    assert.deepEqual(errors, []);
    assert.equal(tokens.asked.length, 1);
    // Nobody sees the refresh token who did not ask for it.
    assert.doesNotMatch(JSON.stringify((await read()).body), /refresh-1/);
});

test('fifty requests at expiry make one refresh', async () => {
    await connect(oauth2(soon(-10)));
    const { handler, release } = held(json({ access_token: 'the-new-one', refresh_token: 'refresh-1', expires_in: 3600 }));
    tokens.trouble.push(handler);
    const all = [...Array(25).keys()].flatMap(() => [whoami(), read()]);
    await until('the refresh', () => tokens.asked.length > 0);
    release();
    for (const { status, body } of await Promise.all(all)) {
        assert.equal(status, 200, JSON.stringify(body));
        assert.match(body.token ?? body.credentials.access_token, /the-new-one$/);
    }
    assert.equal(tokens.asked.length, 1);
    assert.equal(tokens.burnt, false);
});

test('getToken and getRawTokenResponse of the SDK give the fresh token', async () => {
    await connect(oauth2(soon(-10)));
    const nango = server.nango();
    assert.equal(await nango.getToken('crm', id), 'access-1');
    assert.equal(((await nango.getRawTokenResponse('crm', id)) as any).access_token, 'access-1');
    assert.equal(await nango.getToken('crm', id, true), 'access-2');
    assert.equal(tokens.asked.length, 2);
});

test('a short-lived token is not renewed at every request', async () => {
    tokens.expiresIn = 120;
    await connect(oauth2(soon(-10)));
    for (let i = 0; i < 3; i++) assert.equal((await whoami()).body.token, 'Bearer access-1');
    assert.equal(tokens.asked.length, 1);
});

test('a token without an expiry is renewed when it is refused', async () => {
    tokens.expiresIn = undefined;
    await connect(oauth2());
    fake.on('GET', '/api/me', (request, response) =>
        request.headers.authorization === 'Bearer access-1' ? json({ token: 'good' })(request, response) : json({ error: 'expired' }, 401)(request, response)
    );
    const { status, body } = await whoami();
    assert.equal(status, 200);
    assert.equal(body.token, 'good');
    assert.equal(tokens.asked.length, 1);
    assert.equal((await read()).body.credentials.expires_at, undefined);
});

test('a 401 that a new token does not help is passed on after one refresh', async () => {
    await connect(oauth2(soon(3600)));
    const mark = fake.requests.length;
    fake.on('GET', '/api/me', json({ error: 'no' }, 401));
    for (let i = 0; i < 3; i++) assert.equal((await whoami()).status, 401);
    assert.equal(tokens.asked.length, 1);
    // The first request is sent twice; those after it know that the token is new.
    const sent = fake.requests.slice(mark).filter(({ path }) => path === '/api/me');
    assert.deepEqual(new Set(sent.slice(1).map(({ headers }) => headers.authorization)), new Set(['Bearer access-1']));
});

test('the old token serves while the refresh fails and it lives', async () => {
    await connect(oauth2(soon(300)));
    tokens.trouble.push(json({ error: 'server_error' }, 500));
    for (let i = 0; i < 3; i++) assert.equal((await whoami()).body.token, 'Bearer access-0');
    assert.equal(tokens.asked.length, 1); // and it is not asked again at once
    const { status, body } = await read();
    assert.equal(status, 200);
    assert.equal(body.credentials.access_token, 'access-0');
    assert.equal(body.errors[0].type, 'auth');
    const { data } = await server.ok('GET', `/logs/operations/${body.errors[0].log_id}/messages`);
    assert.match(data[0].message, /answered 500, server_error/);
    // A demand asks in any case, and success clears the error.
    assert.equal((await read('&force_refresh=true')).body.credentials.access_token, 'access-1');
    assert.deepEqual((await read()).body.errors, []);
});

test('an expired token that cannot be renewed', async () => {
    await connect(oauth2(soon(-10)));
    tokens.trouble.push(json({}, 503));
    const first = await read();
    assert.equal(first.status, 400);
    assert.equal(first.body.error.code, 'invalid_credentials');
    assert.equal(first.body.error.payload.connection.connection_id, id);
    assert.deepEqual(first.body.error.payload.connection.credentials, {});
    const second = await read();
    assert.equal(second.status, 424);
    assert.equal(second.body.error.code, 'connection_refresh_backoff');
    const proxied = await whoami();
    assert.equal(proxied.status, 424);
    assert.equal(proxied.body.error.code, 'connection_refresh_backoff');
    assert.equal(tokens.asked.length, 1);
    const [hook] = await app.hooks(1, ({ body }) => body.type === 'auth' && body.operation === 'refresh' && body.connectionId === id);
    assert.deepEqual(
        { ...hook!.body, error: hook!.body.error.type },
        {
            from: 'nango',
            type: 'auth',
            connectionId: id,
            providerConfigKey: 'crm',
            authMode: 'OAUTH2',
            provider: 'crm',
            environment: 'dev',
            operation: 'refresh',
            success: false,
            error: 'http_503'
        }
    );
    await assert.rejects(server.nango().getToken('crm', id), (error: any) => error.response.status === 424);
});

test('an invalid grant is final until the credentials change', async () => {
    await connect({ ...oauth2(soon(-10)), refresh_token: 'another' });
    assert.equal((await read()).body.error.code, 'invalid_credentials');
    const after = await read();
    assert.equal(after.body.error.code, 'connection_refresh_exhausted');
    assert.match(after.body.error.message, /invalid_grant.*connect again/);
    assert.equal(tokens.asked.length, 1);
    await connect(oauth2(soon(-10)));
    assert.deepEqual((await read()).body.errors, []);
    assert.equal((await read()).body.credentials.access_token, 'access-1');
});

for (const [name, handler, message] of [
    ['a page instead of JSON', html, /something else than JSON/],
    ['an answer that is cut off', cutOff, /could not be asked: E/],
    ['no token', json({ expires_in: 60 }), /no access_token/],
    ['an error with 200', json({ ok: false, error: 'token_revoked' }), /token_revoked/],
    ['an empty answer', reply(200), /something else than JSON/]
] as const) {
    test(`${name} is a failure, and nothing is lost`, async () => {
        await connect(oauth2(soon(300)));
        tokens.trouble.push(handler);
        const { status, body } = await read('&force_refresh=true');
        assert.equal(status, 400);
        assert.match(body.error.message, message);
        const { credentials } = (await read('&refresh_token=true')).body;
        assert.equal(credentials.access_token, 'access-0');
        assert.equal(credentials.refresh_token, 'refresh-0');
    });
}

test('a client that leaves does not stop a refresh', async () => {
    await connect(oauth2(soon(-10)));
    const { handler, release } = held(json({ access_token: 'late', refresh_token: 'refresh-1', expires_in: 3600 }));
    tokens.trouble.push(handler);
    const gone = new AbortController();
    const request = fetch(`${server.url}/proxy/me`, { signal: gone.signal, headers: { authorization: `Bearer ${server.key}`, ...key() } });
    await until('the refresh', () => tokens.asked.length > 0);
    gone.abort();
    await assert.rejects(request);
    release();
    assert.equal((await whoami()).body.token, 'Bearer late');
    assert.equal(tokens.asked.length, 1);
});

test('credentials given while a refresh is under way win', async () => {
    await connect(oauth2(soon(-10)));
    const { handler, release } = held(json({ access_token: 'outdated', refresh_token: 'refresh-1', expires_in: 3600 }));
    tokens.trouble.push(handler);
    const waiting = whoami();
    await until('the refresh', () => tokens.asked.length > 0);
    await connect({ type: 'OAUTH2', access_token: 'given', refresh_token: 'given-refresh', expires_at: soon(3600) });
    release();
    assert.equal((await waiting).body.token, 'Bearer given');
    assert.equal((await read('&refresh_token=true')).body.credentials.refresh_token, 'given-refresh');
});

test('the client in the header, a JSON body, parameters of the provider', async () => {
    await connect(oauth2(soon(-10)), 'crm-basic', { connection_config: { audience: 'https://crm' } });
    assert.equal((await read('', 'crm-basic')).body.credentials.access_token, 'access-1');
    const { headers, body } = tokens.asked[0]!;
    assert.equal(headers.authorization, `Basic ${Buffer.from('client:secret-of-the-app').toString('base64')}`);
    assert.deepEqual(JSON.parse(body), { grant_type: 'refresh_token', refresh_token: 'refresh-0', audience: 'https://crm' });
});

test('a URL with a part of the connection, a token deeper in the answer', async () => {
    fake.on('POST', '/a%20b%2Fc/token', json({ data: { token: 'nested', refresh_token: 'r', expires_in: '3600' } }));
    await connect(oauth2(soon(-10)), 'crm-nested', { connection_config: { tenant: 'a b/c' } });
    const { credentials } = (await read('&refresh_token=true', 'crm-nested')).body;
    assert.equal(credentials.access_token, 'nested');
    assert.equal(credentials.refresh_token, 'r');
    assert.ok(Date.parse(credentials.expires_at) > Date.now() + 3500_000);
    // A placeholder without a value is our failure to say, not a request to a wrong place.
    id += '-none';
    await connect(oauth2(soon(-10)), 'crm-nested');
    assert.match((await read('', 'crm-nested')).body.error.message, /connectionConfig\.tenant/);
});

test('client credentials are asked for a token when there is none', async () => {
    const seen = serveTokens(fake, '/cc/token');
    await connect({ type: 'OAUTH2_CC', client_id: 'me', client_secret: 'mine' }, 'crm-cc', { connection_config: { audience: 'api', oauth_scopes: 'read,write' } });
    assert.equal((await whoami({}, 'crm-cc')).body.token, 'Bearer access-1');
    assert.deepEqual(Object.fromEntries(new URLSearchParams(seen.asked[0]!.body)), {
        grant_type: 'client_credentials',
        scope: 'read write',
        audience: 'api',
        client_id: 'me',
        client_secret: 'mine'
    });
    const { credentials } = (await read('', 'crm-cc')).body;
    assert.equal(credentials.token, 'access-1');
    assert.equal(credentials.client_id, 'me');
    assert.equal((await whoami({}, 'crm-cc')).body.token, 'Bearer access-1');
    assert.equal(seen.asked.length, 1);
});

test('a function gets the fresh token, and demands one', async () => {
    await connect(oauth2(soon(-10)));
    await server.deploy({
        'crm/syncs/tokens': sync(
            `
        const first = await nango.getToken();
        const { data } = await nango.get({ endpoint: '/me' });
        const { credentials } = await nango.getConnection(undefined, undefined, { forceRefresh: true });
        await nango.batchSave([{ id: '1', first, sent: data.token, forced: credentials.access_token, whole: JSON.stringify(credentials) }], 'Item');`,
            { autoStart: false }
        )
    });
    await app.after(() => server.trigger('tokens', id, undefined, 'crm'), 'tokens');
    const [record] = await server.records(id, 'Item', undefined, 'crm');
    assert.equal(record.first, 'access-1');
    assert.equal(record.sent, 'Bearer access-1');
    assert.equal(record.forced, 'access-2');
    assert.doesNotMatch(record.whole, /refresh-/);
    // A token that cannot be had fails the run with a message that says so.
    tokens.trouble.push(json({ error: 'invalid_grant' }, 400));
    const failed = await app.after(() => server.trigger('tokens', id, undefined, 'crm'), 'tokens', ({ success }) => success === false);
    assert.match(JSON.stringify(failed.error), /refresh/);
});

test('a slow token endpoint holds up nobody else', async () => {
    await connect(oauth2(soon(-10)));
    tokens.trouble.push(slow(300, json({ access_token: 'slow', refresh_token: 'refresh-1', expires_in: 3600 })));
    const waiting = whoami();
    await until('the refresh', () => tokens.asked.length > 0);
    await server.ok('GET', '/connections');
    assert.equal((await waiting).body.token, 'Bearer slow');
});

test('a server that ends saves the token it has asked for', async () => {
    await connect(oauth2(soon(-10)));
    const { handler, release } = held(json({ access_token: 'saved', refresh_token: 'refresh-1', expires_in: 3600 }));
    tokens.trouble.push(handler);
    const gone = new AbortController();
    const request = fetch(`${server.url}/proxy/me`, { signal: gone.signal, headers: { authorization: `Bearer ${server.key}`, ...key() } }).catch(() => {});
    await until('the refresh', () => tokens.asked.length > 0);
    gone.abort();
    await request;
    const stopped = server.stop();
    release();
    await stopped;
    await server.up();
    assert.equal((await whoami()).body.token, 'Bearer saved');
});

test('a server killed in the middle of a refresh can refresh again', async () => {
    await connect(oauth2(soon(-10)));
    tokens.trouble.push(hang);
    void whoami().catch(() => {});
    await until('the refresh', () => tokens.asked.length > 0);
    await server.kill();
    await server.up();
    assert.equal((await whoami()).body.token, 'Bearer access-1');
});

test('two servers make one refresh between them', { skip: !cluster && 'needs PostgreSQL' }, async () => {
    const other = await server.node();
    await connect(oauth2(soon(-10)));
    const { handler, release } = held(json({ access_token: 'shared', refresh_token: 'refresh-1', expires_in: 3600 }));
    tokens.trouble.push(handler);
    const ask = (node: Server) => node.api('GET', '/proxy/me', undefined, key());
    const all = [...Array(25).keys()].flatMap(() => [ask(server), ask(other)]);
    await until('the refresh', () => tokens.asked.length > 0);
    release();
    for (const { body } of await Promise.all(all)) assert.equal(body.token, 'Bearer shared');
    assert.equal(tokens.asked.length, 1);
    // What one of them renews, the other uses, also when it has just read the connection.
    id += '-both';
    tokens = serveTokens(fake);
    await connect(oauth2(soon(3600)));
    assert.equal((await ask(other)).body.token, 'Bearer access-0');
    assert.equal((await read('&force_refresh=true')).body.credentials.access_token, 'access-1');
    fake.on('GET', '/api/me', (request, response) => json({ token: request.headers.authorization }, request.headers.authorization === 'Bearer access-1' ? 200 : 401)(request, response));
    assert.equal((await ask(other)).body.token, 'Bearer access-1');
    assert.equal(tokens.asked.length, 1);
    await other.stop();
});

test('the token of a connection that nobody uses is renewed all the same', async () => {
    const file = join(tempDir(), 'providers.yaml');
    writeFileSync(file, catalogue(fake.url));
    const other = await Server.start({ args: ['--providers', file], env: { TIDEMARK_REFRESH_IDLE: '1s' } });
    await other.ok('POST', '/integrations', { provider: 'crm', unique_key: 'crm', credentials: { type: 'OAUTH2', client_id: 'client', client_secret: 'secret-of-the-app' } });
    await other.ok('POST', '/connections', { provider_config_key: 'crm', connection_id: id, credentials: oauth2(soon(-10)) });
    await until('the refresh', () => tokens.asked.length === 1);
    // It is good for an hour now: looked at, and left alone.
    await until('nothing more to do', async () => (await other.ok('GET', `/connections/${id}?provider_config_key=crm`)).credentials.access_token === 'access-1');
    assert.equal(await other.stop(), 0);
    assert.equal(tokens.asked.length, 1);
});

test('no secret is in the log of the server or of the users', async () => {
    const secrets = /access-\d|refresh-\d|secret-of-the-app|the-new-one|given-refresh/;
    assert.doesNotMatch(server.log.join('\n'), secrets);
    const { data } = await server.ok('GET', '/logs/operations?limit=100');
    assert.ok(data.length > 10);
    assert.doesNotMatch(JSON.stringify(data), secrets);
    for (const operation of data) assert.doesNotMatch(JSON.stringify(await server.ok('GET', `/logs/operations/${operation.id}/messages?limit=1000`)), secrets);
    assert.doesNotMatch(app.webhooks.filter(({ body }) => body.type === 'auth').map(({ raw }) => raw).join('\n'), secrets);
});

test('the server ends without complaint', async () => {
    assert.equal(await server.stop(), 0, server.log.slice(-30).join('\n'));
});
