/* Actions: run while the caller waits, with the public SDK. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { json } from '../fake/replies.ts';
import { Server } from './harness.ts';

let server: Server;
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
    server = await Server.start();
    fake = await startFake();
    fake.on('GET', '/who', json({ name: 'Ada' }));
    await server.integration();
    await server.connection('c1', fake.url);
    await server.deploy({
        'fake/actions/greet': action(`const { data } = await nango.get({ endpoint: '/who' }); return { text: input.word + ' ' + data.name };`),
        'fake/actions/nothing': action(`return null;`),
        'fake/actions/fails': action(`throw new nango.ActionError({ message: 'no', reason: input.why });`),
        'fake/actions/endless': action(`await nango.get({ endpoint: '/never' });`)
    });
});
after(async () => {
    await server.stop();
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
        [trigger('greet', {}, { 'x-async': 'true' }), 501, 'not_implemented'],
        [trigger('a b'), 400, 'invalid_body'],
        [server.api('POST', '/action/trigger', { action_name: 'greet' }), 400, 'invalid_headers']
    ];
    for (const [answer, status, code] of cases) {
        const { status: is, body } = await answer;
        assert.deepEqual([is, body.error.code], [status, code]);
    }
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
