/* A thousand runs while everything goes wrong that may: the short form of ./run soak. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './soak.ts';

test('a thousand runs over twenty connections, with every fault: no stuck run, no lost record', async () => {
    const { problems, runs, chaos, watch, changesRead } = await soak({ runs: 1000, connections: 20, seed: 7 });
    assert.deepEqual(problems, []);
    assert.ok(runs['SUCCESS']! > 500 && runs['FAILED']! > 0 && runs['CANCELLED']! > 0, JSON.stringify(runs));
    for (const [what, count] of Object.entries(chaos)) assert.ok(count > 0, `no ${what}`);
    assert.ok(watch.life >= 5 && changesRead > 1000, `${watch.life + 1} lives, ${changesRead} changes read`);
});
