/* Webhooks to the app: signed, in order, until they arrive. */

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { App, play, Server, scripted, serverWithApp, sync, until, type Webhook } from './harness.ts';

let server: Server;
let app: App;
before(async () => {
    ({ server, app } = await serverWithApp());
    await server.integration();
    await server.deploy({ 'fake/syncs/items': scripted, 'fake/syncs/other': sync(`await nango.batchSave([{ id: '1' }], 'Other');`, { model: 'Other', autoStart: false }) });
});
after(async () => {
    await server.stop();
    app.close();
});

const connect = (id: string, more: object = {}) => server.connection(id, 'http://127.0.0.1:1', 'fake', more);
const of = (connection: string) => (hook: Webhook) => hook.body.type === 'sync' && hook.body.connectionId === connection;
const save = (connection: string, id: string) => play(server, app, connection, [['batchSave', [{ id }], 'Item']]);
const header = (hook: Webhook, name: string) => String(hook.headers[name]);

function sorted(value: any): any {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

test('every signature verifies, over bytes whose keys are sorted', async () => {
    const key = await server.signingKey();
    assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    await connect('signed', { metadata: {} });
    await play(server, app, 'signed', [['saveCheckpoint', { z: 'ü😀', a: 1 }], ['batchSave', [{ id: 'ü' }], 'Item']]);
    const [hook] = await app.hooks(1, of('signed'));
    const { raw } = hook!;
    assert.equal(raw, JSON.stringify(sorted(JSON.parse(raw))));
    assert.ok(raw.includes('ü😀'), 'UTF-8, not escapes');
    assert.equal(header(hook!, 'x-nango-signature'), createHash('sha256').update(key + raw).digest('hex'));
    assert.equal(header(hook!, 'x-nango-hmac-sha256'), createHmac('sha256', key).update(raw).digest('hex'));
    const id = header(hook!, 'webhook-id');
    const time = header(hook!, 'webhook-timestamp');
    assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 60);
    const signatures = header(hook!, 'webhook-signature').split(' ');
    assert.ok(signatures.includes(`v1,${createHmac('sha256', key).update(`${id}.${time}.${raw}`).digest('base64')}`));
    assert.match(header(hook!, 'content-type'), /^application\/json/);
    assert.ok(header(hook!, 'user-agent').length > 3);
});

test('a 500 is tried again, in the order of the runs, and keeps nobody else waiting', async () => {
    await connect('slow');
    await connect('quick');
    let failures = 0;
    app.answer = (hook) => (of('slow')(hook) && failures++ === 0 ? 500 : 200);
    await save('slow', '1');
    await server.ok('POST', '/connections/metadata', { provider_config_key: 'fake', connection_id: 'slow', metadata: { ops: [['batchSave', [{ id: '2' }], 'Item']] } });
    await server.trigger('items', 'slow');
    await server.trigger('other', 'slow');
    await save('quick', '1');
    const [otherSync] = await app.hooks(1, (hook) => of('slow')(hook) && hook.body.syncName === 'other');
    assert.ok(otherSync, 'another sync is another queue');
    assert.equal(app.webhooks.filter((hook) => of('slow')(hook) && hook.body.syncName === 'items').length, 1, 'the second waits for the first');

    const hooks = await app.hooks(3, (hook) => of('slow')(hook) && hook.body.syncName === 'items');
    assert.equal(hooks[0]!.raw, hooks[1]!.raw);
    assert.equal(header(hooks[0]!, 'webhook-id'), header(hooks[1]!, 'webhook-id'), 'so that the app can tell');
    assert.equal(hooks[2]!.body.syncType, 'INCREMENTAL');
    app.answer = () => 200;
});

test('400 is an answer: it is not tried again', async () => {
    await connect('refused');
    app.answer = (hook) => (of('refused')(hook) ? 400 : 200);
    await save('refused', '1');
    app.answer = () => 200;
    await save('refused', '2');
    await save('refused', '3');
    const hooks = app.webhooks.filter(of('refused'));
    assert.equal(hooks.length, 3);
    assert.equal(new Set(hooks.map((hook) => header(hook, 'webhook-id'))).size, 3);
});

test('a connection can have an address of its own', async () => {
    const own = await App.start();
    await connect('override', { webhook_url_override: own.url });
    await server.ok('POST', '/connections/metadata', { provider_config_key: 'fake', connection_id: 'override', metadata: { ops: [['batchSave', [{ id: '1' }], 'Item']] } });
    await server.trigger('items', 'override');
    await own.hooks(1, of('override'));
    assert.equal(app.webhooks.filter(of('override')).length, 0);
    own.close();
});

test('what the environment wants to hear of can be set', async () => {
    const set = (settings: object) => server.ok('PATCH', '/api/v1/environments/webhook?env=dev', settings);
    assert.deepEqual(await set({ on_sync_completion_always: false }), { success: true });
    await connect('silent');
    await save('silent', '1');
    // Nothing changes: no webhook. The run after it is the next that is told of.
    await server.trigger('items', 'silent');
    await until('the run', async () => (await server.statusOf('items', 'silent')).latestResult?.Item?.added === 0 || Object.keys((await server.statusOf('items', 'silent')).latestResult ?? {}).length === 0);
    await save('silent', '2');
    assert.deepEqual(app.webhooks.filter(of('silent')).map(({ body }) => body.responseResults.added), [1, 1]);
    const second = await App.start();
    await set({ on_sync_completion_always: true, secondary_url: second.url });
    await save('silent', '3');
    await second.hooks(1, of('silent'));
    await set({ secondary_url: '' });
    second.close();
    assert.equal((await server.api('PATCH', '/api/v1/environments/webhook?env=dev', { primary_url: 'no url' })).status, 400);
});

test('what is owed survives a crash while the app is away', async () => {
    const here = await serverWithApp();
    await here.server.integration();
    await here.server.deploy({ 'fake/syncs/items': scripted });
    await here.server.connection('c1', 'http://127.0.0.1:1', 'fake', { metadata: { ops: [['batchSave', [{ id: '1' }], 'Item']] } });
    await here.app.hooks(1, ({ body }) => body.type === 'auth');
    here.app.close();
    await here.server.trigger('items', 'c1');
    await until('the run', async () => (await here.server.statusOf('items', 'c1')).latestExecutionStatus === 'SUCCESS');
    await here.server.kill();

    const back = await App.start(here.app.port);
    await here.server.up();
    const [hook] = await back.syncs(1);
    assert.deepEqual([hook.connectionId, hook.responseResults.added, hook.syncType], ['c1', 1, 'INITIAL']);
    await here.server.stop();
    assert.equal(back.webhooks.length, 1);
    back.close();
});

test('what was on its way when the server died is sent again, under the same id', async () => {
    const here = await serverWithApp();
    await here.server.integration();
    await here.server.deploy({ 'fake/syncs/items': scripted });
    await here.server.connection('c1', 'http://127.0.0.1:1', 'fake', { metadata: { ops: [['batchSave', [{ id: '1' }], 'Item']] } });
    await here.app.hooks(1, ({ body }) => body.type === 'auth');
    const isSync = ({ body }: Webhook) => body.type === 'sync';
    here.app.answer = (hook) => {
        // Before the answer gets there.
        if (isSync(hook) && here.app.webhooks.filter(isSync).length === 1) process.kill(here.server.pid, 'SIGKILL');
        return 200;
    };
    await here.server.trigger('items', 'c1');
    await here.app.hooks(1, isSync);
    await here.server.ended();
    await here.server.up();
    const hooks = await here.app.hooks(2, isSync);
    assert.equal(hooks[0]!.raw, hooks[1]!.raw);
    assert.equal(header(hooks[0]!, 'webhook-id'), header(hooks[1]!, 'webhook-id'));
    await here.server.stop();
    here.app.close();
});
