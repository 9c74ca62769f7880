/* Projects with mistakes in them: each is told with its place, and none is taken for something else. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { binary, run, sync, tempDir } from './harness.ts';

const good = sync(`await nango.batchSave([{ id: '1', name: 'n' }], 'Item');`);

function folder(files: Record<string, string>): string {
    const dir = tempDir();
    for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), content);
    }
    return dir;
}

const compile = (files: Record<string, string>) => run(binary, ['compile', folder(files)]);
const a = 'crm/syncs/a.ts';

const WRONG: Record<string, [Record<string, string>, RegExp]> = {
    'a function named twice': [{ 'index.ts': `import './crm/syncs/a.js';\nimport './crm/syncs/a.js';\n`, [a]: good }, /index\.ts:2: two functions named 'a' in integration 'crm'/],
    'a path that is no function': [{ 'index.ts': `import './a.js';\n`, [a]: good }, /index\.ts:1: '\.\/a' is not \.\/<integration>\/<kind>\/<name>\.js/],
    'a function that is not there': [{ 'index.ts': `import './crm/syncs/b.js';\n`, [a]: good }, /crm\/syncs\/b\.ts.*no file/],
    'an empty index': [{ 'index.ts': `// nothing\n` }, /holds no functions/],
    'nothing at all': [{ 'readme.txt': 'x' }, /holds no functions.*tidemark init/s],
    'a package from npm': [{ 'index.ts': `import './crm/syncs/a.js';\n`, [a]: `import _ from 'lodash';\n${good.replace('await nango', '_.noop(); await nango')}` }, /crm\/syncs\/a\.ts:1:15: import of 'lodash' is not allowed/],
    soap: [{ 'index.ts': `import './crm/syncs/a.js';\n`, [a]: `import * as soap from 'soap';\n${good.replace('await nango', 'void soap; await nango')}` }, /crm\/syncs\/a\.ts:1:23: module 'soap' is not available in tidemark: it opens connections of its own/],
    'an enormous bundle': [
        { 'index.ts': `import './crm/syncs/a.js';\n`, [a]: `import { big } from '../big.js';\n${good.replace('await nango', 'void big; await nango')}`, 'crm/big.ts': `export const big = '${'x'.repeat(17 << 20)}';\n` },
        /crm\/syncs\/a\.ts: the bundle is larger than 16 MB/
    ],
    'an enormous source': [{ 'index.ts': `import './crm/syncs/a.js';\n`, [a]: `${good}//${'x'.repeat(5 << 20)}` }, /crm\/syncs\/a\.ts.*at most 4194304/],
    'several at once': [{ 'index.ts': `import './crm/syncs/a.js';\nimport './crm/syncs/b.js';\n`, [a]: 'const x = ;', 'crm/syncs/b.ts': 'let y = ;' }, /crm\/syncs\/a\.ts:1:\d+:.*\ncrm\/syncs\/b\.ts:1:\d+:[^]*2 functions have errors/]
};

for (const [name, [files, message]] of Object.entries(WRONG))
    test(name, async () => {
        const { code, stderr } = await compile(files);
        assert.equal(code, 1);
        assert.match(stderr, message);
    });

test('cyclic imports, and a sync and an action of one name, are fine', async () => {
    const { code, stdout, stderr } = await compile({
        'index.ts': `import './crm/syncs/a.js';\nimport './crm/actions/a.js';\n`,
        [a]: `import { left } from '../left.js';\n${good.replace('await nango', 'left(); await nango')}`,
        'crm/actions/a.ts': `import { createAction } from 'nango';\nimport { z } from 'zod';\nexport default createAction({ description: 'x', version: '1.0.0', input: z.any(), output: z.any(), exec: async () => 1 });\n`,
        'crm/left.ts': `import { right } from './right.js';\nexport const left = () => right;\n`,
        'crm/right.ts': `import { left } from './left.js';\nexport const right = () => left;\n`
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /2 functions compiled/);
});
