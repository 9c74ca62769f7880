/*
 * ./run bench sync runs proxy webhook start: the benchmarks that need a whole server. Prints `<bench>.<case> <value> <unit>` and, where
 * there is a floor, `<bench>.<case>.ratio <value>`: this machine's speed cancels out of the ratio, so that is what to compare.
 */

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { App, binary, root, Server, serverWithApp, sync, until } from '../api/harness.ts';

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
    const [own, ...runners] = family(server.pid).map((pid) => memoryMb([pid], 'VmHWM'));
    print('sync.peak_rss', [own!, ...runners].reduce((a, b) => a + b), 'MB');
    print('sync.peak_rss.server', own!, 'MB');
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
    print('runs.control.cpu', control('runs', 1000), 'ms CPU/run');
    await suspended();
}

/** Node with the function alone (control.ts). */
function control(mode: 'runs' | 'suspended', count: number): number {
    return Number(execFileSync('node', ['--expose-gc', join(root, 'tests/bench/control.ts'), mode, String(count)], { encoding: 'utf8' }));
}

/** What a run takes while it waits for a provider that does not answer. */
async function suspended(): Promise<void> {
    const count = 500;
    let waiting = 0;
    const provider = createServer((request, response) => {
        if (request.url === '/hang') waiting++;
        else response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    provider.listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const { server, app } = await serverWithApp({ args: ['--runner-runs', String(count), '--runner-processes', '1'] });
    await server.integration();
    await server.deploy({ 'fake/syncs/waits': sync(`await nango.get({ endpoint: '/hang' });`, { autoStart: false }) });
    const url = `http://127.0.0.1:${(provider.address() as { port: number }).port}`;
    for (let i = 0; i < count; i++) await server.connection(`c${i}`, url);
    const trigger = (connection_id?: string) => server.ok('POST', '/sync/trigger', { syncs: ['waits'], provider_config_key: 'fake', connection_id });
    await trigger('c0'); // the runner is warm
    await until('the first run waits', () => waiting >= 1);
    const before = family(server.pid).map((pid) => memoryMb([pid], 'VmRSS'));
    await trigger();
    await until('all runs wait', () => waiting >= count, 60_000);
    const after = family(server.pid).map((pid) => memoryMb([pid], 'VmRSS'));
    print('runs.suspended.server', ((after[0]! - before[0]!) * 1024) / count, 'KB/run');
    print('runs.suspended.runner', ((after[1]! - before[1]!) * 1024) / count, 'KB/run');
    print('runs.suspended.control', control('suspended', count), 'KB/run');
    await server.kill();
    app.close();
    provider.closeAllConnections();
    provider.close();
}

/* proxy: a load generator (wrk) through GET /proxy, and straight to the provider for comparison. */

/** Requests per second and the median latency in ms. */
function load(url: string, headers: Record<string, string>, connections: number): { rate: number; p50: number } {
    const argv = ['-t1', `-c${connections}`, '-d5s', '--latency', ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]), url];
    const text = execFileSync('wrk', argv, { encoding: 'utf8' });
    const p50 = text.match(/50%\s+([\d.]+)(us|ms|s)/);
    const rate = text.match(/Requests\/sec:\s+([\d.]+)/);
    if (!p50 || !rate || /Non-2xx/.test(text)) throw new Error(`wrk said:\n${text}`);
    return { rate: Number(rate[1]), p50: Number(p50[1]) * ({ us: 0.001, ms: 1, s: 1000 } as Record<string, number>)[p50[2]!]! };
}

async function proxyBench(): Promise<void> {
    const provider = spawn(process.env['HTTP_BENCH']!, ['serve', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(createInterface(provider.stdout), 'line');
    const url = String(line).match(/http:\S+/)![0];
    const server = await Server.start();
    await server.integration();
    await server.connection('c1', url);
    const headers = { Authorization: `Bearer ${server.key}`, 'Connection-Id': 'c1', 'Provider-Config-Key': 'fake' };
    const direct = load(`${url}/async`, {}, 16);
    const cpu = cpuSeconds(server.pid);
    const through = load(`${server.url}/proxy/async`, headers, 16);
    print('proxy.get', through.rate, 'requests/s');
    print('proxy.get.cpu', ((cpuSeconds(server.pid) - cpu) * 1e6) / (through.rate * 5), 'us CPU/request');
    print('proxy.get.ratio', through.rate / direct.rate);
    print('proxy.added.p50', load(`${server.url}/proxy/async`, headers, 1).p50 - load(`${url}/async`, {}, 1).p50, 'ms');
    await server.stop();
    provider.kill();
}

/* webhook: from the provider's event to the app's webhook about the record it became. */

async function webhookBench(): Promise<void> {
    const { server, app } = await serverWithApp();
    await server.integration();
    await server.deploy({
        'fake/syncs/items': sync('', {
            autoStart: false,
            more: `webhookSubscriptions: ['item.saved'], onWebhook: async (nango, payload) => { await nango.batchSave([payload.item], 'Item'); },`
        })
    });
    await server.connection('c1', 'http://127.0.0.1:9');
    const to = (await server.ok('GET', '/integrations/fake?include=webhook')).data.webhook_url as string;
    const waits: number[] = [];
    for (let i = 0; i < 300; i++) {
        const from = performance.now();
        const body = JSON.stringify({ type: 'item.saved', connectionId: 'c1', item: { id: String(i) } });
        await fetch(to, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
        await app.syncs(i + 1, (hook) => hook.syncType === 'WEBHOOK');
        waits.push(performance.now() - from);
    }
    const sorted = waits.slice(20).toSorted((a, b) => a - b); // the runner is warm
    print('webhook.event_to_delivery.p50', sorted[Math.floor(sorted.length * 0.5)]!, 'ms');
    print('webhook.event_to_delivery.p99', sorted[Math.floor(sorted.length * 0.99)]!, 'ms');
    await server.stop();
    app.close();
}

const benches: Record<string, () => Promise<void>> = { start, sync: syncBench, runs: runsBench, proxy: proxyBench, webhook: webhookBench };
const wanted = process.argv.slice(2).length ? process.argv.slice(2) : Object.keys(benches);
for (const name of wanted) {
    const bench = benches[name];
    if (!bench) throw new Error(`no benchmark '${name}': there are records, ${Object.keys(benches).join(', ')}`);
    await bench();
}
process.exit(0);
