/** Credentials that are more than a token: what is signed, asked for and exchanged, per type. */

import assert from 'node:assert/strict';
import { createHash, createHmac, createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { startFake, type Fake, type Seen } from '../fake/fake.ts';
import { checkOAuth1 } from '../fake/oauth1.ts';
import { html, json, reply } from '../fake/replies.ts';
import { Server, tempDir } from './harness.ts';

let server: Server;
let fake: Fake;
let id = '';
let count = 0;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const catalogue = (url: string) => `
signed-jwt:
  auth_mode: JWT
  token:
    signing_key: '\${credentials.privateKey.secret}'
    expires_in_ms: 300000
    header: { alg: HS256, kid: '\${credentials.privateKey.id}' }
    payload: { aud: /admin/ }
  proxy: { base_url: ${url}, headers: { authorization: 'Ghost \${accessToken}' } }
wsse:
  auth_mode: SIGNATURE
  proxy: { base_url: ${url}, headers: { x-wsse: '\${accessToken}' } }
app:
  auth_mode: APP
  token_url: ${url}/app/installations/\${connectionConfig.installation_id}/access_tokens
  proxy: { base_url: ${url} }
app-and-user:
  auth_mode: CUSTOM
  token_url: { OAUTH2: '${url}/user', APP: '${url}/app/installations/\${connectionConfig.installation_id}/access_tokens' }
  proxy: { base_url: ${url} }
two-step:
  auth_mode: TWO_STEP
  token_url: ${url}/login/\${connectionConfig.tenant}
  token_params: { user: '\${credentials.user}', nested: { secret: '\${credentials.secret}' } }
  token_headers: { x-version: '2' }
  token_response: { token: data.token, token_expiration: data.until, token_expiration_strategy: expireAt }
  proxy: { base_url: ${url}, headers: { x-token: '\${accessToken}', x-user: '\${credentials.user}' } }
three-step:
  auth_mode: TWO_STEP
  token_url: ${url}/step1
  body_format: form
  token_params: { user: '\${user}' }
  additional_steps:
    - token_url: ${url}/step2
      token_request_method: GET
      token_params: { code: '\${step1.code}' }
  token_response: { token: token }
  proxy: { base_url: ${url} }
renewed:
  auth_mode: TWO_STEP
  token_url: ${url}/renewed/login
  token_params: { user: '\${user}' }
  refresh_url: ${url}/renewed/again
  refresh_token_params: { refresh: '\${credentials.refresh_token}' }
  token_response: { token: access, refresh_token: refresh, token_expiration: expires_in, token_expiration_strategy: expireIn }
  proxy: { base_url: ${url} }
soap:
  auth_mode: TWO_STEP
  token_url: ${url}/soap
  body_format: xml
  token_headers: { content-type: text/xml }
  token_params: { 'soapenv:Envelope': { '@xmlns:soapenv': 'http://schemas.xmlsoap.org/soap/envelope/', 'soapenv:Body': { login: { user: '\${user}', secret: '\${credentials.secret}' } } } }
  token_response: { token: 'soapenv:Envelope.soapenv:Body.loginResponse.sessionId', token_expiration: 'soapenv:Envelope.soapenv:Body.loginResponse.sessionSeconds', token_expiration_strategy: expireIn }
  proxy: { base_url: ${url} }
cookies:
  auth_mode: TWO_STEP
  token_url: ${url}/cookies
  token_params: { user: '\${user}' }
  token_response_headers: [cookies, x-csrf]
  proxy: { base_url: ${url}, headers: { cookie: '\${credentials._cookies}', x-csrf: '\${credentials._x-csrf}' } }
tableau:
  auth_mode: TABLEAU
  token_url: https://\${connectionConfig.server}/api/3.22/auth/signin || ${url}/api/3.22/auth/signin
  proxy: { base_url: ${url}, headers: { x-tableau-auth: '\${credentials.token}' } }
bill:
  auth_mode: BILL
  token_url: ${url}/bill/login
  proxy: { base_url: ${url}, headers: { sessionid: '\${credentials.session_id}', devkey: '\${credentials.dev_key}' } }
oauth1:
  auth_mode: OAUTH1
  proxy: { base_url: ${url} }
oauth1-plain:
  alias: oauth1
  signature_method: PLAINTEXT
tba:
  auth_mode: TBA
  proxy: { base_url: ${url} }
apple:
  auth_mode: APP_STORE
  proxy: { base_url: ${url} }
cc-assertion:
  auth_mode: OAUTH2_CC
  token_url: ${url}/cc
  token_request_auth_method: private_key_jwt
  proxy: { base_url: ${url} }
cc-query:
  auth_mode: OAUTH2_CC
  token_url: ${url}/cc?fixed=1
  body_format: query
  proxy: { base_url: ${url} }
`;

before(async () => {
    fake = await startFake();
    const file = join(tempDir(), 'providers.yaml');
    writeFileSync(file, catalogue(fake.url));
    server = await Server.start({ args: ['--providers', file] });
    for (const provider of ['signed-jwt', 'wsse', 'two-step', 'three-step', 'renewed', 'soap', 'cookies', 'tableau', 'bill', 'apple', 'cc-assertion', 'cc-query'])
        await server.ok('POST', '/integrations', { provider, unique_key: provider });
    for (const provider of ['oauth1', 'oauth1-plain']) await server.ok('POST', '/integrations', { provider, unique_key: provider, credentials: { type: 'OAUTH1', client_id: 'consumer', client_secret: 'consumer&secret' } });
    await server.ok('POST', '/integrations', { provider: 'tba', unique_key: 'tba', credentials: { type: 'TBA', client_id: 'consumer', client_secret: 'consumer-secret' } });
    await server.ok('POST', '/integrations', { provider: 'app', unique_key: 'app', credentials: { type: 'APP', app_id: '1234', app_link: 'https://x.example', private_key: pem(rsa.privateKey) } });
    await server.ok('POST', '/integrations', {
        provider: 'app-and-user',
        unique_key: 'app-and-user',
        // As pasted into a form: in Base64 as a whole.
        credentials: { type: 'CUSTOM', client_id: 'c', client_secret: 's', app_id: '1234', app_link: 'https://x.example', private_key: Buffer.from(pem(rsa.privateKey)).toString('base64') }
    });
});
after(async () => {
    await server.stop();
    await fake.close();
});
beforeEach(() => {
    id = `c-${++count}`;
    fake.on('GET', '/me', json({ ok: true }));
    fake.on('POST', '/me', json({ ok: true }));
});

async function connect(provider_config_key: string, credentials: object, connection_config?: object): Promise<any> {
    return server.ok('POST', '/connections', { provider_config_key, connection_id: id, credentials, ...(connection_config && { connection_config }) });
}

/** What the provider gets. */
async function sent(key: string, path = '/me', method = 'GET', body?: string, headers: Record<string, string> = {}): Promise<Seen> {
    const mark = fake.requests.length;
    const answer = await server.api(method, `/proxy${path}`, body, { 'connection-id': id, 'provider-config-key': key, ...headers });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return fake.requests.slice(mark).find((seen) => seen.path === path.split('?')[0])!;
}
const asked = (path: string) => fake.requests.filter((seen) => seen.path === path);
const parts = (token: string) => token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
const credentials = async (key: string) => (await server.ok('GET', `/connections/${id}?provider_config_key=${key}`)).credentials;

function verified(token: string, key: KeyObject): any[] {
    const [header, payload, signature] = token.split('.');
    const how = key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' as const } : key;
    assert.ok(verify('sha256', Buffer.from(`${header}.${payload}`), how, Buffer.from(signature!, 'base64url')), 'the signature is wrong');
    return parts(token);
}

test('JWT: a token signed with a shared secret', async () => {
    const secret = 'ab'.repeat(32);
    await connect('signed-jwt', { type: 'JWT', privateKey: { id: 'key-1', secret } });
    const seen = await sent('signed-jwt');
    const token = seen.headers.authorization!.replace('Ghost ', '');
    const [header, payload] = parts(token);
    assert.deepEqual(header, { alg: 'HS256', kid: 'key-1' });
    assert.equal(payload.aud, '/admin/');
    assert.equal(payload.exp - payload.iat, 300);
    assert.ok(Math.abs(payload.iat - Date.now() / 1000) < 60);
    assert.equal(token.split('.')[2], createHmac('sha256', Buffer.from(secret, 'hex')).update(token.slice(0, token.lastIndexOf('.'))).digest('base64url'));
    // Kept while it is good, and not made anew for each request.
    assert.equal((await sent('signed-jwt')).headers.authorization, seen.headers.authorization);
    assert.equal((await credentials('signed-jwt')).token, token);
});

test('SIGNATURE: a WSSE header', async () => {
    await connect('wsse', { type: 'SIGNATURE', username: 'ada', password: 'engine' });
    const found = /^UsernameToken Username="ada", PasswordDigest="(.*)", Nonce="(.*)", Created="(.*)"$/.exec((await sent('wsse')).headers['x-wsse'] as string)!;
    const [, digest, nonce, created] = found;
    const hex = createHash('sha1').update(`${nonce}${created}engine`).digest('hex');
    assert.equal(digest, Buffer.from(hex).toString('base64'));
});

for (const key of ['app', 'app-and-user']) {
    test(`${key}: an installation's token for the app's signature`, async () => {
        const path = `/app/installations/${key === 'app' ? 77 : 78}/access_tokens`;
        fake.on('POST', path, json({ token: 'installation-token', expires_at: new Date(Date.now() + 3600_000).toISOString() }, 201));
        await connect(key, { type: key === 'app' ? 'APP' : 'CUSTOM', app_id: '1234', installation_id: key === 'app' ? 77 : '78' });
        assert.equal((await sent(key)).headers.authorization, 'Bearer installation-token');
        const [ask] = asked(path);
        const [header, payload] = verified(ask!.headers.authorization!.replace('Bearer ', ''), createPublicKey(rsa.publicKey.export({ type: 'spki', format: 'pem' })));
        assert.equal(header.alg, 'RS256');
        assert.equal(payload.iss, '1234');
        assert.equal(payload.exp - payload.iat, 600);
        await sent(key);
        assert.equal(asked(path).length, 1);
        assert.equal((await credentials(key)).access_token, 'installation-token');
    });
}

test('TWO_STEP: a login as the provider describes it', async () => {
    const until = Math.floor(Date.now() / 1000) + 7200;
    fake.on('POST', '/login/acme', json({ data: { token: 'session', until } }));
    await connect('two-step', { type: 'TWO_STEP', user: 'ada', secret: 'engine' }, { tenant: 'acme' });
    const { headers } = await sent('two-step');
    assert.equal(headers['x-token'], 'session');
    assert.equal(headers['x-user'], 'ada');
    assert.equal(headers.authorization, undefined);
    const [ask] = asked('/login/acme');
    assert.deepEqual(JSON.parse(ask!.body), { user: 'ada', nested: { secret: 'engine' } });
    assert.equal(ask!.headers['x-version'], '2');
    const kept = await credentials('two-step');
    assert.equal(kept.token, 'session');
    assert.equal(kept.user, 'ada');
    assert.equal(Date.parse(kept.expires_at), until * 1000);
});

test('TWO_STEP: further steps use what came before; a JWT says itself when it ends', async () => {
    const exp = Math.floor(Date.now() / 1000) + 3600;
    const token = `e30.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.x`;
    fake.on('POST', '/step1', json({ code: 'a&b' }));
    fake.on('GET', '/step2', json({ token }));
    await connect('three-step', { type: 'TWO_STEP', user: 'ada' });
    assert.equal((await sent('three-step')).headers.authorization, `Bearer ${token}`);
    assert.equal(asked('/step1')[0]!.body, 'user=ada');
    assert.equal(asked('/step2')[0]!.query.get('code'), 'a&b');
    assert.equal(Date.parse((await credentials('three-step')).expires_at), exp * 1000);
});

test('TWO_STEP: a refused token is had again', async () => {
    fake.on('POST', '/login/again', [json({ data: { token: 'one' } }), json({ data: { token: 'two' } })]);
    fake.on('GET', '/me', (request, response) => json({}, request.headers['x-token'] === 'one' && asked('/me').length > mark ? 401 : 200)(request, response));
    let mark = Infinity;
    await connect('two-step', { type: 'TWO_STEP', user: 'ada', secret: 'engine' }, { tenant: 'again' });
    assert.equal((await sent('two-step')).headers['x-token'], 'one');
    mark = 0;
    // It was made just now: a 401 so soon has another reason, and is passed on.
    const answer = await server.api('GET', '/proxy/me', undefined, { 'connection-id': id, 'provider-config-key': 'two-step' });
    assert.equal(answer.status, 401);
    await server.ok('GET', `/connections/${id}?provider_config_key=two-step&force_refresh=true`);
    assert.equal((await sent('two-step')).headers['x-token'], 'two');
});

const refreshed = (key: string) => server.api('GET', `/connections/${id}?provider_config_key=${key}&force_refresh=true&refresh_token=true`);

test('TWO_STEP: a refresh token saves the login, and the login saves a lost refresh token', async () => {
    fake.on('POST', '/renewed/login', [json({ access: 'a1', refresh: 'r1', expires_in: 3600 }), json({ access: 'a4', expires_in: 3600 })]);
    fake.on('POST', '/renewed/again', [json({ access: 'a2', refresh: 'r2', expires_in: 3600 }), json({ access: 'a3', expires_in: 3600 }), json({ error: 'invalid_grant' }, 400)]);
    await connect('renewed', { type: 'TWO_STEP', user: 'ada' });
    assert.equal((await sent('renewed')).headers.authorization, 'Bearer a1');
    const after = async () => {
        const { status, body } = await refreshed('renewed');
        assert.equal(status, 200, JSON.stringify(body));
        return [body.credentials.token, body.credentials.refresh_token];
    };
    assert.deepEqual(await after(), ['a2', 'r2']);
    /* None comes back: the old one stays good. */
    assert.deepEqual(await after(), ['a3', 'r2']);
    assert.deepEqual(asked('/renewed/again').map(({ body }) => JSON.parse(body)), [{ refresh: 'r1' }, { refresh: 'r2' }]);
    assert.deepEqual(await after(), ['a4', undefined]);
    assert.deepEqual(asked('/renewed/login').map(({ body }) => JSON.parse(body)), [{ user: 'ada' }, { user: 'ada' }]);
});

test('TWO_STEP: a refresh that fails for another reason is no reason to log in', async () => {
    fake.on('POST', '/renewed/login', json({ access: 'a1', refresh: 'r1', expires_in: 3600 }));
    fake.on('POST', '/renewed/again', json({ error: 'down' }, 503));
    await connect('renewed', { type: 'TWO_STEP', user: 'ada' });
    await sent('renewed');
    const logins = asked('/renewed/login').length;
    const { status, body } = await refreshed('renewed');
    assert.equal(status, 400);
    assert.match(body.error.message, /answered 503/);
    assert.equal(asked('/renewed/login').length, logins);
});

test('TWO_STEP: logins in XML', async () => {
    const envelope = (inner: string) => `<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>${inner}</e:Body></e:Envelope>`;
    fake.on('POST', '/soap', reply(200, { 'content-type': 'text/xml; charset=utf-8' }, envelope('<loginResponse><sessionId>s&amp;1</sessionId><sessionSeconds>7200</sessionSeconds></loginResponse>')));
    await connect('soap', { type: 'TWO_STEP', user: 'a<da', secret: 'engine&' });
    assert.equal((await sent('soap')).headers.authorization, 'Bearer s&1');
    const [ask] = asked('/soap');
    assert.equal(ask!.headers['content-type'], 'text/xml');
    assert.equal(ask!.body, '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><login><user>a&lt;da</user><secret>engine&amp;</secret></login></soapenv:Body></soapenv:Envelope>');
    const kept = await credentials('soap');
    assert.ok(Math.abs(Date.parse(kept.expires_at) - Date.now() - 7200_000) < 60_000);
    for (const [what, handler, message] of [
        ['a fault', reply(500, { 'content-type': 'text/xml' }, envelope('<e:Fault><faultcode>x</faultcode></e:Fault>')), /answered 500/],
        ['no token', reply(200, { 'content-type': 'text/xml' }, envelope('<loginResponse/>')), /holds no token/],
        ['an entity from elsewhere', reply(200, { 'content-type': 'text/xml' }, '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'), /something else than JSON or XML/],
        ['half of it', reply(200, { 'content-type': 'text/xml' }, '<a><b>'), /something else than JSON or XML/],
        ['a page', html, /something else than JSON or XML/]
    ] as const) {
        fake.on('POST', '/soap', handler);
        const { status, body } = await refreshed('soap');
        assert.equal(status, 400, what);
        assert.match(body.error.message, message, what);
    }
});

test('TWO_STEP: cookies and other headers as credentials', async () => {
    fake.on('POST', '/cookies', reply(200, { 'content-type': 'application/json', 'set-cookie': ['sid=abc; Path=/; HttpOnly', 'old=; Max-Age=0', 'b=2'], 'x-csrf': 'token-1' }, '{}'));
    await connect('cookies', { type: 'TWO_STEP', user: 'ada' });
    const { headers } = await sent('cookies');
    assert.equal(headers.cookie, 'sid=abc; b=2');
    assert.equal(headers['x-csrf'], 'token-1');
    assert.equal(headers.authorization, undefined);
    fake.on('POST', '/cookies', json({}));
    assert.equal((await sent('cookies')).headers.cookie, 'sid=abc; b=2', 'a session that is there is used');
    fake.on('POST', '/cookies', reply(200, { 'content-type': 'application/json', 'set-cookie': 'sid=new' }, '{}'));
    await refreshed('cookies');
    assert.equal((await sent('cookies')).headers.cookie, 'sid=new');
});

test('TABLEAU: signs in with a personal access token, and again', async () => {
    const token = (n: number) => json({ credentials: { token: `tableau-${n}`, site: { id: 'site', contentUrl: 'marketing' }, user: { id: 'user' }, estimatedTimeToExpiration: '3:30:00' } });
    fake.on('POST', '/api/3.22/auth/signin', [token(1), token(2), json({ error: { summary: 'Signin Error', detail: 'no', code: '401001' } }, 401)]);
    await connect('tableau', { type: 'TABLEAU', pat_name: 'ada', pat_secret: 'engine', content_url: 'marketing' });
    assert.equal((await sent('tableau')).headers['x-tableau-auth'], 'tableau-1');
    assert.deepEqual(JSON.parse(asked('/api/3.22/auth/signin')[0]!.body), { credentials: { personalAccessTokenName: 'ada', personalAccessTokenSecret: 'engine', site: { contentUrl: 'marketing' } } });
    const kept = await credentials('tableau');
    assert.ok(Math.abs(Date.parse(kept.expires_at) - Date.now() - 12600_000) < 60_000, kept.expires_at);
    assert.equal(kept.raw.credentials.site.id, 'site');
    assert.equal((await refreshed('tableau')).body.credentials.token, 'tableau-2');
    assert.match((await refreshed('tableau')).body.error.message, /answered 401, 401001/);
    assert.equal((await sent('tableau')).headers['x-tableau-auth'], 'tableau-2');
});

test('BILL: a session for a login', async () => {
    fake.on('POST', '/bill/login', json({ sessionId: 'session-1', userId: 'user-1', organizationId: 'org' }));
    await connect('bill', { type: 'BILL', username: 'ada', password: 'engine', organization_id: 'org', dev_key: 'dev' });
    const { headers } = await sent('bill');
    assert.equal(headers['sessionid'], 'session-1');
    assert.equal(headers['devkey'], 'dev');
    assert.deepEqual(JSON.parse(asked('/bill/login')[0]!.body), { username: 'ada', password: 'engine', organizationId: 'org', devKey: 'dev' });
    const { session_id, user_id } = await credentials('bill');
    assert.deepEqual({ session_id, user_id }, { session_id: 'session-1', user_id: 'user-1' });
    await sent('bill');
    assert.equal(asked('/bill/login').length, 1);
});

test('OAUTH1: requests are signed, queries and forms included', async () => {
    await connect('oauth1', { type: 'OAUTH1', oauth_token: 'token', oauth_token_secret: 'token secret' });
    const secrets = 'consumer%26secret&token%20secret';
    const get = await sent('oauth1', '/me?b=2&a=x%20y&a=1&empty=&enc=%C3%A9%2B');
    const header = checkOAuth1(get, `${fake.url}/me`, secrets);
    assert.equal(header['oauth_consumer_key'], 'consumer');
    assert.equal(header['oauth_token'], 'token');
    assert.equal(header['oauth_signature_method'], 'HMAC-SHA1');
    const form = 'status=hello+world%21&a=b';
    checkOAuth1(await sent('oauth1', '/me?c=d', 'POST', form, { 'content-type': 'application/x-www-form-urlencoded' }), `${fake.url}/me`, secrets, 'sha1', form);
    checkOAuth1(await sent('oauth1', '/me', 'POST', '{"a":1}', { 'content-type': 'application/json' }), `${fake.url}/me`, secrets);
    const other = await sent('oauth1');
    assert.notEqual(/oauth_nonce="(\w+)"/.exec(other.headers.authorization!)![1], header['oauth_nonce']);
    assert.deepEqual(await server.nango().getToken('oauth1', id), { oAuthToken: 'token', oAuthTokenSecret: 'token secret' });
});

test('OAUTH1: PLAINTEXT where the provider wants it', async () => {
    await connect('oauth1-plain', { type: 'OAUTH1', oauth_token: 'token', oauth_token_secret: 'secret' });
    assert.match((await sent('oauth1-plain')).headers.authorization!, /oauth_signature="consumer%2526secret%26secret"/);
});

test('TBA: requests are signed for an account', async () => {
    await connect('tba', { type: 'TBA', token_id: 'id', token_secret: 'token-secret' }, { accountId: '123-sb1' });
    const header = checkOAuth1(await sent('tba', '/me?q=1'), `${fake.url}/me`, 'consumer-secret&token-secret', 'sha256');
    assert.equal(header['realm'], '123_SB1');
    assert.equal(header['oauth_signature_method'], 'HMAC-SHA256');
    id += '-own';
    await connect('tba', { type: 'TBA', token_id: 'id', token_secret: 't', config_override: { client_id: 'mine', client_secret: 'm' } }, { accountId: '1' });
    assert.equal(checkOAuth1(await sent('tba'), `${fake.url}/me`, 'm&t', 'sha256')['oauth_consumer_key'], 'mine');
});

test('APP_STORE: a token signed with an EC key', async () => {
    await connect('apple', { type: 'APP_STORE', privateKeyId: 'key', issuerId: 'issuer', privateKey: pem(ec.privateKey).replaceAll('\n', ' ') });
    const [header, payload] = verified((await sent('apple')).headers.authorization!.replace('Bearer ', ''), ec.publicKey);
    assert.deepEqual(header, { alg: 'ES256', typ: 'JWT', kid: 'key' });
    assert.equal(payload.iss, 'issuer');
    assert.equal(payload.aud, 'appstoreconnect-v1');
});

test('OAUTH2_CC: a client that proves itself with a key, parameters in the query', async () => {
    fake.on('POST', '/cc', json({ data: { token: 'cc-token' }, expires_in: 3600 }));
    await connect('cc-assertion', { type: 'OAUTH2_CC', client_id: 'client', client_private_key: pem(rsa.privateKey) });
    assert.equal((await sent('cc-assertion')).headers.authorization, 'Bearer cc-token');
    const form = new URLSearchParams(asked('/cc')[0]!.body);
    assert.equal(form.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const [, payload] = verified(form.get('client_assertion')!, rsa.publicKey);
    assert.equal(payload.iss, 'client');
    assert.equal(payload.aud, `${fake.url}/cc`);
    await connect('cc-query', { type: 'OAUTH2_CC', client_id: 'client', client_secret: 'a b' });
    await sent('cc-query');
    assert.deepEqual(Object.fromEntries(asked('/cc')[1]!.query), { fixed: '1', grant_type: 'client_credentials', client_id: 'client', client_secret: 'a b' });
});

test('what a type lacks is said when it is imported', async () => {
    for (const [provider_config_key, given, message] of [
        ['oauth1', { type: 'OAUTH1', oauth_token: 'x' }, /oauth_token_secret/],
        ['tba', { type: 'TBA', token_id: 'x' }, /token_secret/],
        ['app', { type: 'APP' }, /installation_id/],
        ['bill', { type: 'BILL', username: 'x' }, /password/],
        ['wsse', { type: 'SIGNATURE' }, /username/],
        ['cc-query', { type: 'OAUTH2_CC' }, /client_id/],
        ['app', { type: 'OAUTH2', access_token: 'x' }, /OAUTH2 where the provider takes APP/]
    ] as const) {
        const { status, body } = await server.api('POST', '/connections', { provider_config_key, connection_id: 'x', credentials: given });
        assert.equal(status, 400);
        assert.equal(body.error.code, 'invalid_body');
        assert.match(body.error.errors[0].message, message);
    }
});

test('what cannot be signed or had says why', async () => {
    await connect('app', { type: 'APP', app_id: '1', installation_id: 'none' });
    fake.on('POST', '/app/installations/none/access_tokens', json({ message: 'Not Found' }, 404));
    const app = await server.api('GET', `/connections/${id}?provider_config_key=app`);
    assert.equal(app.status, 400);
    assert.match(app.body.error.message, /answered 404.*Not Found/);
    await connect('tba', { type: 'TBA', token_id: 'id', token_secret: 's' });
    const tba = await server.api('GET', '/proxy/me', undefined, { 'connection-id': id, 'provider-config-key': 'tba' });
    assert.equal(tba.status, 400);
    assert.match(tba.body.error.message, /accountId/);
});

test('no secret is in the log of the server', async () => {
    assert.doesNotMatch(server.log.join('\n'), /engine|PRIVATE KEY|consumer&secret|installation-token|session-1/);
});

test('the server ends without complaint', async () => {
    assert.equal(await server.stop(), 0, server.log.slice(-30).join('\n'));
});
