/* The command line as a client of the API: integrations, connections, syncs, records, logs, keys. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Collection } from '../fake/collection.ts';
import { startFake, type Fake } from '../fake/fake.ts';
import { App, binary, run, Server, serverWithApp, sync, tempDir, until } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;
const items = new Collection(3);
before(async () => {
    ({ server, app } = await serverWithApp());
    fake = await startFake();
    fake.on('GET', '/items', items.byCursor);
    await server.integration();
    await server.connection('c1', fake.url);
    await server.deploy({
        'fake/syncs/items': sync(`
            const { data } = await nango.get({ endpoint: '/items' });
            await nango.batchSave(data.items, 'Item');
            await nango.log('red \\u001b[31m alert');`)
    });
    await app.syncs(1); // of the first run
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

async function tidemark(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(binary, argv, { TIDEMARK_HOST: server.url, TIDEMARK_SECRET_KEY_DEV: server.key }, tempDir());
    assert.equal(code, 0, stderr);
    return stdout;
}

async function refused(...argv: string[]): Promise<{ code: number | null; stderr: string }> {
    const { code, stderr } = await run(binary, argv, { TIDEMARK_HOST: server.url, TIDEMARK_SECRET_KEY_DEV: server.key }, tempDir());
    return { code, stderr };
}

test('integrations', async () => {
    assert.match(await tidemark('integrations', 'create', 'other', 'unauthenticated'), /unique_key +other/);
    assert.match(await tidemark('integrations'), /INTEGRATION +PROVIDER[^]*fake +unauthenticated[^]*other +unauthenticated/);
    assert.match(await tidemark('integrations', 'get', 'fake'), /webhook_url +http.*\/webhook\//);
    await tidemark('integrations', 'delete', 'other');
    assert.match((await refused('integrations', 'get', 'other')).stderr, /404 not_found/);
});

test('connections', async () => {
    await server.connection('a/b "c"', fake.url);
    assert.match(await tidemark('connections', '--search', 'a/b'), /a\/b "c" +fake/);
    const shown = await tidemark('connections', 'get', 'a/b "c"', '-i', 'fake');
    assert.match(shown, /connection_id +a\/b "c"/);
    assert.doesNotMatch(shown, /credentials/);
    await tidemark('connections', 'delete', 'a/b "c"', '-i', 'fake');
    assert.deepEqual(JSON.parse(await tidemark('connections', '--json')).connections.map((c: any) => c.connection_id), ['c1']);
});

test('syncs', async () => {
    assert.match(await tidemark('syncs', '-i', 'fake'), /items +base +c1 +SUCCESS +every hour/);
    await tidemark('syncs', 'pause', 'items', '-i', 'fake', '-c', 'c1');
    assert.equal(JSON.parse(await tidemark('syncs', 'status', 'items', '-i', 'fake', '--json')).syncs[0].status, 'PAUSED');
    // Each of the two has it run: the second run must not be taken for the first.
    const mine = (body: any) => body.connectionId === 'c1';
    const started = await app.after(() => tidemark('syncs', 'start', 'items', '-i', 'fake'), 'items', mine);
    assert.deepEqual([started.success, started.syncType], [true, 'INCREMENTAL']);
    const again = await app.after(() => tidemark('syncs', 'trigger', 'items', '-i', 'fake', '-c', 'c1', '--reset', '--empty-cache'), 'items', mine);
    assert.deepEqual([again.success, again.syncType, again.responseResults.added], [true, 'INITIAL', 3]);
});

test('records, page by page', async () => {
    const table = await tidemark('records', 'Item', '-i', 'fake', '-c', 'c1');
    assert.equal(table.trim().split('\n').length, 1 + 3);
    assert.match(table, /ID +ACTION +MODIFIED +RECORD/);
    const pages = (await tidemark('records', 'Item', '-i', 'fake', '-c', 'c1', '--limit', '1', '--all', '--json')).trim().split('\n');
    assert.deepEqual(pages.map((page) => JSON.parse(page).records.length), [1, 1, 1]);
    const failed = await refused('records', 'Item', '-i', 'fake');
    assert.deepEqual([failed.code, failed.stderr], [1, 'tidemark: records list: --connection is needed\n']);
});

test('logs: every operation once, messages without control characters', async () => {
    const all = JSON.parse(await tidemark('logs', '--json', '--limit', '1000')).data.map((o: any) => o.id);
    const paged = (await tidemark('logs', '--json', '--limit', '1', '--all')).trim().split('\n').flatMap((page) => JSON.parse(page).data.map((o: any) => o.id));
    assert.deepEqual(paged, all);
    const [id] = JSON.parse(await tidemark('logs', '--type', 'sync', '-c', 'c1', '--json')).data.map((o: any) => o.id);
    let text = '';
    await until('the message', async () => (text = await tidemark('logs', 'get', id)).includes('alert'));
    assert.doesNotMatch(text, /\u001b/);
});

test('usage and unreachable servers', async () => {
    assert.equal((await refused('syncs', 'start')).code, 2);
    assert.equal((await refused('logs', '--nope')).code, 2);
    const { code, stderr } = await run(binary, ['integrations'], { TIDEMARK_HOST: 'http://127.0.0.1:1', TIDEMARK_SECRET_KEY_DEV: server.key }, tempDir());
    assert.equal(code, 1);
    assert.match(stderr, /no answer from http:\/\/127\.0\.0\.1:1/);
});

test('settings and variables of an environment', async () => {
    const { data } = await server.ok('PATCH', '/environment/settings', { validation: 'off' });
    assert.deepEqual([data.name, data.validation, data.webhooks.primary_url], ['dev', 'off', app.url]);
    assert.equal((await server.api('PATCH', '/environment/settings', { validation: 'maybe' })).status, 400);
    await server.ok('POST', '/api/v1/environments/variables', { variables: [{ name: 'A', value: '1' }, { name: 'B', value: '2' }] });
    await server.ok('POST', '/api/v1/environments/variables', { variables: [{ name: 'B', value: '3' }] });
    assert.deepEqual(await server.nango().getEnvironmentVariables(), [{ name: 'B', value: '3' }]);
});

test('a request that waits for a provider does not outlive its client', async () => {
    const cut = Promise.withResolvers<void>();
    fake.on('GET', '/never', (_, response) => void response.on('close', cut.resolve));
    const leaving = new AbortController();
    const request = fetch(`${server.url}/proxy/never`, {
        headers: { authorization: `Bearer ${server.key}`, 'connection-id': 'c1', 'provider-config-key': 'fake' },
        signal: leaving.signal
    });
    await fake.asked(1, ({ path }) => path === '/never');
    leaving.abort();
    await assert.rejects(request);
    await cut.promise;
});

test('a stopping server waits for requests, but not for ever', async () => {
    const short = await Server.start({ args: ['--drain-timeout', '300ms'] });
    await short.integration();
    await short.connection('c1', fake.url);
    fake.on('GET', '/never', () => {});
    const asked = fake.requests.length;
    const request = short.api('GET', '/proxy/never', undefined, { 'connection-id': 'c1', 'provider-config-key': 'fake' });
    request.catch(() => {});
    await fake.asked(1, (seen) => seen.path === '/never' && fake.requests.indexOf(seen) >= asked);
    assert.equal(await short.stop(), 0);
});
