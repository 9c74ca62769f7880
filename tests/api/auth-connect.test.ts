/** Customers who connect themselves: connect sessions, and the way to a provider and back. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { OAuth2Server } from 'oauth2-mock-server';
import { Provider } from 'oidc-provider';
import { startFake, type Fake } from '../fake/fake.ts';
import { checkOAuth1 } from '../fake/oauth1.ts';
import { hang, html, huge, json, reply } from '../fake/replies.ts';
import { App, Server, serverWithApp, tempDir } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;
let mock: OAuth2Server;
let oidc: HttpServer;
let tokenRequests = 0;

const catalogue = (fakeUrl: string, mockUrl: string, oidcUrl: string) => `
crm:
  auth_mode: OAUTH2
  authorization_url: ${fakeUrl}/authorize
  authorization_params: { access_type: offline }
  token_url: ${fakeUrl}/token
  scope_separator: '+'
  proxy: { base_url: ${fakeUrl} }
crm-plain:
  alias: crm
  disable_pkce: true
  token_request_auth_method: basic
old:
  auth_mode: OAUTH1
  request_url: ${fakeUrl}/old/request?scope=read
  authorization_url: ${fakeUrl}/old/authorize
  authorization_params: { expiration: never }
  token_url: ${fakeUrl}/old/access
  proxy: { base_url: ${fakeUrl} }
mock:
  auth_mode: OAUTH2
  authorization_url: ${mockUrl}/authorize
  token_url: ${mockUrl}/token
  token_request_auth_method: basic
  proxy: { base_url: ${fakeUrl} }
oidc:
  auth_mode: OAUTH2
  authorization_url: ${oidcUrl}/auth
  authorization_params: { prompt: consent }
  token_url: ${oidcUrl}/token
  token_request_auth_method: basic
  token_expiration_buffer: 30
  proxy: { base_url: ${oidcUrl} }
`;

/** A certified OpenID provider that rotates refresh tokens and revokes everything when one is used twice. */
async function startOidc(callback: () => string): Promise<HttpServer> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    let provider: Provider | undefined;
    http.on('request', (request, response) => {
        provider ??= new Provider(url, {
            clients: [{ client_id: 'client', client_secret: 'secret-of-the-app', redirect_uris: [callback()], grant_types: ['authorization_code', 'refresh_token'] }],
            scopes: ['openid', 'offline_access'],
            pkce: { required: () => true },
            rotateRefreshToken: true,
            ttl: { AccessToken: 40, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600, IdToken: 600 },
            cookies: { keys: ['of the test'] },
            findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
            features: { devInteractions: { enabled: true } }
        });
        if (request.url?.startsWith('/token')) tokenRequests++;
        void provider.callback()(request, response);
    });
    return http;
}

before(async () => {
    fake = await startFake();
    mock = new OAuth2Server();
    await mock.issuer.keys.generate('RS256');
    await mock.start(0, '127.0.0.1');
    oidc = await startOidc(() => `${server.url}/oauth/callback`);
    const oidcUrl = `http://127.0.0.1:${(oidc.address() as AddressInfo).port}`;
    const file = join(tempDir(), 'providers.yaml');
    writeFileSync(file, catalogue(fake.url, `http://127.0.0.1:${mock.address().port}`, oidcUrl));
    ({ server, app } = await serverWithApp({ args: ['--providers', file] }));
    for (const provider of ['crm', 'crm-plain', 'mock', 'oidc'])
        await server.ok('POST', '/integrations', {
            provider,
            unique_key: provider,
            credentials: { type: 'OAUTH2', client_id: 'client', client_secret: 'secret-of-the-app', scopes: provider === 'oidc' ? 'openid,offline_access' : 'read,write' }
        });
    await server.ok('POST', '/integrations', { provider: 'old', unique_key: 'old', credentials: { type: 'OAUTH1', client_id: 'consumer', client_secret: 'secret-of-the-app' } });
    await server.ok('POST', '/integrations', { provider: 'private-api-bearer', unique_key: 'keys' });
    await server.ok('POST', '/integrations', { provider: 'private-api-basic', unique_key: 'basic' });
    await server.integration('none');
});
after(async () => {
    await server.stop();
    await fake.close();
    await mock.stop();
    oidc.close();
    oidc.closeAllConnections();
    app.close();
});
beforeEach(() => {
    fake.on('POST', '/token', json({ access_token: 'the-token', refresh_token: 'the-refresh-token', expires_in: 3600 }));
    fake.on('GET', '/me', (request, response) => json({ token: request.headers.authorization })(request, response));
});

async function session(body: object = {}): Promise<string> {
    const { data } = await server.ok('POST', '/connect/sessions', { end_user: { id: 'user-1', email: 'ada@example.com' }, ...body });
    return data.token;
}

/** A browser that keeps cookies and follows nobody by itself. */
class Browser {
    private readonly jar = new Map<string, Map<string, string>>();
    async get(url: string, init: RequestInit = {}): Promise<{ status: number; location: string; text: string; headers: Headers }> {
        const { host } = new URL(url);
        const cookies = this.jar.get(host) ?? new Map<string, string>();
        this.jar.set(host, cookies);
        const response = await fetch(url, { redirect: 'manual', ...init, headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; '), ...init.headers } });
        for (const line of response.headers.getSetCookie()) {
            const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
            if (/expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(name!);
            else cookies.set(name!, value!);
        }
        const location = response.headers.get('location');
        return { status: response.status, location: location ? new URL(location, url).href : '', text: await response.text(), headers: response.headers };
    }
}

const start = (key: string, token: string, query = '') => `${server.url}/oauth/connect/${key}?connect_session_token=${token}${query}`;
const message = (page: string) => JSON.parse(/const message = (.*);/.exec(page)![1]!);
const connection = (key: string, id: string, query = '') => server.ok('GET', `/connections/${id}?provider_config_key=${key}${query}`);

test('a customer goes to the provider and comes back connected', async () => {
    const browser = new Browser();
    const token = await session({
        organization: { id: 'org-1', display_name: 'Org' },
        tags: { Plan: 'gold' },
        integrations_config_defaults: { crm: { connection_config: { region: 'eu' }, authorization_params: { prompt: 'login' } } }
    });
    const away = await browser.get(start('crm', token, '&params[region]=us&params[shop]=x&authorization_params[hint]=ada&authorization_params[state]=mine'));
    assert.equal(away.status, 302, away.text);
    assert.match(away.headers.get('set-cookie')!, /HttpOnly; SameSite=Lax/);
    const url = new URL(away.location);
    assert.equal(url.origin + url.pathname, `${fake.url}/authorize`);
    const { state, code_challenge, ...rest } = Object.fromEntries(url.searchParams);
    assert.deepEqual(rest, {
        access_type: 'offline',
        prompt: 'login',
        hint: 'ada',
        response_type: 'code',
        client_id: 'client',
        redirect_uri: `${server.url}/oauth/callback`,
        scope: 'read+write',
        code_challenge_method: 'S256'
    });
    assert.notEqual(state, 'mine');

    const back = `${server.url}/oauth/callback?state=${state}&code=the%20code`;
    const done = await browser.get(back);
    assert.equal(done.status, 200, done.text);
    const { connection_id, ...said } = message(done.text);
    assert.deepEqual(said, { message_type: 'success', provider_config_key: 'crm', is_pending: false });
    const asked = Object.fromEntries(new URLSearchParams(fake.requests.findLast(({ path }) => path === '/token')!.body));
    assert.equal(createHash('sha256').update(asked['code_verifier']!).digest('base64url'), code_challenge);
    assert.deepEqual(
        { ...asked, code_verifier: '' },
        { grant_type: 'authorization_code', code: 'the code', redirect_uri: `${server.url}/oauth/callback`, code_verifier: '', client_id: 'client', client_secret: 'secret-of-the-app' }
    );

    const made = await connection('crm', connection_id, '&refresh_token=true');
    assert.equal(made.credentials.access_token, 'the-token');
    assert.equal(made.credentials.refresh_token, 'the-refresh-token');
    assert.deepEqual(made.connection_config, { region: 'eu', shop: 'x' });
    assert.equal(made.end_user.id, 'user-1');
    assert.equal(made.end_user.organization.id, 'org-1');
    assert.deepEqual(made.tags, { plan: 'gold' });
    const [hook] = await app.hooks(1, ({ body }) => body.type === 'auth' && body.connectionId === connection_id);
    assert.equal(hook!.body.operation, 'creation');
    assert.equal(hook!.body.endUser.endUserId, 'user-1');

    // The answer is good once.
    const again = await browser.get(back);
    assert.equal(again.status, 400);
    assert.equal(message(again.text).error_type, 'state_err');
});

test('without PKCE where the provider does not know it', async () => {
    const browser = new Browser();
    const url = new URL((await browser.get(start('crm-plain', await session(), '&user_scope=a,b'))).location);
    assert.equal(url.searchParams.get('code_challenge'), null);
    assert.equal(url.searchParams.get('scope'), 'a+b');
    const done = await browser.get(`${server.url}/oauth/callback?state=${url.searchParams.get('state')}&code=c`);
    assert.equal(message(done.text).message_type, 'success');
    const { headers, body } = fake.requests.findLast(({ path }) => path === '/token')!;
    assert.equal(headers.authorization, `Basic ${Buffer.from('client:secret-of-the-app').toString('base64')}`);
    assert.doesNotMatch(body, /verifier|secret/);
});

test('what comes back must be what went away', async () => {
    const browser = new Browser();
    const away = async () => new URL((await browser.get(start('crm', await session()))).location).searchParams.get('state')!;
    const mark = fake.requests.length;
    const answer = async (who: Browser, query: string) => {
        const { status, text } = await who.get(`${server.url}/oauth/callback?${query}`);
        assert.equal(status, 400);
        return message(text);
    };
    assert.equal((await answer(browser, 'code=c')).error_type, 'state_err');
    assert.equal((await answer(browser, 'code=c&state=6f9619ff-8b86-4d01-b42d-00cf4fc964ff')).error_type, 'state_err');
    // Begun here, finished there: somebody wants to connect his account to another's session.
    const state = await away();
    assert.match((await answer(new Browser(), `code=c&state=${state}`)).error_desc, /another browser/);
    assert.equal((await answer(browser, `code=c&state=${state}`)).error_type, 'state_err');
    const refused = await answer(browser, `state=${await away()}&error=${encodeURIComponent('</script><b>')}`);
    assert.equal(refused.error_type, 'callback_err');
    assert.equal(refused.error_desc, 'the provider answered: </script><b>');
    assert.equal(fake.requests.slice(mark).filter(({ path }) => path === '/token').length, 0);
    // What the token endpoint says is told, without secrets.
    for (const trouble of [json({ error: 'invalid_grant' }, 400), html, json({})]) {
        fake.on('POST', '/token', trouble);
        const { error_type, error_desc } = await answer(browser, `state=${await away()}&code=secret-code`);
        assert.equal(error_type, 'token_err');
        assert.doesNotMatch(error_desc, /secret/);
    }
});

test('a page never ends its own script', async () => {
    const browser = new Browser();
    const state = new URL((await browser.get(start('crm', await session()))).location).searchParams.get('state')!;
    const { text, headers } = await browser.get(`${server.url}/oauth/callback?state=${state}&error=${encodeURIComponent('</script><script>alert(1)')}`);
    assert.equal(text.match(/<\/script>/g)!.length, 1);
    assert.match(headers.get('content-security-policy')!, /default-src 'none'/);
});

test('sessions: what they allow, and that they end', async () => {
    const unknown = await server.api('POST', '/connect/sessions', { end_user: { id: 'x' }, allowed_integrations: ['crm', 'nowhere'] });
    assert.equal(unknown.status, 400);
    assert.match(JSON.stringify(unknown.body.error.errors), /allowed_integrations/);
    assert.equal((await server.api('POST', '/connect/sessions', {})).status, 400);

    const created = await server.nango().createConnectSession({ end_user: { id: 'u', display_name: 'U' }, allowed_integrations: ['keys'] } as any);
    const { token, connect_link, expires_at } = (created as any).data;
    assert.match(token, /^nango_connect_session_[0-9a-f]{64}$/);
    assert.ok(Math.abs(Date.parse(expires_at) - Date.now() - 1800_000) < 60_000);
    assert.ok(connect_link.startsWith(`${server.url}/connect?session_token=`));
    const bearer = { authorization: `Bearer ${token}` };
    const shown = await server.ok('GET', '/connect/session', undefined, bearer);
    assert.deepEqual(shown.data.allowed_integrations, ['keys']);
    assert.equal(shown.data.endUser.id, 'u');
    assert.equal((await new Browser().get(start('crm', token))).status, 400);

    assert.equal((await server.api('DELETE', '/connect/session', undefined, bearer)).status, 204);
    assert.equal((await server.api('GET', '/connect/session', undefined, bearer)).body.error.code, 'unknown_connect_session_token');
    assert.equal((await server.api('GET', '/connect/session')).body.error.code, 'invalid_connect_session_token_format');
});

test('the page behind the link leads to the providers', async () => {
    const token = await session({ allowed_integrations: ['crm', 'keys'] });
    const { status, text } = await new Browser().get(`${server.url}/connect?session_token=${token}`);
    assert.equal(status, 200);
    assert.deepEqual([...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href), [`/oauth/connect/crm?connect_session_token=${token}`]);
    assert.equal((await new Browser().get(`${server.url}/connect?session_token=x`)).status, 401);
});

test('connections by what a customer types in', async () => {
    const token = await session();
    const query = `?connect_session_token=${token}&params[tenant]=t`;
    const made = await server.ok('POST', `/api-auth/api-key/keys${query}`, { apiKey: 'typed-in' }, { authorization: '' });
    assert.equal(made.providerConfigKey, 'keys');
    const kept = await connection('keys', made.connectionId);
    assert.equal(kept.credentials.apiKey, 'typed-in');
    assert.equal(kept.connection_config.tenant, 't');
    assert.equal(kept.end_user.email, 'ada@example.com');
    await server.ok('POST', `/api-auth/basic/basic${query}`, { username: 'u', password: 'p' });
    await server.ok('POST', `/auth/unauthenticated/none${query}`, '');
    for (const [path, body, status, code] of [
        ['/api-auth/basic/keys', { username: 'u', password: 'p' }, 400, 'invalid_auth_mode'],
        ['/api-auth/api-key/keys', {}, 400, 'invalid_body'],
        ['/api-auth/api-key/nowhere', { apiKey: 'k' }, 404, 'unknown_provider_config']
    ] as const) {
        const answer = await server.api('POST', path + query, body);
        assert.equal(answer.status, status);
        assert.equal(answer.body.error.code, code);
    }
    assert.equal((await server.api('POST', '/api-auth/api-key/keys', { apiKey: 'k' }, { authorization: '' })).status, 401);
});

/* Many call their form a page. */
const form = (fields: Record<string, string>) => reply(200, { 'content-type': 'text/html; charset=utf-8' }, new URLSearchParams(fields).toString());

test('OAuth 1: a request token, the customer, an access token', async () => {
    const browser = new Browser();
    fake.on('POST', '/old/request', form({ oauth_token: 'request&1', oauth_token_secret: 'request-secret', oauth_callback_confirmed: 'true' }));
    fake.on('POST', '/old/access', form({ oauth_token: 'access-1', oauth_token_secret: 'access-secret', user_id: '7' }));
    const away = await browser.get(start('old', await session(), '&params[shop]=x&authorization_params[hint]=ada'));
    assert.equal(away.status, 302, away.text);
    const url = new URL(away.location);
    assert.equal(url.origin + url.pathname, `${fake.url}/old/authorize`);
    assert.deepEqual(Object.fromEntries(url.searchParams), { expiration: 'never', hint: 'ada', oauth_token: 'request&1' });
    const first = fake.requests.findLast(({ path }) => path === '/old/request')!;
    const { oauth_callback, oauth_token } = checkOAuth1(first, `${fake.url}/old/request`, 'secret-of-the-app&');
    assert.equal(oauth_token, undefined);
    assert.ok(oauth_callback!.startsWith(`${server.url}/oauth/callback?state=`), oauth_callback);

    const done = await browser.get(`${oauth_callback}&oauth_token=request%261&oauth_verifier=v%201`);
    assert.equal(done.status, 200, done.text);
    const { connection_id, message_type } = message(done.text);
    assert.equal(message_type, 'success');
    const second = fake.requests.findLast(({ path }) => path === '/old/access')!;
    const header = checkOAuth1(second, `${fake.url}/old/access`, 'secret-of-the-app&request-secret');
    assert.deepEqual([header['oauth_token'], header['oauth_verifier']], ['request&1', 'v 1']);
    const made = await connection('old', connection_id);
    assert.deepEqual(made.credentials, { type: 'OAUTH1', oauth_token: 'access-1', oauth_token_secret: 'access-secret', raw: { oauth_token: 'access-1', oauth_token_secret: 'access-secret', user_id: '7' } });
    assert.deepEqual(made.connection_config, { shop: 'x' });
    await server.ok('GET', '/proxy/me', undefined, { 'connection-id': connection_id, 'provider-config-key': 'old' });
    checkOAuth1(fake.requests.findLast(({ path }) => path === '/me')!, `${fake.url}/me`, 'secret-of-the-app&access-secret');
});

test('OAuth 1: what goes wrong on the way', async () => {
    const go = async (then: (callback: string, browser: Browser) => Promise<{ status: number; text: string }>) => {
        const browser = new Browser();
        fake.on('POST', '/old/request', form({ oauth_token: 'request-2', oauth_token_secret: 'request-secret' }));
        const away = await browser.get(start('old', await session()));
        assert.equal(away.status, 302, away.text);
        const { oauth_callback } = checkOAuth1(fake.requests.findLast(({ path }) => path === '/old/request')!, `${fake.url}/old/request`, 'secret-of-the-app&');
        const { status, text } = await then(oauth_callback!, browser);
        assert.equal(status, 400, text);
        return message(text).error_type;
    };
    assert.equal(await go((callback, browser) => browser.get(`${callback}&oauth_token=another&oauth_verifier=v`)), 'callback_err');
    assert.equal(await go((callback, browser) => browser.get(`${callback}&denied=request-2`)), 'callback_err');
    assert.equal(await go((callback, browser) => browser.get(`${callback}&oauth_token=request-2`)), 'callback_err');
    assert.equal(await go((callback) => new Browser().get(`${callback}&oauth_token=request-2&oauth_verifier=v`)), 'state_err');
    for (const bad of [html, form({ oauth_token: 'x' }), json({}, 500), reply(401, {}, 'oauth_problem=token_rejected')]) {
        fake.on('POST', '/old/access', bad);
        assert.equal(await go((callback, browser) => browser.get(`${callback}&oauth_token=request-2&oauth_verifier=v`)), 'token_err');
    }
    for (const bad of [html, huge(3 << 20), reply(200), reply(401, {}, 'oauth_problem=permission_unknown')]) {
        fake.on('POST', '/old/request', bad);
        const { status, text } = await new Browser().get(start('old', await session()));
        assert.deepEqual([status, message(text).error_type], [400, 'request_token_err']);
    }
    assert.match(message((await new Browser().get(start('old', await session()))).text).error_desc, /answered 401, permission_unknown/);
    /* Who leaves meanwhile leaves nothing behind. */
    fake.on('POST', '/old/request', hang);
    const leaving = new AbortController();
    const mark = fake.requests.length;
    const gone = fetch(start('old', await session()), { signal: leaving.signal });
    await fake.asked(mark + 1);
    leaving.abort();
    await assert.rejects(gone);
});

test('a connection that a function refuses is not made, and the page says why', async () => {
    await server.ok('POST', '/integrations', { provider: 'crm', unique_key: 'judged', credentials: { type: 'OAUTH2', client_id: 'client', client_secret: 'secret-of-the-app' } });
    await server.deploy({
        'judged/actions/none': `import { createAction } from 'nango'; import { z } from 'zod';
            export default createAction({ description: '', version: '1.0.0', input: z.any(), output: z.any(), exec: async () => null });`,
        'judged/on-events/validate': `import { createOnEvent } from 'nango';
            export default createOnEvent({ description: '', version: '1.0.0', event: 'validate-connection', exec: async (nango) => {
                const { data } = await nango.get({ endpoint: '/me' });
                if (data.token !== 'Bearer good') throw new Error('not the token of an <administrator>');
            } });`
    });
    const browser = new Browser();
    const connect = async () => {
        const away = await browser.get(start('judged', await session({ end_user: { id: 'judged-user' } })));
        return browser.get(`${server.url}/oauth/callback?state=${new URL(away.location).searchParams.get('state')}&code=c`);
    };
    const refused = await connect();
    assert.equal(refused.status, 400);
    const { error_type, error_desc } = message(refused.text);
    assert.deepEqual([error_type, error_desc], ['connection_validation_failed', 'not the token of an <administrator>']);
    assert.deepEqual((await server.ok('GET', '/connections?endUserId=judged-user')).connections, []);
    fake.on('POST', '/token', json({ access_token: 'good', expires_in: 3600 }));
    const { message_type, connection_id } = message((await connect()).text);
    assert.equal(message_type, 'success');
    assert.deepEqual((await connection('judged', connection_id)).errors, []);
});

test('a customer connects again, and the connection stays the same', async () => {
    const browser = new Browser();
    await server.ok('POST', '/connections', { provider_config_key: 'crm', connection_id: 'old', credentials: { type: 'OAUTH2', access_token: 'dead' }, metadata: { a: 1 } });
    const { data } = (await server.nango().createReconnectSession({ connection_id: 'old', integration_id: 'crm', end_user: { id: 'u' } } as any)) as any;
    assert.equal((await server.ok('GET', '/connect/session', undefined, { authorization: `Bearer ${data.token}` })).data.isReconnecting, true);
    assert.equal((await browser.get(start('crm-plain', data.token))).status, 400);
    const state = new URL((await browser.get(start('crm', data.token))).location).searchParams.get('state');
    const done = await browser.get(`${server.url}/oauth/callback?state=${state}&code=c`);
    assert.equal(message(done.text).connection_id, 'old');
    const { credentials, metadata } = await connection('crm', 'old');
    assert.equal(credentials.access_token, 'the-token');
    assert.deepEqual(metadata, { a: 1 });
});

test('against oauth2-mock-server: code and refresh', async () => {
    const browser = new Browser();
    const away = await browser.get(start('mock', await session()));
    const back = await browser.get(away.location);
    const done = await browser.get(back.location);
    assert.equal(message(done.text).message_type, 'success', done.text);
    const { connection_id } = message(done.text);
    const first = (await connection('mock', connection_id)).credentials.access_token;
    assert.equal(first.split('.').length, 3);
    const { credentials } = await connection('mock', connection_id, '&force_refresh=true');
    assert.ok(Date.parse(credentials.expires_at) > Date.now());
    mock.service.once('beforeResponse', (response) => {
        response.statusCode = 400;
        response.body = { error: 'invalid_grant' };
    });
    assert.equal((await server.api('GET', `/connections/${connection_id}?provider_config_key=mock&force_refresh=true`)).status, 400);
});

/** Logs in and consents in the development pages of oidc-provider. */
async function consent(browser: Browser, from: string): Promise<string> {
    let url = from;
    for (let i = 0; i < 12; i++) {
        const { status, location, text } = await browser.get(url);
        if (location.startsWith(`${server.url}/oauth/callback`)) return location;
        if (location) {
            url = location;
            continue;
        }
        assert.equal(status, 200, text);
        const action = /action="([^"]+)"/.exec(text)![1]!;
        const prompt = /name="prompt" value="([^"]+)"/.exec(text)![1]!;
        const body = new URLSearchParams(prompt === 'login' ? { prompt, login: 'ada', password: 'any' } : { prompt });
        const posted = await browser.get(new URL(action, url).href, { method: 'POST', body });
        url = posted.location;
    }
    throw new Error('no end of redirects');
}

test('against oidc-provider: rotating refresh tokens, many requests at once', async () => {
    const browser = new Browser();
    const away = await browser.get(start('oidc', await session()));
    const done = await browser.get(await consent(browser, away.location));
    assert.equal(message(done.text).message_type, 'success', done.text);
    const { connection_id } = message(done.text);
    const seen = new Set<string>();
    // However many ask at once share a refresh; a token used twice would end it all.
    for (let round = 0; round < 5; round++) {
        const before = tokenRequests;
        const all = await Promise.all([...Array(20).keys()].map(() => connection('oidc', connection_id, '&force_refresh=true&refresh_token=true')));
        const tokens = new Set(all.map(({ credentials }) => credentials.refresh_token));
        assert.equal(tokens.size, tokenRequests - before);
        assert.ok(tokens.size < 20, `${tokens.size} refreshes`);
        for (const token of tokens) seen.add(token);
    }
    assert.ok(seen.size >= 5);
});

test('no secret is in the log of the server', () => {
    assert.doesNotMatch(server.log.join('\n'), /the-token|the-refresh-token|secret-of-the-app|secret-code|typed-in|nango_connect_session_|request-secret|access-secret/);
});

test('the server ends without complaint', async () => {
    assert.equal(await server.stop(), 0, server.log.slice(-30).join('\n'));
});
