/*
 * What every black-box test needs: a real server on a free port with its own data folder (or its own database, under
 * tests/with-postgres), an app that receives webhooks, and short ways to deploy functions and create connections. Nothing
 * here sleeps: everything waits for an event.
 */

import { Nango } from '@nangohq/node';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server as HttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cluster, createDatabase } from './postgres.ts';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const binary = process.env['TIDEMARK_BIN'] ?? join(root, 'build', 'test', 'tidemark');

const atExit: (() => void)[] = [];
process.on('exit', () => atExit.forEach((what) => what()));

/** Every server of this process: what a failed test leaves running must not keep the process alive. */
const servers = new Set<ChildProcess>();
after(() => servers.forEach((child) => child.kill('SIGKILL')));

/** A folder that is gone when the test process ends. */
export function tempDir(): string {
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-'));
    atExit.push(() => rmSync(dir, { recursive: true, force: true }));
    return dir;
}

/** How long what must come is waited for. */
const PATIENCE_MS = 15_000;

/** What `check` returns, once that is something; for states that nothing announces. */
export async function until<T>(what: string, check: () => T | Promise<T>, ms = PATIENCE_MS): Promise<Exclude<T, false | null | undefined>> {
    const late = performance.now() + ms;
    for (;;) {
        const found = await check();
        if (found) return found as Exclude<T, false | null | undefined>;
        if (performance.now() > late) throw new Error(`not within ${ms} ms: ${what}`);
        await pause(20);
    }
}

export interface ServerOptions {
    data?: string;
    /** A PostgreSQL URL, or null for the file in the data folder; else what the test run is for. */
    database?: string | null;
    env?: Record<string, string>;
    args?: string[];
}

export interface Answer {
    status: number;
    headers: Headers;
    body: any;
}

/** A `tidemark serve` process. */
export class Server {
    readonly data: string;
    /** URL of its database; null when it is the file in its data folder. */
    database: string | null = null;
    readonly key: string;
    /** What all servers of a database seal with; a folder has a key file instead. */
    readonly masterKey: string;
    readonly log: string[] = [];
    url = '';
    pid = 0;
    private child!: ChildProcess;
    private readonly options: ServerOptions;

    private constructor(options: ServerOptions, like?: Server) {
        this.options = options;
        this.data = options.data ?? tempDir();
        this.key = like?.key ?? randomUUID();
        this.masterKey = like?.masterKey ?? randomBytes(32).toString('base64');
        this.database = like?.database ?? null;
    }

    static async start(options: ServerOptions = {}): Promise<Server> {
        const server = new Server(options);
        server.database = options.database !== undefined ? options.database : cluster ? await createDatabase() : null;
        await server.up();
        return server;
    }

    /** Another server on the same database: a second node. */
    async node(options: ServerOptions = {}): Promise<Server> {
        const server = new Server({ ...this.options, ...options, env: { ...this.options.env, ...options.env } }, this);
        await server.up();
        return server;
    }

    /** Starts the process (again) on the same data; `extra` holds for this start only. */
    async up(extra: Record<string, string> = {}): Promise<void> {
        const database = this.database ? ['--database', this.database] : [];
        const shared = this.database ? { TIDEMARK_ENCRYPTION_KEY: this.masterKey } : {};
        const argv = ['serve', '--listen', '127.0.0.1:0', '--data', this.data, ...database, '--allow-egress', '127.0.0.0/8', ...(this.options.args ?? [])];
        this.child = spawn(binary, argv, {
            env: { ...process.env, TIDEMARK_SECRET_KEY_DEV: this.key, ...shared, ...this.options.env, ...extra },
            stdio: ['ignore', 'pipe', 'pipe']
        });
        this.pid = this.child.pid!;
        const child = this.child;
        const closed = once(child, 'close');
        servers.add(child);
        child.on('exit', (code, signal) => {
            if (!child.killed && signal && signal !== 'SIGKILL') console.error(`the server died of ${signal} (exit code ${code}); it said last:\n${this.log.slice(-5).join('\n')}`);
        });
        atExit.unshift(() => child.kill('SIGKILL'));
        createInterface(child.stderr!).on('line', (line) => this.log.push(line));
        for await (const line of createInterface(child.stdout!)) {
            const found = line.match(/listening on (http:\S+)/);
            if (!found) continue;
            this.url = found[1]!;
            child.stdout!.resume();
            return;
        }
        await closed;
        throw new Error(`the server did not start (exit code ${child.exitCode}):\n${this.log.join('\n')}`);
    }

    /** A command that works on the same data, beside it. */
    beside(argv: string[], env: Record<string, string> = {}): Promise<Finished> {
        const database = this.database ? ['--database', this.database] : [];
        const shared: Record<string, string> = this.database ? { TIDEMARK_ENCRYPTION_KEY: this.masterKey } : {};
        return run(binary, [...argv, '--data', this.data, ...database], { ...shared, ...this.options.env, ...env });
    }

    /** Resolves when the process has ended for a reason of its own. */
    async ended(): Promise<void> {
        if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    }

    /** Process ids of its runners. */
    runners(): number[] {
        return readdirSync('/proc')
            .filter((name) => /^\d+$/.test(name))
            .filter((name) => {
                try {
                    return readFileSync(`/proc/${name}/status`, 'utf8').includes(`\nPPid:\t${this.pid}\n`);
                } catch {
                    return false; // It ended meanwhile.
                }
            })
            .map(Number);
    }

    private async end(signal: NodeJS.Signals): Promise<number | null> {
        if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
        const exit = once(this.child, 'exit');
        this.child.kill(signal);
        const [code] = await exit;
        return code;
    }

    /** SIGTERM; resolves with the exit code. */
    stop(): Promise<number | null> {
        return this.end('SIGTERM');
    }

    kill(): Promise<number | null> {
        return this.end('SIGKILL');
    }

    nango(signingKey?: string): Nango {
        return new Nango({ host: this.url, apiKey: this.key, ...(signingKey ? { webhookSigningKey: signingKey } : {}) });
    }

    /** A request with the dev key; the body is JSON unless it is a string. */
    async api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
        const response = await fetch(this.url + path, {
            method,
            redirect: 'manual',
            headers: { authorization: `Bearer ${this.key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
            body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
        });
        const raw = await response.text();
        let parsed: any = raw;
        try {
            parsed = JSON.parse(raw);
        } catch {
            // Not every answer is JSON: the test sees the text.
        }
        return { status: response.status, headers: response.headers, body: parsed };
    }

    /** Like api, but anything but a 2xx fails the test. */
    async ok(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
        const answer = await this.api(method, path, body, headers);
        if (answer.status < 200 || answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return answer.body;
    }

    /** An integration without authentication whose connections say where the provider is. */
    async integration(unique_key = 'fake'): Promise<void> {
        await this.ok('POST', '/integrations', { provider: 'unauthenticated', unique_key });
    }

    async connection(connection_id: string, baseUrl: string, provider_config_key = 'fake', more: object = {}): Promise<any> {
        return this.ok('POST', '/connections', {
            provider_config_key,
            connection_id,
            credentials: { type: 'NONE' },
            connection_config: { base_url: baseUrl, baseUrl },
            ...more
        });
    }

    /** Compiles and deploys functions given as source text: { 'fake/syncs/items': '...' }. */
    async deploy(functions: Record<string, string>): Promise<void> {
        const dir = project(functions);
        const { code, stderr } = await run(binary, ['deploy', 'dev', dir, '--auto-confirm', '--allow-destructive'], {
            TIDEMARK_HOST: this.url,
            TIDEMARK_SECRET_KEY_DEV: this.key
        });
        if (code !== 0) throw new Error(`deploy failed: ${stderr}`);
    }

    async trigger(sync: string, connection_id: string, opts?: object, provider_config_key = 'fake'): Promise<void> {
        await this.ok('POST', '/sync/trigger', { syncs: [sync], provider_config_key, connection_id, ...(opts && { opts }) });
    }

    /** The status of one sync. */
    async statusOf(sync: string, connection_id: string, provider_config_key = 'fake'): Promise<any> {
        const [status] = await this.status(connection_id, sync, provider_config_key);
        return status;
    }

    /** A new key that signs outbound webhooks. */
    async signingKey(): Promise<string> {
        return (await this.ok('POST', '/environment/webhook-signing-key/rotate')).data.webhook_signing_key;
    }

    async status(connection_id: string, syncs = '*', provider_config_key = 'fake'): Promise<any[]> {
        const query = new URLSearchParams({ syncs, provider_config_key, connection_id });
        return (await this.ok('GET', `/sync/status?${query}`)).syncs;
    }

    /** All records of a model after a cursor, by pages. */
    async records(connectionId: string, model: string, cursor?: string, providerConfigKey = 'fake'): Promise<any[]> {
        const all: any[] = [];
        for (let next: string | null | undefined = cursor; ; ) {
            const query = new URLSearchParams({ model, limit: '1000', ...(next ? { cursor: next } : {}) });
            const page = await this.ok('GET', `/records?${query}`, undefined, {
                'connection-id': connectionId,
                'provider-config-key': providerConfigKey
            });
            all.push(...page.records);
            next = page.next_cursor;
            if (!next) return all;
        }
    }

    /** The messages of a connection, once one of them fits: they are written a little after the run. */
    async said(connection: string, what: RegExp): Promise<string[]> {
        let lines: string[] = [];
        await until(`a message like ${what}`, async () => (lines = await this.messages(connection)).some((line) => what.test(line)), 3000).catch((error: Error) => {
            throw new Error(`${error.message}; there is:\n${lines.join('\n').slice(0, 3000)}`);
        });
        return lines;
    }

    /** Messages of all runs of a connection, as `level message`. */
    async messages(connection: string): Promise<string[]> {
        const { data } = await this.ok('GET', `/logs/operations?connection=${encodeURIComponent(connection)}&limit=100`);
        const lines: string[] = [];
        for (const operation of data) {
            for (let cursor: string | null = ''; cursor !== null; ) {
                const query: string = cursor ? `&cursor=${cursor}` : '';
                const page: any = await this.ok('GET', `/logs/operations/${operation.id}/messages?limit=1000${query}`);
                lines.push(...page.data.map((m: any) => `${m.level} ${m.message}`));
                cursor = page.next_cursor ?? null;
            }
        }
        return lines;
    }
}

/**
 * A customer's app that follows a model with its cursor, and complains about whatever a feed must not do: repeat a place,
 * go back in time.
 */
export class Reader {
    /** By id, as the app would store them. */
    readonly live = new Map<string, any>();
    /** Every change, in the order of reading; without a history none. */
    readonly changes: any[] = [];
    cursor: string | undefined;
    private readonly seen = new Set<string>();
    private last: string | undefined;
    private readonly server: Server;
    private readonly connection: string;
    private readonly model: string;
    private readonly limit: number;
    private readonly integration: string;
    private readonly history: boolean;

    /** Without `history` it remembers nothing but where it is: for feeds of any length. */
    constructor(server: Server, connection: string, model: string, limit = 100, { integration = 'fake', history = true } = {}) {
        this.integration = integration;
        this.server = server;
        this.connection = connection;
        this.model = model;
        this.limit = limit;
        this.history = history;
    }

    /** Reads everything new; returns it. */
    async drain(): Promise<any[]> {
        const fresh: any[] = [];
        for (;;) {
            const query = new URLSearchParams({ model: this.model, limit: String(this.limit), ...(this.cursor && { cursor: this.cursor }) });
            const page = await this.server.ok('GET', `/records?${query}`, undefined, { 'connection-id': this.connection, 'provider-config-key': this.integration });
            for (const record of page.records) fresh.push(this.take(record));
            if (!page.next_cursor) return fresh;
        }
    }

    private take(record: any): any {
        const { cursor, last_modified_at: at, last_action: action } = record._nango_metadata;
        if (this.seen.has(cursor)) throw new Error(`${record.id} came twice at the same place`);
        // Fractions are cut of zeros: compared as text only after padding.
        if (this.last !== undefined && micros(this.last) >= micros(at)) throw new Error(`${record.id} of ${at} came after ${this.last}`);
        this.last = at;
        this.cursor = cursor;
        if (this.history) {
            this.seen.add(cursor);
            this.changes.push(record);
        }
        if (action === 'DELETED') this.live.delete(record.id);
        else this.live.set(record.id, record);
        return record;
    }
}

/** A record's time as a number that can be compared: microseconds since 1970. */
export function micros(time: string): bigint {
    const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?\+00:00$/.exec(time)!;
    return BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'));
}

/** A function project in a temporary folder, made of source texts. */
export function project(functions: Record<string, string>): string {
    const dir = tempDir();
    for (const [name, source] of Object.entries(functions)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, `${name}.ts`), source);
    }
    writeFileSync(join(dir, 'index.ts'), Object.keys(functions).map((name) => `import './${name}.js';\n`).join(''));
    return dir;
}

export function copyDir(from: string): string {
    const dir = tempDir();
    cpSync(from, dir, { recursive: true, filter: (path) => !path.includes('node_modules') });
    return dir;
}

export interface Finished {
    code: number | null;
    stdout: string;
    stderr: string;
}

export async function run(command: string, argv: string[], env: Record<string, string> = {}, cwd = root): Promise<Finished> {
    const child = spawn(command, argv, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { code, stdout, stderr };
}

/** A sync around a body, for tests: `sync('Item', 'await nango.batchSave(...)')`. */
export function sync(body: string, { model = 'Item', frequency = 'every hour', autoStart = true, more = '' } = {}): string {
    return `import { createSync } from 'nango';
import { z } from 'zod';
export default createSync({
    description: 'test', version: '1.0.0', frequency: '${frequency}', autoStart: ${autoStart},
    models: { ${model}: z.object({ id: z.string() }) }, ${more}
    exec: async (nango) => {
${body}
    }
});
`;
}

/** A sync that does what the connection's metadata says, when it is told to: `[['batchSave', records, 'Item'], …]`. */
export const scripted = sync(
    `
        const { ops } = await nango.getMetadata();
        for (const [method, ...args] of ops) {
            if (method === 'throw') throw new Error(args[0]);
            await nango[method](...args);
        }`,
    { autoStart: false }
);

/** Has the scripted sync do something; resolves with the webhook of the run. */
export async function play(server: Server, app: App, connection: string, ops: unknown[][], name = 'items', opts?: object): Promise<any> {
    await server.ok('POST', '/connections/metadata', { provider_config_key: 'fake', connection_id: connection, metadata: { ops } });
    return app.after(() => server.trigger(name, connection, opts), name, (body) => body.connectionId === connection);
}

export interface Webhook {
    headers: IncomingHttpHeaders;
    raw: string;
    body: any;
}

/** The customer's app: receives webhooks; `answer` decides the status of each. */
export class App {
    readonly webhooks: Webhook[] = [];
    url = '';
    port = 0;
    answer: (hook: Webhook) => number = () => 200;
    private server!: HttpServer;
    private waiting = new Set<() => void>();

    static async start(port = 0): Promise<App> {
        const app = new App();
        app.server = createServer(async (request, response) => {
            const raw = await text(request);
            const hook = { headers: request.headers, raw, body: JSON.parse(raw) };
            app.webhooks.push(hook);
            response.writeHead(app.answer(hook)).end();
            for (const wake of app.waiting) wake();
        });
        app.server.listen(port, '127.0.0.1');
        await once(app.server, 'listening');
        app.server.unref();
        app.port = (app.server.address() as { port: number }).port;
        app.url = `http://127.0.0.1:${app.port}/hooks`;
        return app;
    }

    /** Webhooks that fit, once there are `count` of them. */
    async hooks(count: number, fits: (hook: Webhook) => boolean = () => true, ms = PATIENCE_MS): Promise<Webhook[]> {
        const found = () => this.webhooks.filter(fits);
        let wake = () => {};
        const late = AbortSignal.timeout(ms);
        while (found().length < count) {
            await new Promise<void>((resolve, reject) => {
                wake = resolve;
                this.waiting.add(wake);
                late.onabort = () =>
                    reject(new Error(`${found().length} of ${count} webhooks after ${ms} ms; all: ${JSON.stringify(this.webhooks.map((h) => h.body)).slice(0, 2000)}`));
            }).finally(() => this.waiting.delete(wake));
        }
        return found();
    }

    /** Bodies of the webhooks of finished runs that fit, once there are `count` of them. */
    async syncs(count: number, fits: (body: any) => boolean = () => true, ms = PATIENCE_MS): Promise<any[]> {
        const hooks = await this.hooks(count, ({ body }) => body.type === 'sync' && fits(body), ms);
        return hooks.map(({ body }) => body);
    }

    /** Does what starts a run; resolves with the body of the next webhook of that sync. */
    async after(what: () => unknown, sync: string, fits: (body: any) => boolean = () => true, ms = PATIENCE_MS): Promise<any> {
        const mine = (body: any) => body.syncName === sync && fits(body);
        const before = this.webhooks.filter(({ body }) => body.type === 'sync' && mine(body)).length;
        await what();
        return (await this.syncs(before + 1, mine, ms))[before];
    }

    close(): void {
        this.server.close();
        this.server.closeAllConnections();
    }
}

/** A server with an app that gets its webhooks. */
export async function serverWithApp(options: ServerOptions = {}): Promise<{ server: Server; app: App }> {
    const app = await App.start();
    const server = await Server.start({ ...options, env: { TIDEMARK_WEBHOOK_URL_DEV: app.url, ...options.env } });
    return { server, app };
}
