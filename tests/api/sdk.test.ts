/* The public Node SDK, unchanged, as an app uses it. */

import type { Nango } from '@nangohq/node';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Collection } from '../fake/collection.ts';
import { startFake, type Fake } from '../fake/fake.ts';
import { json, reply } from '../fake/replies.ts';
import { App, Server, serverWithApp, sync, until } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;
let nango: Nango;
const items = new Collection(5);

const ITEMS = sync(
    `
        for await (const page of nango.paginate({ endpoint: '/items', paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'cursor', response_path: 'items' } }))
            await nango.batchSave(page, 'Item');
        await nango.saveCheckpoint({ seen: true });`,
    { autoStart: false }
);

before(async () => {
    ({ server, app } = await serverWithApp());
    fake = await startFake();
    fake.on('GET', '/items', items.byCursor);
    nango = server.nango(await server.signingKey());
    await nango.createIntegration({ provider: 'unauthenticated', unique_key: 'fake' });
    await server.deploy({ 'fake/syncs/items': ITEMS });
    await server.connection('c1', fake.url);
    await server.connection('a/b "c" d', fake.url);
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

const refused = (call: Promise<unknown>, status: number, code: string) =>
    assert.rejects(call, (error: any) => {
        assert.deepEqual([error.response?.status, error.response?.data?.error?.code], [status, code]);
        return true;
    });

test('integrations', async () => {
    const created = await nango.createIntegration({ provider: 'private-api-bearer', unique_key: 'second', display_name: 'Second' });
    assert.equal(created.data.display_name, 'Second');
    assert.deepEqual((await nango.listIntegrations()).configs.map(({ unique_key }) => unique_key).sort(), ['fake', 'second']);
    assert.equal((await nango.getIntegration({ uniqueKey: 'second' })).data.provider, 'private-api-bearer');
    assert.match((await nango.getIntegration({ uniqueKey: 'second' }, { include: ['webhook'] })).data.webhook_url!, /\/webhook\//);
    assert.equal((await nango.updateIntegration({ uniqueKey: 'second' }, { display_name: 'Other' })).data.display_name, 'Other');
    assert.deepEqual((await nango.deleteIntegration('second')).data, { success: true });
    await refused(nango.getIntegration({ uniqueKey: 'second' }), 404, 'not_found');
});

test('providers', async () => {
    const { data } = await nango.listProviders({});
    assert.ok(data.some(({ name }) => name === 'github'));
    assert.equal((await nango.getProvider({ provider: 'unauthenticated' })).data.auth_mode, 'NONE');
});

test('connections', async () => {
    const { connections } = await nango.listConnections();
    assert.deepEqual(connections.map(({ connection_id }) => connection_id), ['a/b "c" d', 'c1'], 'newest first');
    assert.equal((await nango.listConnections({ connectionId: 'c1' })).connections.length, 1);
    assert.equal((await nango.listConnections({ limit: 1 })).connections.length, 1);

    const connection = await nango.getConnection('fake', 'c1');
    assert.equal(connection.connection_id, 'c1');
    assert.equal(connection.credentials.type, 'NONE');
    assert.equal((await nango.getConnection('fake', 'a/b "c" d')).connection_id, 'a/b "c" d');
    await refused(nango.getConnection('fake', 'nobody'), 404, 'not_found');
    await refused(nango.getConnection('nothing', 'c1'), 400, 'unknown_provider_config');
    await nango.patchConnection({ connectionId: 'c1', provider_config_key: 'fake' }, { tags: { plan: 'pro' } });
    assert.deepEqual((await nango.listConnections({ tags: { plan: 'pro' } })).connections.map(({ connection_id }) => connection_id), ['c1']);
});

test('metadata', async () => {
    const set = await nango.setMetadata('fake', 'c1', { a: 1, b: { c: 2 } });
    assert.deepEqual([set.status, set.data.metadata], [201, { a: 1, b: { c: 2 } }]);
    const merged = await nango.updateMetadata('fake', ['c1'], { b: 3 });
    assert.equal(merged.status, 200);
    assert.deepEqual(await nango.getMetadata('fake', 'c1'), { a: 1, b: 3 });
    await refused(nango.setMetadata('fake', 'nobody', { a: 1 }), 404, 'unknown_connection');
});

test('a sync from trigger to records', async () => {
    const hook = await app.after(() => nango.triggerSync('fake', ['items'], 'c1'), 'items');
    assert.equal(hook.responseResults.added, 5);

    const page = await nango.listRecords({ providerConfigKey: 'fake', connectionId: 'c1', model: 'Item', limit: 2 });
    assert.deepEqual(page.records.map(({ id }) => id), items.all().slice(0, 2).map(({ id }) => id));
    const rest = await nango.listRecords({ providerConfigKey: 'fake', connectionId: 'c1', model: 'Item', cursor: page.next_cursor! });
    assert.equal(rest.records.length, 3);
    assert.equal(rest.next_cursor, null);
    const drained = rest.records.at(-1)!._nango_metadata.cursor;

    items.edit(1);
    items.remove(['item-0000005']);
    await app.after(() => nango.triggerSync('fake', [{ name: 'items', variant: 'base' }], 'c1', { reset: true }), 'items');
    const fresh = await nango.listRecords<any>({ providerConfigKey: 'fake', connectionId: 'c1', model: 'Item', cursor: drained });
    assert.deepEqual(fresh.records.map(({ id, revision, _nango_metadata }) => [id, revision, _nango_metadata.last_action]), [['item-0000001', 1, 'UPDATED']]);
    const some = await nango.listRecords({ providerConfigKey: 'fake', connectionId: 'c1', model: 'Item', ids: ['item-0000002', 'item-0000003'], filter: 'added' });
    assert.equal(some.records.length, 2);
    const since = await nango.listRecords({ providerConfigKey: 'fake', connectionId: 'c1', model: 'Item', modifiedAfter: new Date(Date.now() - 60_000).toISOString() });
    assert.equal(since.records.length, 5);

    const pruned = await nango.pruneRecords({ providerConfigKey: 'fake', connectionId: 'c1', model: 'Item', untilCursor: drained });
    assert.deepEqual(pruned, { count: 4, has_more: false });
    await refused(nango.listRecords({ providerConfigKey: 'fake', connectionId: 'nobody', model: 'Item' }), 400, 'unknown_connection');
});

test('status, pause, start, frequency', async () => {
    const of = async () => (await nango.syncStatus('fake', ['items'], 'c1')).syncs[0]!;
    assert.equal((await of()).status, 'PAUSED', 'it does not start by itself');
    await app.after(() => nango.startSync('fake', ['items'], 'c1'), 'items').catch(() => {});
    await until('an end', async () => (await of()).status === 'SUCCESS');
    const status = await of();
    assert.equal(status.type, 'INITIAL', 'as it always was for syncs that are not declared incremental');
    assert.deepEqual(status.checkpoint, { seen: true });
    assert.equal(status.recordCount!['Item'], 5);
    assert.match(status.frequency!, /^(every hour|1h)$/);

    assert.deepEqual(await nango.updateSyncConnectionFrequency('fake', 'items', 'c1', 'every half hour'), { frequency: '30m' });
    assert.deepEqual(await nango.updateSyncConnectionFrequency('fake', 'items', 'c1', null), { frequency: 'every hour' });
    await refused(nango.updateSyncConnectionFrequency('fake', 'items', 'c1', 'every 1s'), 400, 'invalid_body').catch(async () => {
        await refused(nango.updateSyncConnectionFrequency('fake', 'items', 'c1', 'every 1s'), 400, 'sync_interval_too_short');
    });

    await nango.pauseSync('fake', ['items'], 'c1');
    assert.equal((await of()).status, 'PAUSED');
    assert.equal((await nango.syncStatus('fake', '*', 'c1')).syncs.length, 1);
});

test('variants', async () => {
    const made = await nango.createSyncVariant({ provider_config_key: 'fake', connection_id: 'c1', name: 'items', variant: 'small' });
    assert.equal(made.variant, 'small');
    const hook = await app.after(() => nango.triggerSync('fake', [{ name: 'items', variant: 'small' }], 'c1'), 'items', (body) => body.syncVariant === 'small');
    assert.equal(hook.responseResults.added, 4);
    assert.equal((await nango.listRecords({ providerConfigKey: 'fake', connectionId: 'c1', model: 'Item', variant: 'small' })).records.length, 4);
    assert.deepEqual(await nango.deleteSyncVariant({ provider_config_key: 'fake', connection_id: 'c1', name: 'items', variant: 'small' }), { success: true });
});

test('requests through the proxy', async () => {
    fake.on('GET', '/things', json({ things: [1] }, 200, { 'x-request-id': 'r1' }));
    fake.on('POST', '/things', json({ made: true }, 201));
    fake.on('GET', '/teapot', json({ short: 'stout' }, 418));
    fake.on('GET', '/binary', reply(200, { 'content-type': 'application/octet-stream' }, Buffer.from([0, 1, 255, 10])));
    const to = { providerConfigKey: 'fake', connectionId: 'c1' };

    const got = await nango.get({ ...to, endpoint: '/things', params: { q: 'a b', list: ['1', '2'] }, headers: { 'x-own': 'mine' } });
    assert.deepEqual([got.status, got.data, got.headers['x-request-id']], [200, { things: [1] }, 'r1']);
    const [request] = fake.requests.filter(({ path }) => path === '/things');
    assert.deepEqual([request!.query.get('q'), request!.headers['x-own'], request!.headers['connection-id'], request!.headers.authorization], ['a b', 'mine', undefined, undefined]);

    const posted = await nango.post({ ...to, endpoint: '/things', data: { name: 'x' } });
    assert.deepEqual([posted.status, posted.data], [201, { made: true }]);
    assert.deepEqual(JSON.parse(fake.requests.at(-1)!.body), { name: 'x' });

    await assert.rejects(nango.get({ ...to, endpoint: '/teapot' }), (error: any) => {
        assert.deepEqual([error.response.status, error.response.data], [418, { short: 'stout' }]);
        return true;
    });
    const binary = await nango.get({ ...to, endpoint: '/binary', responseType: 'arraybuffer' });
    assert.deepEqual([...Buffer.from(binary.data as any)], [0, 1, 255, 10]);
    for (const method of ['put', 'patch', 'delete'] as const) {
        fake.on(method.toUpperCase(), '/things/1', json({ method }));
        assert.deepEqual((await nango[method]({ ...to, endpoint: '/things/1', data: { a: 1 } })).data, { method });
    }
    await refused(nango.get({ ...to, providerConfigKey: 'nothing', endpoint: '/x' }), 404, 'unknown_provider_config');
    await assert.rejects(nango.get({ ...to, connectionId: 'nobody', endpoint: '/x' }), (error: any) => error.response.status === 400);
    await assert.rejects(nango.get({ ...to, endpoint: '/x', baseUrlOverride: 'http://169.254.169.254' }), (error: any) => error.response.status >= 400);
});

test('webhooks verify, tampered ones do not', async () => {
    const [hook] = await app.hooks(1, ({ body }) => body.type === 'sync');
    assert.equal(nango.verifyIncomingWebhookRequest(hook!.raw, hook!.headers), true);
    assert.equal(nango.verifyIncomingWebhookRequest(hook!.raw.replace('"added":5', '"added":6'), hook!.headers), false);
    assert.equal(nango.verifyIncomingWebhookRequest(hook!.raw, { ...hook!.headers, 'x-nango-hmac-sha256': '0'.repeat(64) }), false);
    const other = server.nango('11111111-1111-4111-8111-111111111111');
    assert.equal(other.verifyIncomingWebhookRequest(hook!.raw, hook!.headers), false);
});

test('the rest of what an app asks', async () => {
    assert.deepEqual(await nango.getEnvironmentVariables(), []);
    const [config] = (await nango.getScriptsConfig()) as any[];
    assert.equal(config.providerConfigKey, 'fake');
    assert.equal(config.syncs[0].name, 'items');
    const { data } = await nango.listFunctions({ uniqueKey: 'fake' });
    assert.deepEqual(data.map(({ name, type }: any) => [name, type]), [['items', 'sync']]);
    assert.match((await nango.getFunctionCode({ uniqueKey: 'fake', name: 'items' })).code, /createSync/);
});

test('deleting a connection', async () => {
    const gone = await nango.deleteConnection('fake', 'a/b "c" d');
    assert.deepEqual(gone.data, { success: true });
    await refused(nango.deleteConnection('fake', 'a/b "c" d'), 400, 'unknown_connection');
});
