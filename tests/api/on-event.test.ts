/* Functions for what happens to connections: before one is accepted, after one was made, before one goes. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { hang, held, json } from '../fake/replies.ts';
import { serverWithApp, sync, until, type App, type Server } from './harness.ts';
import { cluster } from './postgres.ts';

let server: Server;
let app: App;
let fake: Fake;

const onEvent = (event: string, body: string) => `import { createOnEvent } from 'nango';
export default createOnEvent({
    description: 'test', version: '1.0.0', event: '${event}',
    exec: async (nango) => { ${body} }
});
`;

before(async () => {
    ({ server, app } = await serverWithApp());
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
    app.close();
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
    const actions = events.map((o: any) => o.action ?? o.operation.action).sort();
    assert.deepEqual(actions, ['post_connection_creation', 'pre_connection_deletion', 'pre_connection_deletion'], JSON.stringify(data).slice(0, 600));
});

/* --- validate-connection --- */

const refused = async (id: string) => {
    const { data } = await server.ok('GET', `/logs/operations?connection=${id}`);
    return data.find((o: any) => o.type === 'auth' || o.operation?.type === 'auth');
};
const get = (id: string, key = 'judged') => server.api('GET', `/connections/${id}?provider_config_key=${key}`);
const ask = (id: string, metadata?: object) =>
    server.api('POST', '/connections', {
        provider_config_key: 'judged',
        connection_id: id,
        credentials: { type: 'NONE' },
        connection_config: { base_url: fake.url, baseUrl: fake.url },
        ...(metadata && { metadata })
    });
/** The function asks the provider and does as it says. */
const judge = `const { data } = await nango.get({ endpoint: '/judge/' + nango.connectionId }); if (data.no) throw new Error(data.no);`;
const says = (id: string, no: string | null) => fake.on('GET', `/judge/${id}`, json({ no }));

const judged = {
    'fake/syncs/items': sync(`await nango.batchSave([{ id: '1', name: 'n' }], 'Item');`, { autoStart: false }),
    'judged/syncs/items': sync(`await nango.batchSave([{ id: '1', name: 'n' }], 'Item');`),
    'judged/on-events/a': onEvent('validate-connection', `const c = await nango.getConnection(); if (c.metadata?.bad) throw new Error('bad metadata');`),
    'judged/on-events/b': onEvent('validate-connection', judge),
    'judged/on-events/made': onEvent('post-connection-creation', `await nango.post({ endpoint: '/judged-made', data: { id: nango.connectionId } });`)
};

test('set up: an integration whose connections are judged', async () => {
    fake.on('POST', '/judged-made', json({}));
    await server.integration('judged');
    await server.deploy(judged);
});

test('a connection that its functions accept is like any other', async () => {
    says('good', null);
    const { status, body } = await ask('good');
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual(body.errors, []);
    assert.deepEqual((await get('good')).body.errors, []);
    await asked('/judged-made');
    const [hook] = await app.hooks(1, ({ body }) => body.connectionId === 'good' && body.type === 'auth');
    assert.deepEqual([hook!.body.operation, hook!.body.success], ['creation', true]);
    await app.syncs(1, (b) => b.connectionId === 'good');
    assert.equal((await refused('good')).state, 'success');
});

test('a new connection that a function refuses leaves nothing behind', async () => {
    says('bad', 'the key belongs to a test account');
    const { status, body } = await ask('bad');
    assert.deepEqual([status, body], [400, { error: { code: 'connection_validation_failed', message: 'the key belongs to a test account' } }]);
    assert.equal((await get('bad')).status, 404);
    assert.deepEqual((await server.ok('GET', '/connections?connectionId=bad')).connections, []);
    const operation = await refused('bad');
    assert.equal(operation.state, 'failed');
    /* The first function refuses: the second is not asked. */
    const before = fake.requests.length;
    assert.equal((await ask('worse', { bad: true })).body.error.message, 'bad metadata');
    assert.deepEqual(fake.requests.slice(before), []);
    /* Nothing but webhooks of others. Those of `after` come after any that these would have caused. */
    says('after', null);
    assert.equal((await ask('after')).status, 201);
    await app.hooks(1, ({ body }) => body.connectionId === 'after' && body.type === 'auth');
    assert.deepEqual(app.webhooks.filter(({ body }) => ['bad', 'worse'].includes(body.connectionId)), []);
    /* And the id is free. */
    says('bad', null);
    assert.equal((await ask('bad')).status, 201);
});

test('while it is judged a connection is marked, has no syncs, and is not announced', async () => {
    const verdict = held(json({ no: null }));
    fake.on('GET', '/judge/slow', verdict.handler);
    const asking = ask('slow');
    await asked('/judge/slow');
    const { body } = await get('slow');
    assert.equal(body.errors.length, 1);
    assert.equal((await refused('slow')).id, body.errors[0].log_id);
    assert.deepEqual(await server.status('slow', '*', 'judged'), []);
    /* A deployment does not give it any either. */
    await server.deploy({ ...judged, 'judged/syncs/more': sync('') });
    assert.deepEqual(await server.status('slow', '*', 'judged'), []);
    assert.equal(app.webhooks.filter(({ body }) => body.connectionId === 'slow').length, 0);
    verdict.release();
    assert.equal((await asking).status, 201);
    assert.equal((await server.status('slow', '*', 'judged')).length, 2);
});

test('a connection that is refused when it is connected again stays, in error', async () => {
    says('again', null);
    assert.equal((await ask('again')).status, 201);
    says('again', 'not any more');
    const { status, body } = await ask('again');
    assert.deepEqual([status, body.error.code, body.error.message], [400, 'connection_validation_failed', 'not any more']);
    const { errors } = (await get('again')).body;
    assert.deepEqual([errors.length, errors[0].type], [1, 'auth']);
    const [hook] = await app.hooks(1, ({ body }) => body.connectionId === 'again' && body.operation === 'override');
    assert.deepEqual([hook!.body.success, hook!.body.error], [false, { type: 'connection_validation_failed', description: 'not any more' }]);
    says('again', null);
    assert.equal((await ask('again')).status, 201);
    assert.deepEqual((await get('again')).body.errors, []);
    await app.hooks(1, ({ body }) => body.connectionId === 'again' && body.operation === 'override' && body.success);
});

test('customers who connect themselves are judged too', async () => {
    const { data } = await server.ok('POST', '/connect/sessions', {
        end_user: { id: 'u' },
        allowed_integrations: ['judged'],
        integrations_config_defaults: { judged: { connection_config: { base_url: fake.url, baseUrl: fake.url } } }
    });
    fake.on('GET', '/judge/*', json({ no: 'not you' }));
    const { status, body } = await server.api('POST', `/auth/unauthenticated/judged?connect_session_token=${data.token}`, {});
    assert.deepEqual([status, body.error], [400, { code: 'connection_validation_failed', message: 'not you' }]);
    const all = await server.ok('GET', '/connections?endUserId=u');
    assert.deepEqual(all.connections, []);
});

test('a client that leaves does not stop the verdict', async () => {
    const verdict = held(json({ no: null }));
    fake.on('GET', '/judge/left', verdict.handler);
    const leaving = new AbortController();
    const gone = fetch(`${server.url}/connections`, {
        method: 'POST',
        signal: leaving.signal,
        headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ provider_config_key: 'judged', connection_id: 'left', credentials: { type: 'NONE' }, connection_config: { base_url: fake.url, baseUrl: fake.url } })
    });
    await asked('/judge/left');
    leaving.abort();
    await assert.rejects(gone);
    verdict.release();
    await app.hooks(1, ({ body }) => body.connectionId === 'left' && body.operation === 'creation');
    assert.deepEqual((await get('left')).body.errors, []);
});

test('a connection that is replaced while it is judged is not accepted by the old verdict', async () => {
    const verdict = held(json({ no: null }));
    fake.on('GET', '/judge/twice', verdict.handler);
    const first = ask('twice');
    await asked('/judge/twice');
    const second = await ask('twice', { bad: true });
    assert.equal(second.status, 400);
    verdict.release();
    const { status, body } = await first;
    assert.deepEqual([status, body.error.code], [400, 'connection_validation_failed'], JSON.stringify(body));
    assert.equal((await get('twice')).status, 404);
});

test('after a kill, what was being judged is refused', async () => {
    says('old', null);
    assert.equal((await ask('old')).status, 201);
    for (const id of ['old', 'new']) fake.on('GET', `/judge/${id}`, hang);
    const asking = [ask('old'), ask('new')].map((call) => assert.rejects(call));
    for (const id of ['old', 'new']) await fake.asked(id === 'old' ? 2 : 1, (request) => request.path === `/judge/${id}`);
    await server.kill();
    await Promise.all(asking);
    /* Another server that shares the database may still be at it: there its time has to run out first. */
    await server.up();
    if (!cluster) {
        await until('the new one gone', async () => (await get('new')).status === 404);
        await app.hooks(1, ({ body }) => body.connectionId === 'old' && body.operation === 'override' && body.success === false);
    }
    const { errors } = (await get('old')).body;
    assert.deepEqual([errors.length, errors[0].type], [1, 'auth']);
});

test('a server that is asked to end refuses what is being judged, and ends', async () => {
    await server.stop();
    await server.up({ TIDEMARK_DRAIN_TIMEOUT: '300ms' });
    says('asked-old', null);
    assert.equal((await ask('asked-old')).status, 201);
    for (const id of ['asked-old', 'asked-new']) fake.on('GET', `/judge/${id}`, hang);
    const asking = [ask('asked-old'), ask('asked-new')].map((call) => call.then(({ status }) => status, () => 0));
    await fake.asked(3, (request) => request.path.startsWith('/judge/asked-'));
    assert.equal(await server.stop(), 0, server.log.slice(-10).join('\n'));
    assert.deepEqual(await Promise.all(asking), [400, 400]);
    await server.up();
    await until('the new one gone', async () => (await get('asked-new')).status === 404);
    assert.equal((await get('asked-old')).body.errors.length, 1);
});
