/* ./run replay DIR: recordings through a live server; what fails and why, and the rate. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../api/harness.ts';
import { casesBelow } from './collection.ts';
import { replayAll, type Verdict } from './replay.ts';

const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
        min: { type: 'string' },
        filter: { type: 'string', default: '' },
        parallel: { type: 'string', default: '8' },
        providers: { type: 'string', multiple: true }
    }
});
const [dir] = positionals;
if (dir === undefined || positionals.length > 1) {
    console.error('usage: ./run replay DIR [--min N] [--filter TEXT] [--parallel N] [--providers FILE]...');
    process.exit(2);
}

const cases = casesBelow(resolve(dir)).filter(({ name }) => name.includes(values.filter));
const catalogue = join(root, 'node_modules', '@nangohq', 'providers', 'providers.yaml');
const providers = values.providers ?? (existsSync(catalogue) ? [catalogue] : []);
let ended = 0;

function each({ name, problem, records, requests }: Verdict): void {
    const progress = `[${++ended}/${cases.length}]`;
    console.log(problem === undefined ? `${progress} ok    ${name}: ${records} records, ${requests} requests` : `${progress} FAIL  ${name}: ${problem}`);
}

const from = performance.now();
const passed = (await replayAll(cases, { providers, parallel: Number(values.parallel), each })).filter(({ problem }) => problem === undefined);
const sum = (what: 'records' | 'requests') => passed.reduce((all, verdict) => all + verdict[what], 0);
const seconds = ((performance.now() - from) / 1000).toFixed(0);
console.log(`${passed.length} of ${cases.length} syncs passed (${((100 * passed.length) / Math.max(cases.length, 1)).toFixed(2)} %): ${sum('records')} records of ${sum('requests')} requests in ${seconds} s`);
const min = values.min === undefined ? cases.length : Number(values.min);
if (passed.length < min) console.error(`fewer than ${min} passed`);
process.exit(passed.length < min || cases.length === 0 ? 1 : 0);
