/* Every member of the nango object, as actions, webhook handlers and event functions see it, with the errors they can observe. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { json } from '../fake/replies.ts';
import { App, Server, serverWithApp, until } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;

/** What a function sees of a value or of an error. */
const SHAPE = `
const shape = async (what: () => unknown): Promise<any> => {
    try {
        const value: any = await what();
        return { value: value && value.data !== undefined && value.status ? { status: value.status, data: value.data } : value === undefined ? 'undefined' : value };
    } catch (e: any) {
        return { name: e.name, message: e.message, code: e.code, axios: e.isAxiosError === true, status: e.response?.status ?? null,
            error: e.response?.data?.error ?? null, is: e instanceof Error, payload: e.payload, type: e.type };
    }
};
`;

const action = (body: string) => `import { createAction } from 'nango';
import { z } from 'zod';
${SHAPE}
export default createAction({
    description: 'x', version: '1.0.0', input: z.any(), output: z.any(),
    exec: async (nango: any, input: any) => {
        const seen: Record<string, any> = {};
        ${body}
        return seen;
    }
});
`;

before(async () => {
    ({ server, app } = await serverWithApp({ env: { TIDEMARK_VAR: '1' } }));
    fake = await startFake();
    fake.on('GET', '/missing', json({ why: 'gone' }, 404));
    fake.on('GET', '/plain', json({ plain: true }));
    await server.integration();
    await server.connection('c1', fake.url, 'fake', { metadata: { first: 1, fieldMapping: { a: 'b' } } });
    await server.deploy({
        'fake/actions/double': action(`if (input.n === 13) throw new nango.ActionError({ message: 'unlucky', n: 13 }); seen.n = input.n * 2;`),
        'fake/actions/data': action(`
            for (const name of ['connectionId', 'providerConfigKey', 'provider', 'environmentName', 'scriptType', 'isCLI', 'variant', 'lastSyncDate', 'syncId'])
                seen[name] = String(nango[name]);
            seen.has = ['batchSave', 'getToken', 'paginate', 'listRecords'].map((name) => name in nango);
            for (const name of ['telemetryBag', 'constructor', 'nango']) seen[name] = await shape(() => nango[name]);
            const { get } = nango;
            seen.bound = (await get({ endpoint: '/plain' })).data;`),
        'fake/actions/connection': action(`
            seen.connection = Object.keys(await nango.getConnection()).includes('connection_config');
            seen.unknown = await shape(() => nango.getConnection('fake', 'nobody'));
            seen.elsewhere = await shape(() => nango.getConnection('nowhere', 'c1'));
            seen.token = await shape(() => nango.getToken());
            seen.metadata = await nango.getMetadata();
            seen.mapping = await nango.getFieldMapping();
            seen.none = await shape(() => nango.setMetadata(null));
            seen.update = await shape(() => nango.updateMetadata({ second: 2 }));
            seen.merged = await nango.getMetadata();
            seen.set = await shape(() => nango.setFieldMapping({ fieldMapping: { x: 'y' } }));
            seen.replaced = await nango.getFieldMapping();
            const integration = await nango.getIntegration({ include: ['webhook', 'credentials'] });
            seen.integration = [integration.unique_key, integration.provider, typeof integration.webhook_url, 'credentials' in integration];
            seen.url = typeof (await nango.getWebhookURL());
            seen.variables = await nango.getEnvironmentVariables();
            seen.attributes = await shape(() => nango.getFlowAttributes());`),
        'fake/actions/others': action(`
            seen.action = await shape(() => nango.triggerAction('fake', 'c1', 'double', { n: 21 }));
            seen.thrown = await shape(() => nango.triggerAction('fake', 'c1', 'double', { n: 13 }));
            seen.noaction = await shape(() => nango.triggerAction('fake', 'c1', 'nothing'));
            seen.noconnection = await shape(() => nango.triggerAction('fake', 'nobody', 'double', { n: 1 }));
            seen.sync = await shape(() => nango.triggerSync('fake', 'c1', 'items'));
            seen.nosync = await shape(() => nango.triggerSync('fake', 'c1', 'nosync'));
            seen.start = await shape(() => nango.startSync('fake', ['items'], 'c1'));`),
        'fake/actions/state': action(`
            seen.none = await nango.getCheckpoint();
            seen.cleared = await shape(() => nango.clearCheckpoint());
            seen.saved = await shape(() => nango.saveCheckpoint({ page: 3, at: 'x', on: true }));
            seen.read = await nango.getCheckpoint();
            seen.nested = await shape(() => nango.saveCheckpoint({ deep: {} }));
            await nango.clearCheckpoint();
            seen.gone = await nango.getCheckpoint();
            seen.lock = [await nango.tryAcquireLock({ key: 'k', ttlMs: 5000 }), await nango.tryAcquireLock({ key: 'k', ttlMs: 5000 }),
                await nango.releaseLock({ key: 'k' }), await nango.releaseLock({ key: 'k' })];
            seen.badlock = await shape(() => nango.tryAcquireLock({ key: '', ttlMs: 5000 }));
            seen.badttl = await shape(() => nango.tryAcquireLock({ key: 'k', ttlMs: 0 }));
            seen.all = await shape(() => nango.releaseAllLocks());`),
        'fake/actions/requests': action(`
            seen.missing = await shape(() => nango.get({ endpoint: '/missing' }));
            seen.refused = await shape(() => nango.get({ endpoint: '/x', baseUrlOverride: 'http://127.0.0.1:1' }));
            seen.fetch = await shape(async () => { const r = await nango.uncontrolledFetch({ url: new URL(input.url + '/missing') }); return [r.status, r.ok, await r.json()]; });
            seen.fetchtext = await shape(() => nango.uncontrolledFetch({ url: input.url }));
            seen.input = await shape(() => nango.zodValidateInput({ zodSchema: z.object({ a: z.string() }), input: { a: 1 } }));
            seen.valid = await nango.zodValidateInput({ zodSchema: z.object({ a: z.coerce.string() }), input: { a: 1 } });
            const error = new nango.ActionError({ message: 'm' });
            seen.error = [error instanceof Error, error instanceof nango.ActionError, error.message, error.type, error.payload];
            seen.paginate = await shape(async () => { for await (const page of nango.paginate({ endpoint: '/plain', paginate: { type: 'sideways' } })) return page; });`),
        'fake/syncs/items': `import { createSync } from 'nango';
import { z } from 'zod';
${SHAPE}
export default createSync({
    description: 'x', version: '1.0.0', frequency: 'every hour', autoStart: false, models: { Item: z.object({ id: z.string() }).passthrough() },
    webhookSubscriptions: ['*'],
    exec: async (nango: any) => {
        const ids = Array.from({ length: 250 }, (_, i) => ({ id: 'r' + i, n: i }));
        await nango.batchSave(ids, 'Item');
        await nango.batchDelete([{ id: 'r7' }], 'Item');
        const listed: any[] = [];
        for await (const record of nango.listRecords('Item')) listed.push(record);
        const byId = await nango.getRecordsByIds(['r1', 'nobody', 'r249'], 'Item');
        await nango.saveCheckpoint({ of: 'sync' });
        await nango.batchSave([{ id: 'report', listed: listed.length, deleted: listed.filter((r) => r._nango_metadata.deleted_at).map((r) => r.id),
            last: listed.at(-1)._nango_metadata.last_action, byId: [...byId.keys()], n: byId.get('r249').n, first: nango.lastSyncDate === undefined,
            strategy: await shape(() => nango.setMergingStrategy({ strategy: 'override' }, 'Item')) }], 'Item');
    },
    onWebhook: async (nango: any, payload: any) => {
        await nango.batchSave([{ id: 'hook', payload, kind: nango.scriptType, date: nango.lastSyncDate === undefined, checkpoint: await nango.getCheckpoint(),
            variant: nango.variant, metadata: await nango.getMetadata() }], 'Item');
    }
});
`
    });
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

async function run(name: string, input: object = {}): Promise<any> {
    const { status, body } = await server.api('POST', '/action/trigger', { action_name: name, input }, { 'connection-id': 'c1', 'provider-config-key': 'fake' });
    assert.equal(status, 200, JSON.stringify(body));
    return body;
}

test('data, what is there and what is not', async () => {
    const seen = await run('data');
    assert.deepEqual([seen.connectionId, seen.providerConfigKey, seen.environmentName, seen.scriptType, seen.isCLI], ['c1', 'fake', 'dev', 'action', 'false']);
    assert.deepEqual([seen.variant, seen.lastSyncDate, seen.syncId], ['undefined', 'undefined', 'undefined']);
    assert.deepEqual(seen.has, [false, true, true, false]);
    for (const name of ['telemetryBag', 'constructor', 'nango']) assert.equal(seen[name].is, true, name);
    assert.deepEqual(seen.bound, { plain: true });
});

test('the connection, its metadata, its integration', async () => {
    const seen = await run('connection');
    assert.equal(seen.connection, true);
    for (const [name, status] of [['unknown', 404], ['elsewhere', 400]] as const)
        assert.deepEqual([seen[name].name, seen[name].axios, seen[name].status, typeof seen[name].error.code], ['AxiosError', true, status, 'string'], name);
    assert.deepEqual(seen.metadata, { first: 1, fieldMapping: { a: 'b' } });
    assert.deepEqual(seen.mapping, { a: 'b' });
    assert.equal(seen.none.is, true);
    assert.equal(seen.update.value.status, 200);
    assert.deepEqual(seen.update.value.data, { metadata: { second: 2 }, connection_id: 'c1', provider_config_key: 'fake' });
    assert.deepEqual(seen.merged, { first: 1, fieldMapping: { a: 'b' }, second: 2 });
    assert.equal(seen.set.value.status, 201);
    assert.deepEqual(seen.replaced, { x: 'y' });
    assert.deepEqual(seen.integration, ['fake', 'unauthenticated', 'string', true]);
    assert.equal(seen.url, 'string');
    assert.ok(Array.isArray(seen.variables));
    assert.equal(seen.attributes.is, true);
});

test('other functions', async () => {
    const seen = await run('others');
    assert.deepEqual(seen.action.value, { n: 42 });
    assert.deepEqual([seen.thrown.name, seen.thrown.status, seen.thrown.error.code, seen.thrown.error.payload], ['AxiosError', 500, 'action_script_runtime_error', { message: 'unlucky', n: 13 }]);
    assert.deepEqual([seen.noaction.name, seen.noaction.status, seen.noaction.error.code], ['AxiosError', 404, 'not_found']);
    assert.deepEqual([seen.noconnection.name, seen.noconnection.status, seen.noconnection.error.code], ['AxiosError', 400, 'unknown_connection']);
    assert.deepEqual(seen.sync.value, { status: 200, data: { success: true } });
    assert.deepEqual([seen.nosync.axios, typeof seen.nosync.status], [true, 'number']);
    assert.deepEqual(seen.start.value, { status: 200, data: { success: true } });
});

test('checkpoints and locks', async () => {
    const seen = await run('state');
    assert.deepEqual([seen.none, seen.cleared.value, seen.saved.value, seen.read, seen.gone], [null, 'undefined', 'undefined', { page: 3, at: 'x', on: true }, null]);
    assert.deepEqual([seen.nested.is, seen.nested.axios], [true, false]);
    assert.deepEqual(seen.lock, [true, true, true, false]);
    assert.deepEqual([seen.badlock.is, seen.badttl.is, seen.all.value], [true, true, 'undefined']);
});

test('requests, validation, errors', async () => {
    const seen = await run('requests', { url: fake.url });
    assert.deepEqual([seen.missing.name, seen.missing.message, seen.missing.code, seen.missing.status], ['AxiosError', 'Request failed with status code 404', 'ERR_BAD_REQUEST', 404]);
    assert.deepEqual([seen.refused.axios, seen.refused.status, seen.refused.code], [true, null, 'ECONNREFUSED']);
    assert.deepEqual(seen.fetch.value, [404, false, { why: 'gone' }]);
    assert.equal(seen.fetchtext.name, 'TypeError');
    assert.deepEqual([seen.input.type, typeof seen.input.payload.message], ['action_script_runtime_error', 'string']);
    assert.deepEqual(seen.valid, { success: true, data: { a: '1' } });
    assert.deepEqual(seen.error, [true, true, '', 'action_script_runtime_error', { message: 'm' }]);
    assert.equal(seen.paginate.is, true);
});

test('a sync reads back what it saved; its webhook handler has a checkpoint of its own', async () => {
    await server.trigger('items', 'c1');
    const report = await until('the report', async () => (await server.records('c1', 'Item').catch(() => [])).find(({ id }) => id === 'report'));
    assert.deepEqual([report.listed, report.deleted, report.byId, report.n, report.first], [250, ['r7'], ['r1', 'r249'], 249, true]);
    assert.equal(report.strategy.value, 'undefined');
    const url = (await server.ok('GET', '/integrations/fake?include=webhook')).data.webhook_url;
    await fetch(url, { method: 'POST', body: JSON.stringify({ connectionId: 'c1', type: 'changed', a: [1] }), headers: { 'content-type': 'application/json' } });
    const hook = await until('the webhook', async () => (await server.records('c1', 'Item')).find(({ id }) => id === 'hook'));
    assert.deepEqual([hook.kind, hook.date, hook.checkpoint, hook.variant, hook.payload.a], ['webhook', true, null, 'base', [1]]);
    assert.deepEqual(hook.metadata, { fieldMapping: { x: 'y' } });
});
