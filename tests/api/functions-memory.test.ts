/* Functions that take all memory, each beside a good sync that must not notice. */

import { test } from 'node:test';
import { Neighbours, type Case } from './neighbours.ts';

const CASES: Record<string, Case> = {
    'memory-objects': { body: `const all: any[] = []; for (;;) all.push({ text: String(Math.random()).repeat(100) });`, error: /memory/i },
    'memory-buffers': { body: `const all: any[] = []; for (;;) all.push(new Uint8Array(16 << 20).fill(7));`, error: /memory/i },
    'memory-text': { body: `let text = 'x'; for (;;) text += text;`, error: /memory/i }
};

for (const [name, what] of Object.entries(CASES)) test(`${name}, beside a good sync`, () => Neighbours.once(name, what));
