/* The deploy protocol on the wire: what a package must be, what the plan says, one deployment at a time. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from './harness.ts';

let server: Server;
before(async () => {
    server = await Server.start();
    await server.integration();
    await server.connection('c1', 'http://127.0.0.1:1');
});
after(() => server.stop());

const flow = (syncName: string, more: object = {}) => ({
    syncName, providerConfigKey: 'fake', type: 'sync', models: ['Item'], version: '', runs: 'every hour', auto_start: false, track_deletes: false,
    sync_type: 'full', attributes: {}, metadata: { description: 'd', scopes: [] }, endpoints: [], webhookSubscriptions: [], features: [],
    models_json_schema: { definitions: { Item: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] } } },
    fileBody: { js: 'module.exports.default = { type: "sync", exec: async () => {} };', ts: 'export default {}' },
    ...more
});
const pack = (flowConfigs: object[], more: object = {}) => ({ flowConfigs, deployMode: 'all', reconcile: true, debug: false, sdkVersion: '0.71.10-zero', ...more });
const deploy = (body: object, headers = {}) => server.api('POST', '/sync/deploy', body, headers);
const confirm = async (body: object) => (await server.ok('POST', '/sync/deploy/confirmation', body)) as Record<string, any[]>;

test('the plan has all ten arrays', async () => {
    assert.deepEqual(await confirm(pack([flow('a')], { onEventScriptsByProvider: [] })), {
        newSyncs: [{ name: 'a', providerConfigKey: 'fake', connections: 1, auto_start: false }],
        updatedSyncs: [], deletedSyncs: [], newActions: [], updatedActions: [], deletedActions: [], newOnEventScripts: [], updatedOnEventScripts: [],
        deletedOnEventScripts: [], deletedModels: []
    });
});

test('a package is checked as a whole, with the path of what is wrong', async () => {
    const wrong: [object, string[], string][] = [
        [flow('a b'), ['flowConfigs', '0', 'syncName'], 'invalid_format'],
        [flow('a', { type: 'cron' }), ['flowConfigs', '0', 'type'], 'invalid_value'],
        [flow('a', { extra: 1 }), ['flowConfigs', '0'], 'unrecognized_keys'],
        [flow('a', { fileBody: { js: 1, ts: '' } }), ['flowConfigs', '0', 'fileBody', 'js'], 'invalid_type'],
        [flow('a', { models: ['Item', 'Other'] }), ['flowConfigs', '0', 'models_json_schema'], 'custom'],
        [flow('a', { input: 'Missing' }), ['flowConfigs', '0', 'models_json_schema'], 'custom'],
        [flow('a', { track_deletes: true, sync_type: 'incremental' }), ['flowConfigs', '0', 'track_deletes'], 'custom']
    ];
    for (const [one, path, code] of wrong) {
        const { status, body } = await deploy(pack([one]));
        assert.deepEqual([status, body.error.code], [400, 'invalid_body']);
        assert.deepEqual([body.error.errors[0].path, body.error.errors[0].code], [path, code]);
    }
    assert.deepEqual((await server.status('c1')), []);
});

test('what cannot be deployed is refused by name', async () => {
    const unknown = await deploy(pack([flow('a', { providerConfigKey: 'nope' })]));
    assert.deepEqual([unknown.status, unknown.body.error.code], [400, 'unknown_provider_config']);
    const often = await deploy(pack([flow('a', { runs: 'every 5s' })]));
    assert.deepEqual([often.status, often.body.error.code], [400, 'invalid_body']);
    const old = await deploy(pack([flow('a')]), { 'user-agent': 'nango-cli/0.39.24 (linux)' });
    assert.deepEqual([old.status, old.body.error.code], [400, 'invalid_cli_version']);
    assert.equal((await server.api('POST', '/sync/deploy/internal', {})).status, 404);
});

test('deploying the same again changes nothing', async () => {
    const first = await server.ok('POST', '/sync/deploy', pack([flow('a')]));
    assert.deepEqual(first, [{ name: 'a', version: '1', providerConfigKey: 'fake', type: 'sync', models: ['Item'] }]);
    const before = await server.ok('GET', '/integrations/fake/functions/a');
    assert.deepEqual(await server.ok('POST', '/sync/deploy', pack([flow('a')])), first);
    assert.deepEqual(await server.ok('GET', '/integrations/fake/functions/a'), before);
    assert.equal((await server.status('c1')).length, 1);
});

test('without reconcile nothing is created for connections and nothing deleted', async () => {
    await server.ok('POST', '/sync/deploy', pack([flow('b')], { reconcile: false }));
    assert.deepEqual((await server.status('c1')).map(({ name }) => name), ['a']);
    await server.ok('POST', '/sync/deploy', pack([flow('b')]));
    assert.deepEqual((await server.status('c1')).map(({ name }) => name), ['b']);
});

test('one deployment of an environment at a time', async () => {
    const js = `/* ${'x'.repeat(2_000_000)} */`;
    const answers = await Promise.all(
        Array.from({ length: 6 }, (_, i) => deploy(pack([flow(`same${i}`, { fileBody: { js, ts: '' } })], { deployMode: 'single' })))
    );
    const statuses = answers.map(({ status }) => status);
    assert.ok(statuses.includes(200), String(statuses));
    for (const { status, body } of answers) if (status !== 200) assert.deepEqual([status, body.error.code], [409, 'concurrent_deployment']);
    assert.equal((await deploy(pack([flow('later')], { deployMode: 'single' }))).status, 200);
});
