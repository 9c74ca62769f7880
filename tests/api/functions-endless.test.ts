/* Functions that never end, each beside a good sync that must not notice. The limit is ten seconds of computing. */

import { describe, test } from 'node:test';
import { Neighbours, type Case } from './neighbours.ts';

const CASES: Record<string, Case> = {
    endless: { body: `for (;;) {}`, error: /endless|busy/ },
    // Its chain of promises grows all the while: whichever limit is met first ends it.
    'endless-microtasks': { body: `const again = (): Promise<void> => Promise.resolve().then(again); await again();`, error: /endless|busy|memory/ }
};
describe('beside a good sync', { concurrency: true }, () => {
    for (const [name, what] of Object.entries(CASES)) test(name, () => Neighbours.once(name, what));
});
