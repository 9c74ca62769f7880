/* What a server forgets with time (days are tested beside the code; here they are a second). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, binary, Reader, serverWithApp, sync, tempDir, until } from './harness.ts';

const SAVE = sync(`await nango.batchSave([{ id: '1', name: 'one' }, { id: '2', name: 'two' }], 'Item');`, { autoStart: false });

test('payloads that do not change are pruned, and come back with the next sync; deleted connections are erased', async () => {
    const { server, app } = await serverWithApp({ args: ['--payload-retention', '1s', '--connection-retention', '1s', '--upkeep-period', '100ms'] });
    await server.integration();
    await server.deploy({ 'fake/syncs/save': SAVE });
    await server.connection('c1', 'http://127.0.0.1:1');
    await app.after(() => server.trigger('save', 'c1'), 'save');
    const pruned = await until('pruned payloads', async () => {
        const records = await server.records('c1', 'Item');
        return records.every((r) => r._nango_metadata.pruned_at) && records;
    });
    assert.deepEqual(pruned.map(({ _nango_metadata, ...rest }) => rest), [{ id: '1' }, { id: '2' }]);
    assert.deepEqual(pruned.map((r) => r._nango_metadata.last_action), ['ADDED', 'ADDED']);

    const reader = new Reader(server, 'c1', 'Item');
    await reader.drain();
    const hook = await app.after(() => server.trigger('save', 'c1'), 'save');
    assert.deepEqual([hook.responseResults.added, hook.responseResults.updated], [0, 0], 'what comes back has not changed');
    assert.deepEqual(await reader.drain(), []);

    await server.ok('DELETE', '/connections/c1?provider_config_key=fake');
    await until('the connection is erased', () => server.log.some((line) => /forgot old data/.test(line) && /"connections":1|connections=1/.test(line)));
    assert.equal((await server.api('GET', '/records?model=Item', undefined, { 'connection-id': 'c1', 'provider-config-key': 'fake' })).status, 400);
    await server.connection('c1', 'http://127.0.0.1:1');
    const again = await app.after(() => server.trigger('save', 'c1'), 'save');
    assert.equal(again.responseResults.added, 2);
    await server.stop();
    app.close();
});

test('a retention that makes no sense is refused by name', async () => {
    const { code, stderr } = await run(binary, ['serve', '--data', tempDir(), '--payload-retention', 'long']);
    assert.equal(code, 2);
    assert.match(stderr, /--payload-retention: 'long' is not between/);
});
