/*
 * What Node needs for the work of a runner, for the ratio beside ours: the same function, bundled the same way, each run
 * in a context of its own, as a platform that runs functions in Node has to. `node control.ts runs N` runs N one after the
 * other; `node control.ts suspended N` leaves N waiting. Prints CPU ms per run, or KB of resident memory per run.
 */

import { build } from 'esbuild';
import { createContext, Script } from 'node:vm';

const SOURCE = `import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string() });
export default createSync({ description: 'noop', version: '1.0.0', frequency: 'every day', models: { Item }, exec: async (nango) => { await nango.wait(); } });
`;

async function bundle(): Promise<string> {
    const { outputFiles } = await build({
        stdin: { contents: SOURCE, loader: 'ts', resolveDir: process.cwd() },
        bundle: true,
        write: false,
        format: 'cjs',
        platform: 'node',
        external: ['nango', 'zod']
    });
    return outputFiles[0]!.text;
}

const zod = await import('zod');
const modules: Record<string, unknown> = { zod, nango: { createSync: (sync: unknown) => sync } };

/** A run, from nothing: context, module, call. */
function run(script: Script, wait: () => Promise<void>): Promise<void> {
    const module = { exports: {} as any };
    const context = createContext({ module, exports: module.exports, require: (name: string) => modules[name], console });
    script.runInContext(context);
    return (module.exports.default ?? module.exports).exec({ wait });
}

const [mode, count] = [process.argv[2], Number(process.argv[3])];
const script = new Script(await bundle());
if (mode === 'runs') {
    for (let i = 0; i < 50; i++) await run(script, async () => {});
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) await run(script, async () => {});
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / 1000 / count);
} else {
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    const alive: Promise<void>[] = [];
    for (let i = 0; i < count; i++) alive.push(run(script, () => new Promise(() => {})));
    globalThis.gc?.();
    console.log((process.memoryUsage.rss() - before) / 1024 / alive.length);
}
process.exit(0);
