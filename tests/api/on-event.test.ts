/* Functions for what happens to connections: after one was made, before one goes. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { json } from '../fake/replies.ts';
import { Server, sync, until } from './harness.ts';

let server: Server;
let fake: Fake;

const onEvent = (event: string, body: string) => `import { createOnEvent } from 'nango';
export default createOnEvent({
    description: 'test', version: '1.0.0', event: '${event}',
    exec: async (nango) => { ${body} }
});
`;

before(async () => {
    server = await Server.start();
    fake = await startFake();
    for (const path of ['/made', '/first', '/second']) fake.on('POST', path, json({}));
    await server.integration();
    await server.deploy({
        'fake/syncs/items': sync(`await nango.batchSave([{ id: '1', name: 'n' }], 'Item');`, { autoStart: false }),
        'fake/on-events/made': onEvent('post-connection-creation', `await nango.post({ endpoint: '/made', data: { id: nango.connectionId, kind: nango.scriptType } }); await nango.updateMetadata({ made: true });`),
        'fake/on-events/first': onEvent('pre-connection-deletion', `await nango.post({ endpoint: '/first', data: await nango.getMetadata() }); throw new Error('does not matter');`),
        'fake/on-events/second': onEvent('pre-connection-deletion', `await nango.post({ endpoint: '/second', data: {} });`)
    });
});
after(async () => {
    await server.stop();
    await fake.close();
});

const asked = (path: string) => fake.asked(1, (request) => request.path === path);

test('functions run when a connection was made, and before it is deleted', async () => {
    await server.connection('c1', fake.url);
    const [made] = await asked('/made');
    assert.deepEqual(JSON.parse(String(made!.body)), { id: 'c1', kind: 'on-event' });
    await until('the metadata', async () => (await server.ok('GET', '/connections/c1?provider_config_key=fake')).metadata?.made);

    const { status, body } = await server.api('DELETE', '/connections/c1?provider_config_key=fake');
    assert.deepEqual([status, body], [200, { success: true }]);
    const [first] = await asked('/first');
    assert.deepEqual(JSON.parse(String(first!.body)), { made: true });
    await asked('/second');
    assert.equal((await server.api('GET', '/connections/c1?provider_config_key=fake')).status, 404);
    assert.equal((await server.api('DELETE', '/connections/c1?provider_config_key=fake')).status, 400);
});

test('their runs are in the log, with what went wrong', async () => {
    const { data } = await server.ok('GET', '/logs/operations');
    const events = data.filter((o: any) => o.operation?.type === 'events' || o.type === 'events');
    assert.ok(events.length >= 3, JSON.stringify(data).slice(0, 600));
});
