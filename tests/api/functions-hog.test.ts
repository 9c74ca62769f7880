/* Functions that take a whole process or all of its memory, each beside a good sync that must not notice. */

import { describe, test } from 'node:test';
import { Neighbours, type Case } from './neighbours.ts';

const LOOPS: Record<string, Case> = {
    endless: { body: `for (;;) {}`, error: /endless|busy/ },
    'endless-microtasks': { body: `const again = (): Promise<void> => Promise.resolve().then(again); await again();`, error: /endless|busy/ }
};
const BOMBS: Record<string, Case> = {
    'memory-objects': { body: `const all: any[] = []; for (;;) all.push({ text: String(Math.random()).repeat(100) });`, error: /memory/i },
    'memory-buffers': { body: `const all: any[] = []; for (;;) all.push(new Uint8Array(16 << 20).fill(7));`, error: /memory/i },
    'memory-text': { body: `let text = 'x'; for (;;) text += text;`, error: /memory/i }
};

async function alone(name: string, what: Case): Promise<void> {
    const all = await Neighbours.start({ [name]: what });
    await all.misbehave(name);
    await all.unharmed();
    await all.stop();
}

describe('beside a good sync', { concurrency: true }, () => {
    for (const [name, what] of Object.entries(LOOPS)) test(name, () => alone(name, what));
    describe('out of memory', () => {
        for (const [name, what] of Object.entries(BOMBS)) test(name, () => alone(name, what));
    });
});
