/*
 * ./run bench sync runs start: the benchmarks that need a whole server. Prints `<bench>.<case> <value> <unit>` and, where
 * there is a floor, `<bench>.<case>.ratio <value>`: this machine's speed cancels out of the ratio, so that is what to compare.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { z } from 'zod';
import { App, binary, Server, serverWithApp, sync } from '../api/harness.ts';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

function print(name: string, value: number, unit = ''): void {
    const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 4;
    console.log(`${name} ${value.toFixed(digits)}${unit ? ` ${unit}` : ''}`);
}

/** The server and its runners. */
function family(pid: number): number[] {
    const children = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .filter((name) => {
            try {
                return readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === String(pid);
            } catch {
                return false; // ended meanwhile
            }
        })
        .map(Number);
    return [pid, ...children];
}

/** CPU seconds so far, children that ended included. */
function cpuSeconds(pid: number): number {
    let ticks = 0;
    for (const one of family(pid)) {
        const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1]!.split(' ');
        const [user, system, userEnded, systemEnded] = fields.slice(11, 15).map(Number);
        ticks += user! + system! + (one === pid ? userEnded! + systemEnded! : 0);
    }
    return ticks / TICKS_PER_SECOND;
}

/** A line of /proc/<pid>/status in MB, summed over the server and its runners. */
function memoryMb(pids: number[], line: 'VmRSS' | 'VmHWM'): number {
    const kb = (pid: number) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${line}:\\s+(\\d+)`))?.[1] ?? 0);
    return pids.map(kb).reduce((a, b) => a + b, 0) / 1024;
}

function median(values: number[]): number {
    return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function metric(server: Server, name: string): Promise<number> {
    const text = (await server.api('GET', '/metrics')).body as string;
    const found = text.match(new RegExp(`^tidemark_${name} (\\d+)$`, 'm'));
    if (!found) throw new Error(`no metric ${name} in:\n${text}`);
    return Number(found[1]);
}

/* start: from exec to the first answer; the floor is what the machine needs to exec the binary at all. */

async function start(): Promise<void> {
    const times: number[] = [];
    for (let i = 0; i < 7; i++) {
        const begin = performance.now();
        const server = await Server.start();
        await server.ok('GET', '/health');
        times.push(performance.now() - begin);
        if (i === 6) print('start.idle_rss', memoryMb([server.pid], 'VmRSS'), 'MB');
        await server.stop();
    }
    const floors = Array.from({ length: 7 }, () => {
        const begin = performance.now();
        spawnSync(binary, ['--version']);
        return performance.now() - begin;
    });
    print('start.first_answer', median(times), 'ms');
    print('start.first_answer.ratio', median(times) / median(floors));
}

/* sync: 100,000 records of a paginated API through zod into the store. */

const RECORDS = 100_000;
const PER_PAGE = 100;

function item(n: number): object {
    return {
        id: `item-${n}`,
        name: `Item number ${n}`,
        email: `person.${n}@example.com`,
        active: n % 3 === 0,
        score: n / 7,
        tags: ['alpha', 'beta', `t${n % 10}`],
        address: { street: `${n} Long Street`, city: 'Springfield', zip: String(10000 + (n % 90000)) },
        note: 'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore.'
    };
}

const ITEM = `z.object({ id: z.string(), name: z.string(), email: z.string(), active: z.boolean(), score: z.number(),
    tags: z.array(z.string()), address: z.object({ street: z.string(), city: z.string(), zip: z.string() }), note: z.string() })`;
const Item = z.object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    active: z.boolean(),
    score: z.number(),
    tags: z.array(z.string()),
    address: z.object({ street: z.string(), city: z.string(), zip: z.string() }),
    note: z.string()
});

const PAGED = `import { createSync } from 'nango';
import { z } from 'zod';
const Item = ${ITEM};
export default createSync({
    description: 'bench', version: '1.0.0', frequency: 'every day', autoStart: false, models: { Item },
    exec: async (nango) => {
        let batch: any[] = [];
        for await (const page of nango.paginate({ endpoint: '/items', paginate: {
            type: 'offset', offset_name_in_request: 'offset', limit: ${PER_PAGE}, limit_name_in_request: 'limit', response_path: 'items' } })) {
            for (const item of page) batch.push(Item.parse(item));
            if (batch.length >= 1000) { await nango.batchSave(batch, 'Item'); batch = []; }
        }
        await nango.batchSave(batch, 'Item');
    }
});
`;

/** A provider whose pages are made before the clock runs. */
async function pagedProvider(): Promise<{ url: string; close: () => void }> {
    const pages = Array.from({ length: RECORDS / PER_PAGE }, (_, page) =>
        Buffer.from(JSON.stringify({ items: Array.from({ length: PER_PAGE }, (_, i) => item(page * PER_PAGE + i)) }))
    );
    const server = createServer((request, response) => {
        const offset = Number(new URL(request.url!, 'http://x').searchParams.get('offset'));
        response.writeHead(200, { 'content-type': 'application/json' }).end(pages[offset / PER_PAGE] ?? '{"items":[]}');
    });
    server.keepAliveTimeout = 60_000;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, close: () => server.close() };
}

/** The floor: Node fetches the same pages, parses, validates and serialises them, and stores nothing. */
async function nodeControl(url: string): Promise<number> {
    const begin = performance.now();
    let bytes = 0;
    let batch: unknown[] = [];
    for (let offset = 0; ; offset += PER_PAGE) {
        const { items } = (await (await fetch(`${url}/items?offset=${offset}&limit=${PER_PAGE}`)).json()) as { items: unknown[] };
        if (items.length === 0) break;
        for (const one of items) batch.push(Item.parse(one));
        if (batch.length >= 1000) {
            bytes += JSON.stringify(batch).length;
            batch = [];
        }
    }
    if (bytes === 0) throw new Error('the control read nothing');
    return RECORDS / ((performance.now() - begin) / 1000);
}

async function timedRun(server: Server, app: App, count: number): Promise<{ seconds: number; results: any }> {
    const begin = performance.now();
    await server.ok('POST', '/sync/trigger', { syncs: ['paged'], provider_config_key: 'fake', connection_id: 'one' });
    const hooks = await app.syncs(count, () => true, 300_000);
    return { seconds: (performance.now() - begin) / 1000, results: hooks.at(-1) };
}

async function syncBench(): Promise<void> {
    const provider = await pagedProvider();
    const { server, app } = await serverWithApp();
    await server.integration();
    await server.deploy({ 'fake/syncs/paged': PAGED });
    await server.connection('one', provider.url);

    const cpu = cpuSeconds(server.pid);
    const first = await timedRun(server, app, 1);
    if (first.results.responseResults?.added !== RECORDS) throw new Error(`first run: ${JSON.stringify(first.results)}`);
    print('sync.first', RECORDS / first.seconds, 'records/s');
    print('sync.first.cpu', RECORDS / (cpuSeconds(server.pid) - cpu), 'records/CPU-s');
    const second = await timedRun(server, app, 2);
    if (second.results.responseResults?.added !== 0) throw new Error(`second run: ${JSON.stringify(second.results)}`);
    print('sync.unchanged', RECORDS / second.seconds, 'records/s');
    print('sync.peak_rss', memoryMb(family(server.pid), 'VmHWM'), 'MB');
    const floor = await nodeControl(provider.url);
    print('sync.floor', floor, 'records/s');
    print('sync.first.ratio', RECORDS / first.seconds / floor);
    await server.stop();
    app.close();
    provider.close();
}

/* runs: a sync that does nothing, over many connections. */

const CONNECTIONS = 1000;

async function finished(server: Server, count: number): Promise<void> {
    const late = performance.now() + 300_000;
    while ((await metric(server, 'runs_succeeded_total')) < count) {
        if (performance.now() > late) throw new Error(`not ${count} runs after 300 s`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

async function runsBench(): Promise<void> {
    const { server, app } = await serverWithApp();
    await server.ok('PATCH', '/api/v1/environments/webhook', { on_sync_completion_always: false });
    await server.integration();
    await server.deploy({ 'fake/syncs/noop': sync('', { frequency: 'every day' }) });
    for (let i = 0; i < CONNECTIONS; i++) await server.connection(`c${i}`, 'http://127.0.0.1:9');
    await finished(server, CONNECTIONS);

    const cpu = cpuSeconds(server.pid);
    const begin = performance.now();
    await server.ok('POST', '/sync/trigger', { syncs: ['noop'], provider_config_key: 'fake' });
    await finished(server, 2 * CONNECTIONS);
    print('runs.noop', CONNECTIONS / ((performance.now() - begin) / 1000), 'runs/s');
    print('runs.noop.cpu', ((cpuSeconds(server.pid) - cpu) * 1000) / CONNECTIONS, 'ms CPU/run');

    await server.ok('PATCH', '/api/v1/environments/webhook', { on_sync_completion_always: true });
    const waits: number[] = [];
    for (let i = 0; i < 200; i++) {
        const from = performance.now();
        await server.ok('POST', '/sync/trigger', { syncs: ['noop'], provider_config_key: 'fake', connection_id: 'c1' });
        await app.syncs(i + 1);
        waits.push(performance.now() - from);
    }
    print('runs.trigger_to_webhook.p50', median(waits), 'ms');
    await server.stop();
    app.close();
}

const benches: Record<string, () => Promise<void>> = { start, sync: syncBench, runs: runsBench };
const wanted = process.argv.slice(2).length ? process.argv.slice(2) : Object.keys(benches);
for (const name of wanted) {
    const bench = benches[name];
    if (!bench) throw new Error(`no benchmark '${name}': there are records, ${Object.keys(benches).join(', ')}`);
    await bench();
}
process.exit(0);
