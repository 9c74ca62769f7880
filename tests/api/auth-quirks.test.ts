/** OAuth 2 providers that have tokens renewed in a way of their own (src/auth/quirks.c). */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { startFake, type Fake, type Seen } from '../fake/fake.ts';
import { html, json } from '../fake/replies.ts';
import { Server, tempDir } from './harness.ts';

let server: Server;
let fake: Fake;
let id = '';
let count = 0;

/* Entries as the public schema has them: what is special about them is known by their names. */
const names = ['slack', 'figma', 'facebook', 'instagram', 'threads', 'tiktok-personal', 'tiktok-accounts', 'tiktok-ads', 'stripe-app', 'one-drive', 'sharepoint-online', 'salesforce', 'salesforce-sandbox'];
const catalogue = (url: string) =>
    names.map((name) => `${name}:\n  auth_mode: OAUTH2\n  authorization_url: ${url}/${name}/authorize\n  token_url: ${url}/${name}/oauth2/token\n  token_response_metadata: [instance_url]\n${['figma', 'instagram', 'threads'].includes(name) ? `  refresh_url: ${url}/${name}/refresh\n` : ''}  proxy: { base_url: ${url} }\n`).join('');

before(async () => {
    fake = await startFake();
    const file = join(tempDir(), 'providers.yaml');
    writeFileSync(file, catalogue(fake.url));
    server = await Server.start({ args: ['--providers', file] });
    for (const provider of names) await server.ok('POST', '/integrations', { provider, unique_key: provider, credentials: { type: 'OAUTH2', client_id: 'client', client_secret: 'app-secret' } });
});
after(async () => {
    await server.stop();
    await fake.close();
});
beforeEach(() => {
    id = `c-${++count}`;
    fake.on('GET', '/me', (request, response) => json({ token: request.headers.authorization })(request, response));
});

const HOUR = 3600_000;
const iso = (ms: number) => new Date(Date.now() + ms).toISOString();
const connect = (key: string, credentials: object = {}, connection_config: object = {}) =>
    server.ok('POST', '/connections', { provider_config_key: key, connection_id: id, credentials: { type: 'OAUTH2', access_token: 'access-0', refresh_token: 'refresh-0', ...credentials }, connection_config });
const read = (key: string, query = '') => server.api('GET', `/connections/${id}?provider_config_key=${key}&refresh_token=true${query}`);
const force = async (key: string) => {
    const { status, body } = await read(key, '&force_refresh=true');
    assert.equal(status, 200, JSON.stringify(body));
    return body.credentials;
};
const asked = (path: string) => fake.requests.filter((seen) => seen.path === path);
const form = ({ body }: Seen) => Object.fromEntries(new URLSearchParams(body));
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

test('slack: the bot\'s token and the user\'s are renewed together', async () => {
    fake.on('POST', '/slack/oauth2/token', (request, response) => {
        const { refresh_token } = form(request);
        if (refresh_token === 'bot-0') return json({ ok: true, access_token: 'bot-1', refresh_token: 'bot-r1', expires_in: 43200, team: { id: 'T' } })(request, response);
        if (refresh_token === 'user-0') return json({ ok: true, access_token: 'user-1', refresh_token: 'user-r1', expires_in: 43200, token_type: 'user' })(request, response);
        return json({ ok: false, error: 'invalid_refresh_token' })(request, response);
    });
    const raw = { ok: true, authed_user: { id: 'U', access_token: 'user-a0', refresh_token: 'user-0', scope: 'chat' } };
    await connect('slack', { refresh_token: 'bot-0', expires_at: iso(60_000), raw });
    const { body } = await read('slack');
    const { access_token, refresh_token, raw: now } = body.credentials;
    assert.deepEqual([access_token, refresh_token, now.team], ['bot-1', 'bot-r1', { id: 'T' }]);
    assert.deepEqual(now.authed_user, { id: 'U', access_token: 'user-1', refresh_token: 'user-r1', scope: 'chat', expires_in: 43200 });
});

test('slack: what is wrong with the user\'s token does not lose the bot\'s', async () => {
    for (const bad of [json({ ok: false, error: 'invalid_refresh_token' }), html, json({}, 500)]) {
        id = `slack-${++count}`;
        fake.on('POST', '/slack/oauth2/token', [json({ ok: true, access_token: 'bot-1', refresh_token: 'bot-r1', expires_in: 43200 }), bad]);
        const authed_user = { id: 'U', access_token: 'user-a0', refresh_token: 'user-0' };
        await connect('slack', { expires_at: iso(60_000), raw: { authed_user } });
        const { body } = await read('slack');
        assert.deepEqual([body.credentials.access_token, body.credentials.refresh_token], ['bot-1', 'bot-r1']);
        assert.deepEqual(body.credentials.raw.authed_user, authed_user);
        assert.deepEqual(body.errors, []);
    }
});

test('figma: at an address of its own, with the client in the header', async () => {
    fake.on('POST', '/figma/refresh', json({ access_token: 'access-1', expires_in: 7776000 }));
    await connect('figma');
    const { access_token, refresh_token } = await force('figma');
    assert.deepEqual([access_token, refresh_token], ['access-1', 'refresh-0']);
    const [ask] = asked('/figma/refresh');
    assert.equal(ask!.headers.authorization, basic('client:app-secret'));
    assert.deepEqual(form(ask!), { grant_type: 'refresh_token', refresh_token: 'refresh-0' });
});

for (const [name, path, query] of [
    ['facebook', '/facebook/oauth2/token', { grant_type: 'fb_exchange_token', fb_exchange_token: 'access-0', client_id: 'client', client_secret: 'app-secret' }],
    ['instagram', '/instagram/refresh', { grant_type: 'ig_refresh_token', access_token: 'access-0' }],
    ['threads', '/threads/refresh', { grant_type: 'th_refresh_token', access_token: 'access-0' }]
] as const) {
    test(`${name}: the access token itself is exchanged, and only by demand`, async () => {
        fake.on('GET', path, json({ access_token: 'access-1', token_type: 'bearer', expires_in: 5184000 }));
        await connect(name, { refresh_token: undefined, expires_at: iso(60_000) });
        assert.equal((await read(name)).body.credentials.access_token, 'access-0');
        fake.on('GET', '/me', json({}, 401));
        assert.equal((await server.api('GET', '/proxy/me', undefined, { 'connection-id': id, 'provider-config-key': name })).status, 401);
        assert.equal(asked(path).length, 0);
        const { access_token, expires_at } = await force(name);
        assert.equal(access_token, 'access-1');
        assert.ok(Math.abs(Date.parse(expires_at) - Date.now() - 1440 * HOUR) < 60_000);
        assert.deepEqual(Object.fromEntries(asked(path)[0]!.query), query);
        fake.on('GET', path, json({ error: { message: 'Error validating access token', type: 'OAuthException', code: 190 } }, 400));
        const { status, body } = await read(name, '&force_refresh=true');
        assert.equal(status, 400);
        assert.match(body.error.message, /answered 400, OAuthException: Error validating access token/);
    });
}

test('tiktok: the client is a key, or an app; the answer is nested', async () => {
    fake.on('POST', '/tiktok-personal/oauth2/token', json({ access_token: 'access-1', refresh_token: 'refresh-1', expires_in: 86400 }));
    await connect('tiktok-personal');
    assert.equal((await force('tiktok-personal')).access_token, 'access-1');
    assert.deepEqual(form(asked('/tiktok-personal/oauth2/token')[0]!), { grant_type: 'refresh_token', refresh_token: 'refresh-0', client_key: 'client', client_secret: 'app-secret' });
    for (const [name, client] of [['tiktok-accounts', { client_id: 'client', client_secret: 'app-secret' }], ['tiktok-ads', { app_id: 'client', secret: 'app-secret' }]] as const) {
        const path = `/${name}/oauth2/token`;
        fake.on('POST', path, json({ code: 0, message: 'OK', data: { access_token: 'access-1', refresh_token: 'refresh-1', expires_in: 86400 } }));
        await connect(name);
        const { access_token, refresh_token, expires_at } = await force(name);
        assert.deepEqual([access_token, refresh_token], ['access-1', 'refresh-1']);
        assert.ok(Math.abs(Date.parse(expires_at) - Date.now() - 24 * HOUR) < 60_000);
        assert.deepEqual(JSON.parse(asked(path)[0]!.body), { grant_type: 'refresh_token', refresh_token: 'refresh-0', ...client });
        /* 200, and nothing in it. */
        fake.on('POST', path, json({ code: 40105, message: 'Access token is incorrect', data: {} }));
        assert.match((await read(name, '&force_refresh=true')).body.error.message, /holds no access_token/);
    }
});

test('stripe-app: the secret is the name of the user', async () => {
    fake.on('POST', '/stripe-app/oauth2/token', json({ access_token: 'access-1', refresh_token: 'refresh-1', stripe_user_id: 'acct' }));
    await connect('stripe-app');
    assert.equal((await force('stripe-app')).access_token, 'access-1');
    const [ask] = asked('/stripe-app/oauth2/token');
    assert.equal(ask!.headers.authorization, basic('app-secret:'));
    assert.deepEqual(form(ask!), { grant_type: 'refresh_token', refresh_token: 'refresh-0' });
});

for (const name of ['one-drive', 'sharepoint-online']) {
    test(`${name}: a second token for SharePoint, if the tenant is known`, async () => {
        const path = `/${name}/oauth2/token`;
        fake.on('POST', path, (request, response) => {
            const { scope } = form(request);
            return json({ access_token: scope ? 'sharepoint-1' : 'access-1', refresh_token: 'refresh-1', expires_in: 3600, scope })(request, response);
        });
        await connect(name, {}, { tenant: 'contoso' });
        const { access_token, refresh_token, sharepoint } = await force(name);
        assert.deepEqual([access_token, refresh_token], ['access-1', 'refresh-1']);
        assert.deepEqual(sharepoint, { access_token: 'sharepoint-1', expires_in: 3600, scope: 'https://contoso.sharepoint.com/.default' });
        assert.deepEqual(asked(path).map(form).map(({ refresh_token, scope }) => [refresh_token, scope]), [['refresh-0', undefined], ['refresh-1', 'https://contoso.sharepoint.com/.default']]);
        for (const tenant of [undefined, 'evil.example/', 'a b']) {
            id = `${name}-${++count}`;
            await connect(name, {}, { ...(tenant && { tenant }) });
            assert.equal((await force(name)).sharepoint, undefined);
        }
    });
}

const introspections = (name: string) => asked(`/${name}/oauth2/introspect`).length;

test('salesforce: when a token ends is asked for, and kept', async () => {
    const exp = Math.floor(Date.now() / 1000) + 7200;
    fake.on('POST', '/salesforce/oauth2/introspect', json({ active: true, exp, username: 'ada' }));
    await connect('salesforce');
    for (let i = 0; i < 3; i++) {
        const { access_token, expires_at } = (await read('salesforce')).body.credentials;
        assert.deepEqual([access_token, Date.parse(expires_at)], ['access-0', exp * 1000]);
    }
    assert.equal(introspections('salesforce'), 1);
    assert.deepEqual(form(asked('/salesforce/oauth2/introspect')[0]!), { token: 'access-0', token_type_hint: 'access_token', client_id: 'client', client_secret: 'app-secret' });
    assert.equal(asked('/salesforce/oauth2/token').length, 0);
});

test('salesforce: a token that is over is renewed, also by the proxy', async () => {
    const exp = Math.floor(Date.now() / 1000) + 7200;
    const name = 'salesforce-sandbox';
    fake.on('POST', `/${name}/oauth2/introspect`, (request, response) => json(form(request)['token'] === 'access-0' ? { active: false } : { active: true, exp })(request, response));
    fake.on('POST', `/${name}/oauth2/token`, json({ access_token: 'access-1', instance_url: 'https://x.example', issued_at: '1700000000000' }));
    await connect(name);
    const seen = await server.ok('GET', '/proxy/me', undefined, { 'connection-id': id, 'provider-config-key': name });
    assert.equal(seen.token, 'Bearer access-1');
    const { access_token, refresh_token, expires_at } = (await read(name)).body.credentials;
    assert.deepEqual([access_token, refresh_token, Date.parse(expires_at)], ['access-1', 'refresh-0', exp * 1000]);
    /* Demanded: nobody asks whether the old one lives. */
    const before = introspections(name);
    await force(name);
    assert.equal(introspections(name), before + 1);
});

test('salesforce: without an answer to that, a token is renewed and looked at again in an hour', async () => {
    for (const bad of [html, json({ error: 'unsupported_token_type' }, 400), json({}, 500), json([]), json({ active: 'perhaps', exp: 'soon' })]) {
        id = `sf-${++count}`;
        const mark = asked('/salesforce/oauth2/token').length;
        fake.on('POST', '/salesforce/oauth2/introspect', bad);
        fake.on('POST', '/salesforce/oauth2/token', json({ access_token: 'access-1' }));
        await connect('salesforce');
        const { body } = await read('salesforce');
        assert.equal(body.credentials.access_token, 'access-1');
        assert.ok(Math.abs(Date.parse(body.credentials.expires_at) - Date.now() - HOUR) < 60_000, body.credentials.expires_at);
        assert.deepEqual(body.errors, []);
        await read('salesforce');
        assert.equal(asked('/salesforce/oauth2/token').length, mark + 1);
    }
});

test('what an answer says besides goes into the connection\'s config', async () => {
    fake.on('POST', '/salesforce/oauth2/token', json({ access_token: 'access-1', refresh_token: 'r', instance_url: 'https://x.example' }));
    fake.on('POST', '/salesforce/oauth2/introspect', json({ active: true, exp: Math.floor(Date.now() / 1000) + 7200 }));
    const { data } = await server.ok('POST', '/connect/sessions', { end_user: { id: 'u' } });
    const away = await fetch(`${server.url}/oauth/connect/salesforce?connect_session_token=${data.token}&params[a]=b`, { redirect: 'manual' });
    const state = new URL(away.headers.get('location')!).searchParams.get('state');
    const done = await fetch(`${server.url}/oauth/callback?state=${state}&code=c`, { headers: { cookie: `oauth2-${state}=1` } });
    const { connection_id } = JSON.parse(/const message = (.*);/.exec(await done.text())![1]!);
    const made = await server.ok('GET', `/connections/${connection_id}?provider_config_key=salesforce`);
    assert.deepEqual(made.connection_config, { a: 'b', instance_url: 'https://x.example' });
});

test('tiktok: customers are sent with the key too', async () => {
    const { data } = await server.ok('POST', '/connect/sessions', { end_user: { id: 'u' } });
    const away = await fetch(`${server.url}/oauth/connect/tiktok-personal?connect_session_token=${data.token}`, { redirect: 'manual' });
    assert.equal(new URL(away.headers.get('location')!).searchParams.get('client_key'), 'client');
});

test('no secret is in the log of the server', () => {
    assert.doesNotMatch(server.log.join('\n'), /app-secret|access-[01]|refresh-[01]|bot-|user-[0a]|sharepoint-1/);
});

test('the server ends without complaint', async () => {
    assert.equal(await server.stop(), 0, server.log.slice(-30).join('\n'));
});
