/* Webhooks of providers: stored, routed to functions, never run twice, never lost. */

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { App, Server, serverWithApp, sync, until } from './harness.ts';

let server: Server;
let app: App;
let url: string;

const ON_WEBHOOK = `webhookSubscriptions: ['item.saved', 'item.deleted', 'fails', 'slow'],
    onWebhook: async (nango, payload) => {
        await nango.log('got ' + payload.type);
        if (payload.type === 'fails') throw new Error('the handler fails');
        if (payload.type === 'item.deleted') await nango.batchDelete([{ id: payload.item.id }], 'Item');
        else await nango.batchSave([payload.item], 'Item');
    },`;

before(async () => {
    ({ server, app } = await serverWithApp());
    await server.integration();
    await server.deploy({ 'fake/syncs/items': sync(`await nango.batchSave([{ id: 'scheduled' }], 'Item');`, { autoStart: false, more: ON_WEBHOOK }) });
    for (const id of ['c1', 'c2']) await server.connection(id, 'http://127.0.0.1:1');
    url = await address('fake');
});
after(async () => {
    await server.stop();
    app.close();
});

const address = async (integration: string) => (await server.ok('GET', `/integrations/${integration}?include=webhook`)).data.webhook_url as string;

function send(to: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(to, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
}

const event = (type: string, connectionId: string, item: object) => ({ type, connectionId, item });
const about = (id: string) => (body: any) => body.connectionId === id && body.syncType === 'WEBHOOK';

test('an event becomes a record, and the app is told', async () => {
    const answer = await send(url, event('item.saved', 'c1', { id: '1', name: 'one' }));
    assert.equal(answer.status, 200);
    const [hook] = await app.syncs(1, about('c1'));
    assert.equal(hook.success, true);
    assert.equal(hook.syncName, 'items');
    assert.equal(hook.model, 'Item');
    assert.deepEqual(hook.responseResults, { added: 1, deleted: 0, updated: 0 });
    const [record] = await server.records('c1', 'Item');
    assert.deepEqual([record.id, record.name], ['1', 'one']);
    assert.deepEqual(await server.records('c2', 'Item'), []);
    await server.said('c1', /got item.saved/);

    await send(url, event('item.deleted', 'c1', { id: '1' }));
    const hooks = await app.syncs(2, about('c1'));
    assert.deepEqual(hooks[1].responseResults, { added: 0, deleted: 1, updated: 0 });
});

test('the app gets the event itself too', async () => {
    const [hook] = await app.hooks(1, ({ body }) => body.type === 'forward' && body.connectionId === 'c1');
    assert.equal(hook!.body.providerConfigKey, 'fake');
    assert.deepEqual(hook!.body.payload, event('item.saved', 'c1', { id: '1', name: 'one' }));
});

test('a repeat is acknowledged and not run again', async () => {
    const body = event('item.saved', 'c2', { id: 'once' });
    const id = { 'webhook-id': `msg_${randomUUID()}` };
    for (let i = 0; i < 3; i++) assert.equal((await send(url, body, id)).status, 200);
    // Others behind it: a second run of the first event would have been queued before them.
    for (const item of ['second', 'third']) await send(url, event('item.saved', 'c2', { id: item }), { 'webhook-id': `msg_${randomUUID()}` });
    await app.syncs(1, (hook) => about('c2')(hook), 15_000);
    await app.hooks(1, () => app.webhooks.filter(({ body: hook }) => about('c2')(hook)).reduce((sum, { body: hook }) => sum + hook.responseResults.added, 0) === 3);
    const lines = () => server.messages('c2').then((all) => all.filter((line) => line.includes('got item.saved')).length);
    await until('three lines', async () => (await lines()) >= 3);
    assert.equal(await lines(), 3);
    assert.equal((await server.records('c2', 'Item')).filter(({ id }) => id === 'once').length, 1);
});

test('a handler that fails is told as an error of the sync', async () => {
    assert.equal((await send(url, event('fails', 'c1', {}))).status, 200);
    const [hook] = await app.syncs(1, (body) => body.connectionId === 'c1' && body.success === false);
    assert.match(hook.error.description, /the handler fails/);
});

test('events that are nobody\'s are acknowledged', async () => {
    for (const body of [event('not.subscribed', 'c1', {}), event('item.saved', 'no-such-connection', { id: 'x' }), { hello: 'world' }]) {
        const { status } = await send(url, body);
        assert.ok(status === 200 || status === 204, JSON.stringify(body));
    }
    assert.ok(!(await server.messages('c1')).some((line) => line.includes('not.subscribed')));
});

test('unknown environments and integrations', async () => {
    const other = url.replace(/webhook\/[^/]+/, `webhook/${randomUUID()}`);
    const environment = await send(other, {});
    assert.equal(environment.status, 404);
    assert.equal(((await environment.json()) as any).error.code, 'unknown_environment');
    const integration = await send(url.replace(/fake$/, 'nope'), {});
    assert.equal(integration.status, 404);
    assert.equal(((await integration.json()) as any).error.code, 'unknown_provider_config');
    assert.equal((await send(url.replace(/webhook\/[^/]+/, 'webhook/none'), {})).status, 400);
});

test('bodies that are no JSON harm nothing', async () => {
    for (const body of ['', '{', 'a=b&c=d', '\u0000', '[]', 'null', '{"type":{"a":1},"connectionId":7}']) {
        const { status } = await send(url, body);
        assert.ok(status < 500, `${body}: ${status}`);
    }
    const form = await fetch(url, { method: 'POST', body: new URLSearchParams({ type: 'item.saved' }) });
    assert.ok(form.status < 500);
    assert.equal((await server.api('GET', '/ready')).status, 200);
});

const hmac = (secret: string, text: string, encoding: 'hex' | 'base64' = 'hex') => createHmac('sha256', secret).update(text).digest(encoding);

test('where a secret is set, only what is signed with it counts', async () => {
    const secret = 'the-hook-secret';
    await server.ok('POST', '/integrations', { provider: 'github', unique_key: 'gh', credentials: { type: 'OAUTH2', client_id: 'c', client_secret: 's' }, custom: { webhookSecret: secret } });
    await server.ok('POST', '/integrations', { provider: 'unauthenticated', unique_key: 'own', custom: { webhookSecret: secret } });
    const body = JSON.stringify({ action: 'opened', installation: { id: 7 } });
    for (const [integration, header] of [['gh', 'x-hub-signature-256'], ['own', 'x-signature-256']] as const) {
        const to = await address(integration);
        const sign = (key: string) => ({ [header]: `sha256=${hmac(key, body)}` });
        assert.equal((await send(to, body)).status, 401, `${integration}: no signature`);
        assert.equal((await send(to, body, { [header]: '' })).status, 401, `${integration}: an empty one`);
        assert.equal((await send(to, body, sign('another'))).status, 401, `${integration}: a wrong one`);
        assert.equal((await send(to, `${body} `, sign(secret))).status, 401, `${integration}: of another body`);
        const good = await send(to, body, sign(secret));
        assert.ok(good.status === 200 || good.status === 204, `${integration}: ${good.status}`);
    }

    const standard = async (age: number) => {
        const [id, time] = [`msg_${randomUUID()}`, String(Math.floor(Date.now() / 1000) - age)];
        return send(await address('own'), body, { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': `v1,${hmac(secret, `${id}.${time}.${body}`, 'base64')}` });
    };
    assert.ok((await standard(0)).ok);
    assert.equal((await standard(3600)).status, 401, 'an old one that somebody sends again');
});

test('what was acknowledged survives kill -9', async () => {
    await server.connection('crash', 'http://127.0.0.1:1');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => send(url, event('item.saved', 'crash', { id: String(i) }))));
    assert.ok(answers.every(({ status }) => status === 200));
    await server.kill();
    await server.up();
    // What was on its way may come twice, under one id.
    const told = () => new Map(app.webhooks.filter(({ body }) => about('crash')(body)).map(({ headers, body }) => [headers['webhook-id'], body.responseResults.added]));
    const total = () => [...told().values()].reduce((sum, added) => sum + added, 0);
    await app.hooks(1, () => total() >= 20);
    assert.equal(total(), 20);
    assert.equal((await server.records('crash', 'Item')).length, 20);
});
