/* ./run soak [RUNS] [--connections N] [--seed S]: the long form of soak.test.ts, with a table of what the server took. */

import { parseArgs } from 'node:util';
import { soak } from './soak.ts';
import { fit, warm } from './watch.ts';

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { connections: { type: 'string', default: '200' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) } }
});
const runs = Number(positionals[0] ?? 100_000);
const seed = Number(values.seed);
// By way of exit, where the harness ends its servers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
console.log(`${runs} runs over ${values.connections} connections, seed ${seed}`);

const report = await soak({ runs, connections: Number(values.connections), seed, say: console.log });
const { watch, problems, ...rest } = report;
console.log(JSON.stringify(rest, null, 4));
console.log(watch.table(12));
for (const life of watch.lives()) {
    const samples = warm(life);
    if (samples.length < 3) continue;
    const { mean, growth, noise } = fit(samples, (s) => s.rss);
    console.log(`life ${life[0]!.life}: ${life.at(-1)!.runs - life[0]!.runs} runs, RSS ${mean.toFixed(1)} MB, grows by ${growth.toFixed(2)} MB, noise ${noise.toFixed(2)} MB`);
}
console.log(problems.length ? `FAILED:\n${problems.join('\n')}` : 'no leak, no stuck run, no lost record');
process.exit(problems.length ? 1 : 0);
