/* Actions: run while the caller waits, with the public SDK. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { json } from '../fake/replies.ts';
import { App, Server, serverWithApp, until, type Webhook } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;

const action = (body: string) => `import { createAction } from 'nango';
import { z } from 'zod';
export default createAction({
    description: 'test', version: '1.0.0', input: z.any(), output: z.any(),
    exec: async (nango, input) => {
${body}
    }
});
`;

before(async () => {
    ({ server, app } = await serverWithApp());
    fake = await startFake();
    fake.on('GET', '/who', json({ name: 'Ada' }));
    await server.integration();
    await server.connection('c1', fake.url);
    await server.deploy({
        'fake/actions/greet': action(`const { data } = await nango.get({ endpoint: '/who' }); return { text: input.word + ' ' + data.name };`),
        'fake/actions/slow': action(`const { data } = await nango.get({ endpoint: '/slow' }); return { ...data, input };`),
        'fake/actions/flaky': action(`return (await nango.get({ endpoint: '/flaky' })).data;`),
        'fake/actions/nothing': action(`return null;`),
        'fake/actions/fails': action(`throw new nango.ActionError({ message: 'no', reason: input.why });`),
        'fake/actions/endless': action(`await nango.get({ endpoint: '/never' });`)
    });
});
after(async () => {
    await server.stop();
    app.close();
    await fake.close();
});

const trigger = (action_name: string, input?: unknown, headers = {}) =>
    server.api('POST', '/action/trigger', { action_name, input }, { 'connection-id': 'c1', 'provider-config-key': 'fake', ...headers });

test('the output is the answer', async () => {
    assert.deepEqual(await server.nango().triggerAction('fake', 'c1', 'greet', { word: 'Hello' }), { text: 'Hello Ada' });
    const { status, body } = await trigger('nothing');
    assert.deepEqual([status, body], [200, null]);
});

test('what a function throws comes back with its payload', async () => {
    const { status, body } = await trigger('fails', { why: 'because' });
    assert.deepEqual([status, body.error.code, body.error.payload], [500, 'action_script_runtime_error', { message: 'no', reason: 'because' }]);
});

test('refusals', async () => {
    const cases: [Promise<{ status: number; body: any }>, number, string][] = [
        [trigger('nope'), 404, 'not_found'],
        [trigger('greet', {}, { 'connection-id': 'nobody' }), 400, 'unknown_connection'],
        [trigger('nope', {}, { 'x-async': 'true' }), 404, 'not_found'],
        [trigger('greet', {}, { 'x-async': 'true', 'x-max-retries': '6' }), 400, 'invalid_headers'],
        [server.api('GET', '/action/no-uuid'), 400, 'invalid_uri_params'],
        [server.api('GET', '/action/5b3c1f0a-0000-4000-8000-000000000000'), 404, 'not_found'],
        [trigger('a b'), 400, 'invalid_body'],
        [server.api('POST', '/action/trigger', { action_name: 'greet' }), 400, 'invalid_headers']
    ];
    for (const [answer, status, code] of cases) {
        const { status: is, body } = await answer;
        assert.deepEqual([is, body.error.code], [status, code]);
    }
});

/** Asks until there is a result. */
const result = (id: string) => until('the result of the action', async () => {
    const answer = await server.api('GET', `/action/${id}`);
    return answer.status === 404 ? undefined : answer;
});
const told = (id: string) => (hook: Webhook) => hook.body.type === 'async_action' && hook.body.payload.id === id;

test('an action that nobody waits for: its result by id, and a webhook', async () => {
    const release = Promise.withResolvers<void>();
    fake.on('GET', '/slow', async (request, response) => {
        await release.promise;
        json({ done: true })(request, response);
    });
    const { id, statusUrl } = await server.nango().triggerActionAsync('fake', 'c1', 'slow', { a: 1 });
    assert.equal(statusUrl, `/action/${id}`);
    await fake.asked(1, ({ path }) => path === '/slow');
    assert.equal((await server.api('GET', statusUrl)).status, 404, 'not yet');
    release.resolve();
    assert.deepEqual((await result(id)).body, { done: true, input: { a: 1 } });
    assert.deepEqual(await server.nango().getAsyncActionResult({ id }), { done: true, input: { a: 1 } });
    const [hook] = await app.hooks(1, told(id));
    assert.deepEqual(hook!.body, { from: 'nango', type: 'async_action', connectionId: 'c1', providerConfigKey: 'fake', payload: { id, statusUrl } });
    const nothing = await trigger('nothing', {}, { 'x-async': 'true' });
    assert.equal(nothing.status, 202);
    assert.equal(nothing.headers.get('location'), nothing.body.statusUrl);
    assert.deepEqual([(await result(nothing.body.id)).status, (await result(nothing.body.id)).body], [200, null]);
});

test('an async action is tried again as often as its caller allows, and then tells how it failed', async () => {
    let calls = 0;
    fake.on('GET', '/flaky', (request, response) => json({ n: ++calls }, calls % 3 === 0 ? 200 : 500)(request, response));
    const good = await trigger('flaky', {}, { 'x-async': 'true', 'x-max-retries': '2' });
    assert.deepEqual((await result(good.body.id)).body, { n: 3 });
    const bad = await trigger('flaky', {}, { 'x-async': 'true', 'x-max-retries': '1' });
    const { status, body } = await result(bad.body.id);
    assert.deepEqual([status, body.error.code, calls], [424, 'script_http_error', 5]);
    await app.hooks(1, told(bad.body.id));
    const thrown = await trigger('fails', { why: 'later' }, { 'x-async': 'true' });
    assert.deepEqual((await result(thrown.body.id)).body.error.payload, { message: 'no', reason: 'later' });
});

test('a caller that goes away ends the action', async () => {
    const cut = Promise.withResolvers<void>();
    fake.on('GET', '/never', (_, response) => void response.on('close', cut.resolve));
    const leaving = new AbortController();
    const request = fetch(`${server.url}/action/trigger`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json', 'connection-id': 'c1', 'provider-config-key': 'fake' },
        body: JSON.stringify({ action_name: 'endless' }),
        signal: leaving.signal
    });
    await fake.asked(1, ({ path }) => path === '/never');
    leaving.abort();
    await assert.rejects(request);
    await cut.promise;
});
