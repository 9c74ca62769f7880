/* Connections: customers' accounts, their credentials and their metadata. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { json } from '../fake/replies.ts';
import { App, run, Server, serverWithApp, sync } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;
before(async () => {
    ({ server, app } = await serverWithApp());
    fake = await startFake();
    fake.on('GET', '/*', json({ ok: true }));
    await server.integration();
    await server.ok('POST', '/integrations', { provider: 'private-api-bearer', unique_key: 'bearer' });
    await server.ok('POST', '/integrations', { provider: 'private-api-basic', unique_key: 'basic' });
    await server.ok('POST', '/integrations', {
        provider: 'github',
        unique_key: 'oauth',
        credentials: { type: 'OAUTH2', client_id: 'client', client_secret: 'secret-of-the-app' }
    });
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

const create = (body: object) => server.api('POST', '/connections', body);
const path = (id: string, key = 'fake') => `/connections/${encodeURIComponent(id)}?provider_config_key=${encodeURIComponent(key)}`;

/** The authorization header that the provider gets from /proxy. */
async function sent(id: string, key: string): Promise<string | undefined> {
    const mark = fake.requests.length;
    await server.ok('GET', '/proxy/whoami', undefined, { 'connection-id': id, 'provider-config-key': key, 'base-url-override': fake.url });
    return fake.requests[mark]!.headers.authorization;
}

test('a connection without credentials', async () => {
    const answer = await create({ provider_config_key: 'fake', connection_id: 'none', credentials: { type: 'NONE' }, connection_config: { baseUrl: fake.url } });
    assert.equal(answer.status, 201);
    const { id, created_at, updated_at, last_fetched_at, ...rest } = answer.body;
    assert.ok(Number.isInteger(id));
    assert.match(created_at, /Z$/);
    assert.match(updated_at, /Z$/);
    assert.equal(last_fetched_at ?? null, last_fetched_at);
    assert.equal(rest.connection_id, 'none');
    assert.equal(rest.provider_config_key, 'fake');
    assert.equal(rest.provider, 'unauthenticated');
    assert.deepEqual(rest.errors, []);
    assert.deepEqual(rest.tags, {});
    assert.equal(rest.metadata, null);
    assert.equal(rest.end_user, null);
    assert.equal(rest.webhook_url_override, null);
    assert.deepEqual(rest.connection_config, { baseUrl: fake.url });

    const read = await server.ok('GET', path('none'));
    assert.match(read.created_at, /\+00:00$/);
    assert.equal(read.id, id);
    assert.equal(await sent('none', 'fake'), undefined);
});

test('a connection with an API key', async () => {
    const { status, body } = await create({
        provider_config_key: 'bearer',
        connection_id: 'key',
        credentials: { type: 'API_KEY', apiKey: 'the-api-key' },
        connection_config: { baseUrl: fake.url }
    });
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal((await server.ok('GET', path('key', 'bearer'))).credentials.apiKey, 'the-api-key');
    assert.equal(await sent('key', 'bearer'), 'Bearer the-api-key');
});

test('a connection with a name and password', async () => {
    const { status, body } = await create({
        provider_config_key: 'basic',
        connection_id: 'pair',
        credentials: { type: 'BASIC', username: 'ann', password: 'pass:wörd' },
        connection_config: { baseUrl: fake.url }
    });
    assert.equal(status, 201, JSON.stringify(body));
    const header = (await sent('pair', 'basic')) ?? '';
    assert.equal(Buffer.from(header.replace('Basic ', ''), 'base64').toString(), 'ann:pass:wörd');
});

test('a connection with a token that was issued elsewhere', async () => {
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const { status, body } = await create({
        provider_config_key: 'oauth',
        connection_id: 'token',
        credentials: { type: 'OAUTH2', access_token: 'gho_token', refresh_token: 'ghr_refresh', expires_at }
    });
    assert.equal(status, 201, JSON.stringify(body));
    const { credentials } = await server.ok('GET', path('token', 'oauth'));
    assert.equal(credentials.type, 'OAUTH2');
    assert.equal(credentials.access_token, 'gho_token');
    assert.equal(credentials.refresh_token, undefined, 'only when asked for');
    const full = await server.ok('GET', `${path('token', 'oauth')}&refresh_token=true`);
    assert.equal(full.credentials.refresh_token, 'ghr_refresh');
    assert.equal(await sent('token', 'oauth'), 'Bearer gho_token');
});

test('credentials must be those of the provider, complete', async () => {
    const wrong: [string, object][] = [
        ['bearer', { type: 'BASIC', username: 'a', password: 'b' }],
        ['bearer', { type: 'API_KEY' }],
        ['bearer', { type: 'API_KEY', apiKey: 7 }],
        ['basic', { type: 'BASIC', password: 'b' }],
        ['oauth', { type: 'OAUTH2' }],
        ['fake', { type: 'NO_SUCH' }]
    ];
    for (const [provider_config_key, credentials] of wrong) {
        const { status, body } = await create({ provider_config_key, connection_id: 'wrong', credentials });
        assert.equal(status, 400, `${provider_config_key} ${JSON.stringify(credentials)}`);
        assert.equal(body.error.code, 'invalid_body');
    }
    const unknown = await create({ provider_config_key: 'nope', credentials: { type: 'NONE' } });
    assert.equal(unknown.status, 404);
    assert.equal(unknown.body.error.code, 'not_found');
});

test('ids may hold slashes, quotes, spaces and more', async () => {
    const ids = ['a/b/c', 'it\'s "quoted"', 'with space', '{x}|[y]$z', 'back\\slash', 'a/metadata', 'mail+tag@host.test', 'a=b;c,d:e~f', '1e2', 'ünïcode'.replace(/[^ -~]/g, 'u')];
    for (const id of ids) {
        assert.equal((await create({ provider_config_key: 'fake', connection_id: id, credentials: { type: 'NONE' } })).status, 201, id);
        assert.equal((await server.ok('GET', path(id))).connection_id, id);
        assert.equal((await server.ok('GET', `/connections?connectionId=${encodeURIComponent(id)}`)).connections.length, 1, id);
    }
    // As the SDK sends them: not encoded.
    assert.equal((await server.ok('GET', '/connections/a/b/c?provider_config_key=fake')).connection_id, 'a/b/c');
    assert.equal((await server.ok('GET', '/connections/with%20space?provider_config_key=fake')).connection_id, 'with space');
    assert.equal((await server.ok('GET', '/connection/a/b/c?provider_config_key=fake')).connection_id, 'a/b/c');
    assert.equal((await create({ provider_config_key: 'fake', connection_id: 'snow\u2603', credentials: { type: 'NONE' } })).status, 400);
    assert.equal((await create({ provider_config_key: 'fake', connection_id: 'x'.repeat(256), credentials: { type: 'NONE' } })).status, 400);
});

test('without an id it gets a UUID', async () => {
    const { body } = await create({ provider_config_key: 'fake', credentials: { type: 'NONE' } });
    assert.match(body.connection_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
});

test('a connection that is made again has new credentials, and the app is told which it was', async () => {
    const about = (operation: string) =>
        app.hooks(1, ({ body }) => body.type === 'auth' && body.connectionId === 'again' && body.operation === operation);
    const body = { provider_config_key: 'bearer', connection_id: 'again', connection_config: { baseUrl: fake.url } };
    assert.equal((await create({ ...body, credentials: { type: 'API_KEY', apiKey: 'one' }, end_user: { id: 'u1', email: 'u1@example.com' }, tags: { Plan: 'pro' } })).status, 201);
    const [created] = await about('creation');
    assert.deepEqual(created!.body, {
        authMode: 'API_KEY',
        connectionId: 'again',
        endUser: { endUserEmail: 'u1@example.com', endUserId: 'u1', tags: {} },
        environment: 'dev',
        from: 'nango',
        operation: 'creation',
        provider: 'private-api-bearer',
        providerConfigKey: 'bearer',
        success: true,
        tags: { plan: 'pro' },
        type: 'auth'
    });
    const first = await server.ok('GET', path('again', 'bearer'));
    assert.equal(first.end_user.id, 'u1');
    assert.deepEqual(first.tags, { plan: 'pro' });

    assert.equal((await create({ ...body, credentials: { type: 'API_KEY', apiKey: 'two' } })).status, 201);
    await about('override');
    assert.equal(await sent('again', 'bearer'), 'Bearer two');
    assert.equal((await server.ok('GET', path('again', 'bearer'))).id, first.id);
});

test('metadata is replaced by POST and merged by PATCH', async () => {
    await create({ provider_config_key: 'fake', connection_id: 'm1', credentials: { type: 'NONE' }, metadata: { start: 1 } });
    await create({ provider_config_key: 'fake', connection_id: 'm2', credentials: { type: 'NONE' } });
    const read = async (id: string) => (await server.ok('GET', path(id))).metadata;
    const write = (method: string, connection_id: unknown, metadata: unknown) =>
        server.api(method, '/connections/metadata', { connection_id, provider_config_key: 'fake', metadata });
    assert.deepEqual(await read('m1'), { start: 1 });

    const set = await write('POST', 'm1', { a: { deep: [1, 'x', null] }, b: 2 });
    assert.equal(set.status, 201);
    assert.deepEqual(set.body, { connection_id: 'm1', provider_config_key: 'fake', metadata: { a: { deep: [1, 'x', null] }, b: 2 } });
    const merged = await write('PATCH', 'm1', { a: { other: true }, c: 3 });
    assert.equal(merged.status, 200);
    assert.deepEqual(await read('m1'), { a: { other: true }, b: 2, c: 3 }, 'only the top level is merged');

    assert.equal((await write('POST', ['m1', 'm2'], { both: true })).status, 201);
    assert.deepEqual([await read('m1'), await read('m2')], [{ both: true }, { both: true }]);

    const some = await write('POST', ['m1', 'missing'], { lost: true });
    assert.equal(some.status, 404);
    assert.equal(some.body.error.code, 'unknown_connection');
    assert.deepEqual(await read('m1'), { both: true }, 'all or nothing');
    assert.equal((await write('POST', 'm1', 'text')).status, 400);
    assert.equal((await write('POST', 'm1', undefined)).status, 400);

    assert.equal((await server.api('POST', '/connection/m1/metadata?provider_config_key=fake', { old: 'way' })).status, 201);
    assert.equal((await server.api('PATCH', '/connection/m1/metadata', { more: 1 }, { 'provider-config-key': 'fake' })).status, 200);
    assert.deepEqual(await read('m1'), { old: 'way', more: 1 });
});

test('the list is newest first, and can be narrowed', async () => {
    for (const id of ['list-1', 'list-2', 'list-3'])
        await create({ provider_config_key: 'basic', connection_id: id, credentials: { type: 'BASIC', username: id, password: 'p' }, tags: { group: id === 'list-2' ? 'b' : 'a' } });
    const list = async (query: string) => (await server.ok('GET', `/connections?${query}`)).connections;
    const ids = async (query: string) => (await list(query)).map((each: any) => each.connection_id);

    assert.deepEqual(await ids('search=list-'), ['list-3', 'list-2', 'list-1']);
    assert.deepEqual(await ids('search=list-&limit=2'), ['list-3', 'list-2']);
    assert.deepEqual(await ids('search=list-&limit=2&page=1'), ['list-1']);
    assert.deepEqual(await ids('integrationId=basic&search=list-2'), ['list-2']);
    assert.deepEqual(await ids('tags[group]=a&search=list-'), ['list-3', 'list-1']);
    assert.deepEqual(await ids('connectionId=list'), [], 'exactly that id');
    const [one] = await list('connectionId=list-2');
    assert.deepEqual(Object.keys(one).sort(), ['connection_id', 'created', 'end_user', 'errors', 'id', 'metadata', 'provider', 'provider_config_key', 'tags']);
    assert.equal((await server.api('GET', '/connections?limit=0')).status, 400);
});

test('deleting', async () => {
    await create({ provider_config_key: 'fake', connection_id: 'gone', credentials: { type: 'NONE' } });
    assert.deepEqual(await server.ok('DELETE', path('gone')), { success: true });
    const again = await server.api('DELETE', path('gone'));
    assert.equal(again.status, 400);
    assert.equal(again.body.error.code, 'unknown_connection');
    const read = await server.api('GET', path('gone'));
    assert.equal(read.status, 404);
    assert.equal(read.body.error.code, 'not_found');
    const elsewhere = await server.api('GET', path('gone', 'no-such'));
    assert.equal(elsewhere.status, 400);
    assert.equal(elsewhere.body.error.code, 'unknown_provider_config');
    assert.equal((await server.api('GET', '/connections/gone')).status, 400, 'whose?');
    assert.equal((await create({ provider_config_key: 'fake', connection_id: 'gone', credentials: { type: 'NONE' } })).status, 201);
});

test('end user, tags and webhook URL can be changed', async () => {
    await create({ provider_config_key: 'fake', connection_id: 'patched', credentials: { type: 'NONE' } });
    assert.deepEqual(await server.ok('PATCH', path('patched'), { end_user: { id: 'u2', display_name: 'Uma' }, tags: { Tier: 'x' }, webhook_url_override: `${app.url}/own` }), { success: true });
    const read = await server.ok('GET', path('patched'));
    assert.deepEqual([read.end_user.id, read.end_user.display_name, read.tags, read.webhook_url_override], ['u2', 'Uma', { tier: 'x' }, `${app.url}/own`]);
    await server.ok('PATCH', path('patched'), { webhook_url_override: '' });
    assert.equal((await server.ok('GET', path('patched'))).webhook_url_override, null);
    assert.equal((await server.api('PATCH', path('patched'), { nothing: 1 })).status, 400);
});

const filesOf = (dir: string) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name, parentPath }) => ({ name, bytes: readFileSync(join(parentPath, name)) }));

/** All there is in a PostgreSQL database, binary columns in hexadecimal. */
async function dump(url: string): Promise<Buffer> {
    const { code, stdout, stderr } = await run('pg_dump', ['-d', url]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /COPY public\.record_feed/);
    return Buffer.from(stdout);
}

test('a secret is in no log and in no file in clear, and neither are records', async () => {
    const secret = `sekret-${randomUUID()}`;
    const record = `payload-${randomUUID()}`;
    const password = `password-${randomUUID()}`;
    const client = `client-${randomUUID()}`;
    await server.deploy({
        'bearer/syncs/items': sync(`
        const { data } = await nango.get({ endpoint: '/secret', headers: { 'x-other': 'visible' } });
        const { credentials } = await nango.getConnection();
        await nango.log('here I am', { authorization: 'Bearer ' + credentials.apiKey });
        await nango.batchSave([{ id: '1', text: data.text }], 'Item');
        try { await nango.get({ endpoint: '/fails?key=' + credentials.apiKey }); } catch {}`)
    });
    fake.on('GET', '/secret', json({ text: record }));
    fake.on('GET', '/fails', json({ error: 'no' }, 500));
    await create({
        provider_config_key: 'bearer',
        connection_id: 'secret',
        credentials: { type: 'API_KEY', apiKey: secret },
        connection_config: { baseUrl: fake.url }
    });
    await create({ provider_config_key: 'basic', connection_id: 'secret', credentials: { type: 'BASIC', username: 'u', password } });
    await server.ok('POST', '/integrations', { provider: 'github', unique_key: 'secret-app', credentials: { type: 'OAUTH2', client_id: 'c', client_secret: client } });
    const [hook] = await app.syncs(1, (body) => body.connectionId === 'secret');
    assert.equal(hook.success, true, JSON.stringify(hook));
    assert.ok(fake.requests.some(({ path, headers }) => path === '/secret' && headers.authorization === `Bearer ${secret}`));

    await server.said('secret', /here I am/);
    await server.said('secret', /\/fails/);
    const { data } = await server.ok('GET', '/logs/operations?connection=secret&limit=100');
    for (const operation of data) {
        const messages = await server.ok('GET', `/logs/operations/${operation.id}/messages?limit=1000`);
        for (const message of messages.data) assert.ok(!JSON.stringify(message).includes(secret), `in the users' log: ${JSON.stringify(message)}`);
    }
    assert.ok(!server.log.join('\n').includes(secret), 'the log of the server');
    const kept = server.database ? [{ name: 'the database', bytes: await dump(server.database) }] : filesOf(server.data);
    assert.ok(kept.length > 0);
    for (const { name, bytes } of kept)
        for (const clear of [secret, record, password, client, server.key])
            for (const text of [clear, Buffer.from(clear).toString('hex')]) assert.ok(!bytes.includes(text), `${clear.slice(0, 8)} in ${name}`);
});
