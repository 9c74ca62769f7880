/* Integrations: a provider as one environment uses it. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from './harness.ts';

let server: Server;
before(async () => {
    server = await Server.start();
});
after(() => server.stop());

const create = (body: object) => server.api('POST', '/integrations', body);
const OAUTH = { type: 'OAUTH2', client_id: 'the-client', client_secret: 'the-secret', scopes: 'a,b' };

test('an integration is created, read, listed, changed and deleted', async () => {
    const created = await create({ provider: 'unauthenticated', unique_key: 'first', display_name: 'The first' });
    assert.equal(created.status, 200);
    const { data } = created.body;
    assert.deepEqual(Object.keys(data), ['unique_key', 'provider', 'display_name', 'logo', 'forward_webhooks', 'created_at', 'updated_at']);
    assert.deepEqual([data.unique_key, data.provider, data.display_name, data.forward_webhooks], ['first', 'unauthenticated', 'The first', true]);
    assert.match(data.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(URL.canParse(data.logo), data.logo);

    assert.deepEqual((await server.ok('GET', '/integrations/first')).data, data);
    assert.deepEqual((await server.ok('GET', '/integrations')).data.find((each: any) => each.unique_key === 'first'), data);

    const changed = await server.ok('PATCH', '/integrations/first', { display_name: 'Other', forward_webhooks: false });
    assert.deepEqual([changed.data.display_name, changed.data.forward_webhooks], ['Other', false]);
    const renamed = await server.ok('PATCH', '/integrations/first', { unique_key: 'second' });
    assert.equal(renamed.data.unique_key, 'second');
    assert.equal((await server.api('GET', '/integrations/first')).status, 404);

    assert.deepEqual(await server.ok('DELETE', '/integrations/second'), { success: true });
    const gone = await server.api('GET', '/integrations/second');
    assert.equal(gone.status, 404);
    assert.equal(gone.body.error.code, 'not_found');
    assert.equal((await server.api('DELETE', '/integrations/second')).status, 404);
    assert.equal((await server.api('PATCH', '/integrations/second', { display_name: 'x' })).status, 404);
    assert.equal((await create({ provider: 'unauthenticated', unique_key: 'second' })).status, 200, 'the key is free again');
});

test('without a display name it has the name of its provider', async () => {
    const { body } = await create({ provider: 'github-pat', unique_key: 'named' });
    assert.match(body.data.display_name, /GitHub/);
});

test('keys that are taken, providers and keys that cannot be', async () => {
    await create({ provider: 'unauthenticated', unique_key: 'taken' });
    const refused: [string, object, string][] = [
        ['taken', { provider: 'unauthenticated', unique_key: 'taken' }, 'unique_key'],
        ['unknown provider', { provider: 'no-such-provider', unique_key: 'x1' }, 'provider'],
        ['slash', { provider: 'unauthenticated', unique_key: 'a/b' }, 'unique_key'],
        ['empty', { provider: 'unauthenticated', unique_key: '' }, 'unique_key'],
        ['long', { provider: 'unauthenticated', unique_key: 'a'.repeat(256) }, 'unique_key'],
        ['display name', { provider: 'unauthenticated', unique_key: 'x2', display_name: '' }, 'display_name']
    ];
    for (const [name, body, path] of refused) {
        const answer = await create(body);
        assert.equal(answer.status, 400, name);
        assert.equal(answer.body.error.code, 'invalid_body', name);
        assert.deepEqual(answer.body.error.errors[0].path, [path], name);
    }
});

test('keys may hold spaces, dots, colons and such', async () => {
    const key = 'My int: 1.0@eu ~x_-';
    assert.equal((await create({ provider: 'unauthenticated', unique_key: key })).status, 200);
    assert.equal((await server.ok('GET', `/integrations/${encodeURIComponent(key)}`)).data.unique_key, key);
});

test('an app that signs people in needs credentials of the right kind', async () => {
    const missing = await create({ provider: 'github', unique_key: 'gh' });
    assert.equal(missing.status, 400);
    assert.equal(missing.body.error.code, 'invalid_body');
    assert.equal((await create({ provider: 'github', unique_key: 'gh', credentials: { type: 'OAUTH2', client_id: 'x' } })).status, 400);
    const other = { type: 'APP', app_id: '1', app_link: 'https://example.com/app', private_key: 'k' };
    assert.equal((await create({ provider: 'github', unique_key: 'gh', credentials: other })).status, 400);

    assert.equal((await create({ provider: 'github', unique_key: 'gh', credentials: OAUTH })).status, 200);
    const plain = await server.ok('GET', '/integrations/gh');
    assert.ok(!JSON.stringify(plain).includes('the-secret'), 'credentials only when asked for');
    const { data } = await server.ok('GET', '/integrations/gh?include=credentials&include=webhook');
    assert.equal(data.credentials.type, 'OAUTH2');
    assert.equal(data.credentials.client_id, 'the-client');
    assert.equal(data.credentials.client_secret, 'the-secret');
    assert.equal(data.credentials.scopes, 'a,b');
    assert.ok(data.webhook_url);

    await server.ok('PATCH', '/integrations/gh', { credentials: { ...OAUTH, client_secret: 'newer' } });
    assert.equal((await server.ok('GET', '/integrations/gh?include=credentials')).data.credentials.client_secret, 'newer');
});

test('include says what else to tell', async () => {
    await create({ provider: 'unauthenticated', unique_key: 'inc' });
    const { data } = await server.ok('GET', '/integrations/inc?include=webhook');
    assert.match(data.webhook_url, /^http:\/\/127\.0\.0\.1:\d+\/webhook\/[0-9a-f-]{36}\/inc$/);
    assert.equal((await server.ok('GET', '/integrations/inc?include=credentials')).data.credentials, null);
    const wrong = await server.api('GET', '/integrations/inc?include=everything');
    assert.equal(wrong.status, 400);
    assert.equal(wrong.body.error.code, 'invalid_query_params');
});

test('an integration with connections keeps its key, and takes them along when it goes', async () => {
    await create({ provider: 'unauthenticated', unique_key: 'busy' });
    await server.connection('c1', 'http://127.0.0.1:1', 'busy');
    const renamed = await server.api('PATCH', '/integrations/busy', { unique_key: 'calm' });
    assert.equal(renamed.status, 400);
    assert.equal(renamed.body.error.code, 'invalid_body');

    await server.ok('DELETE', '/integrations/busy');
    const { connections } = await server.ok('GET', '/connections?connectionId=c1');
    assert.deepEqual(connections, []);
});
