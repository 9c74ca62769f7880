/* ./run demo, without the build. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, root, run } from './harness.ts';

test('the demo comes to a good end and shows what changed', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [join(root, 'examples', 'demo.ts'), '--binary', binary, '--port', '0', '--exit']);
    assert.equal(code, 0, stdout + stderr);
    for (const action of ['ADDED', 'UPDATED', 'DELETED']) assert.match(stdout, new RegExp(`read .*${action} [1-9]`), stdout);
    assert.match(stdout, /WEBHOOK +added/);
});
