/*
 * ./run demo: an example CRM, a Tidemark server and an app, all on this machine. Deploys the example functions, connects
 * two customers, syncs, lets the CRM's users change things, syncs again, and prints what the app sees. Leaves the server
 * running until Ctrl-C.
 */

import { Nango } from '@nangohq/node';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const { values: args } = parseArgs({
    options: { binary: { type: 'string' }, port: { type: 'string', default: '3003' }, exit: { type: 'boolean', default: false } }
});
if (!args.binary) throw new Error('usage: node examples/demo.ts --binary build/release/tidemark [--port 3003] [--exit]');
const binary = resolve(args.binary);
const data = join(here, '..', 'build', 'demo');
const key = '11111111-1111-4111-8111-111111111111';

const children: ChildProcess[] = [];
const say = (line: string) => console.log(`\x1b[1m==> ${line}\x1b[0m`);

/** Starts a program and resolves with the address in its "listening on" line. */
async function start(name: string, command: string, argv: string[], env: Record<string, string> = {}): Promise<string> {
    const child = spawn(command, argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    const errors: string[] = [];
    createInterface(child.stderr).on('line', (line) => errors.push(line));
    child.on('exit', (code, signal) => {
        if (stopping) return;
        console.error(errors.slice(-20).join('\n'));
        console.error(`${name} ended with ${signal ?? code}`);
        stop(1);
    });
    for await (const line of createInterface(child.stdout)) {
        const url = line.match(/listening on (http:\S+)/)?.[1];
        if (url) {
            child.stdout.resume();
            return url;
        }
    }
    throw new Error(`${name} did not start`);
}

let stopping = false;
async function stop(code: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    const ends = children.filter((child) => child.exitCode === null && child.signalCode === null).map((child) => once(child, 'exit'));
    children.forEach((child) => child.kill('SIGTERM'));
    await Promise.all(ends);
    process.exit(code);
}
process.on('SIGINT', () => {
    console.log('\nstopping');
    stop(0);
});
process.on('SIGTERM', () => stop(0));

async function run(command: string, argv: string[], env: Record<string, string>): Promise<void> {
    const child = spawn(command, argv, { env: { ...process.env, ...env }, stdio: 'inherit' });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`${command} ${argv.join(' ')} ended with ${code}`);
}

interface SyncWebhook {
    type: string;
    connectionId: string;
    syncName: string;
    model: string;
    syncType: string;
    success: boolean;
    responseResults: { added: number; updated: number; deleted: number };
}

/** The app: a webhook address that keeps what it got, after checking the signature. */
class App {
    readonly webhooks: SyncWebhook[] = [];
    private waiting: (() => void)[] = [];
    nango?: Nango;

    async listen(): Promise<string> {
        const server = createServer(async (request, response) => {
            const body = await text(request);
            const genuine = this.nango!.verifyIncomingWebhookRequest(body, request.headers as Record<string, string>);
            response.writeHead(genuine ? 200 : 401).end();
            if (!genuine) return;
            this.webhooks.push(JSON.parse(body));
            this.waiting.splice(0).forEach((wake) => wake());
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const address = server.address();
        if (address === null || typeof address === 'string') throw new Error('no address');
        return `http://127.0.0.1:${address.port}`;
    }

    /** Resolves when `done` accepts the webhooks so far. */
    async until(what: string, done: (seen: SyncWebhook[]) => boolean): Promise<void> {
        const late = setTimeout(() => {
            console.error(`no webhook within 60 s: ${what}`);
            stop(1);
        }, 60_000);
        while (!done(this.webhooks)) await new Promise<void>((wake) => this.waiting.push(wake));
        clearTimeout(late);
    }
}

async function api(url: string, method: string, path: string, body?: unknown): Promise<any> {
    const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body)
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer}`);
    return answer ? JSON.parse(answer) : undefined;
}

const MODELS = ['Contact', 'Company', 'Ticket'];
const CUSTOMERS = ['acme', 'globex'];

function showWebhooks(webhooks: SyncWebhook[]): void {
    for (const hook of webhooks.filter(({ type }) => type === 'sync')) {
        const { added, updated, deleted } = hook.responseResults;
        console.log(
            `    webhook  ${hook.connectionId.padEnd(7)} ${hook.syncName.padEnd(10)} ${hook.model.padEnd(8)} ${hook.syncType.padEnd(12)}` +
                `added ${added}, updated ${updated}, deleted ${deleted}`
        );
    }
}

/** Reads everything new of a model, page by page, from where the last reading ended. */
async function readChanges(nango: Nango, connectionId: string, model: string, cursors: Map<string, string>): Promise<any[]> {
    const where = `${connectionId}/${model}`;
    const changes: any[] = [];
    for (;;) {
        const page = await nango.listRecords({ providerConfigKey: 'crm', connectionId, model, cursor: cursors.get(where), limit: 100 });
        changes.push(...page.records);
        const last = page.records.at(-1);
        if (last) cursors.set(where, last._nango_metadata.cursor);
        if (!page.next_cursor) return changes;
    }
}

function showChanges(connectionId: string, model: string, changes: any[]): void {
    const counts = Object.groupBy(changes, (record) => record._nango_metadata.last_action);
    const sums = Object.entries(counts).map(([action, list]) => `${action} ${list!.length}`);
    console.log(`    read     ${connectionId.padEnd(7)} ${model.padEnd(8)} ${changes.length} records: ${sums.join(', ') || 'none'}`);
}

async function main(): Promise<void> {
    await rm(data, { recursive: true, force: true });
    const app = new App();
    const appUrl = await app.listen();

    say('starting the example CRM and the server');
    const crm = await start('the CRM', process.execPath, [join(here, 'provider', 'main.ts'), '--port', '0']);
    const server = await start(
        'the server',
        binary,
        ['serve', '--listen', `127.0.0.1:${args.port}`, '--data', data, '--providers', join(here, 'provider', 'provider.yaml'), '--allow-egress', '127.0.0.0/8'],
        { TIDEMARK_SECRET_KEY_DEV: key, TIDEMARK_WEBHOOK_URL_DEV: appUrl }
    );
    console.log(`    CRM ${crm}, server ${server}, app ${appUrl}`);

    const { data: rotated } = await api(server, 'POST', '/environment/webhook-signing-key/rotate');
    const nango = new Nango({ host: server, apiKey: key, webhookSigningKey: rotated.webhook_signing_key });
    app.nango = nango;

    say('deploying examples/functions');
    await nango.createIntegration({ provider: 'example-crm', unique_key: 'crm' });
    await run(binary, ['deploy', 'dev', join(here, 'functions')], { TIDEMARK_HOST: server, TIDEMARK_SECRET_KEY_DEV: key });

    say('connecting two customers: each gets its first sync at once');
    for (const customer of CUSTOMERS) {
        await api(server, 'POST', '/connections', {
            provider_config_key: 'crm',
            connection_id: customer,
            credentials: { type: 'API_KEY', apiKey: `${customer}-key` },
            connection_config: { baseUrl: crm }
        });
    }
    const everySync = CUSTOMERS.length * MODELS.length;
    await app.until('first syncs', (seen) => seen.filter(({ type }) => type === 'sync').length >= everySync);
    showWebhooks(app.webhooks);

    const cursors = new Map<string, string>();
    for (const customer of CUSTOMERS)
        for (const model of MODELS) showChanges(customer, model, await readChanges(nango, customer, model, cursors));

    say("a round of changes by the CRM's users");
    const changed = await api(crm, 'POST', '/_admin/change', {});
    for (const [customer, kinds] of Object.entries<any>(changed))
        for (const [kind, what] of Object.entries<any>(kinds))
            console.log(`    CRM      ${customer.padEnd(7)} ${kind.padEnd(9)} created ${what.created.length}, updated ${what.updated.length}, deleted ${what.deleted.length}`);

    say('syncing again');
    const before = app.webhooks.length;
    for (const customer of CUSTOMERS) await nango.triggerSync('crm', ['contacts', 'companies', 'tickets'], customer);
    await app.until('second syncs', (seen) => {
        const fresh = seen.slice(before).filter(({ type }) => type === 'sync');
        return new Set(fresh.map((hook) => hook.connectionId + hook.syncName)).size >= everySync;
    });
    showWebhooks(app.webhooks.slice(before));

    say('what the app reads with its cursors: only the changes');
    for (const customer of CUSTOMERS) {
        for (const model of MODELS) {
            const changes = await readChanges(nango, customer, model, cursors);
            showChanges(customer, model, changes);
            for (const record of changes.slice(0, 3)) console.log(`             ${record._nango_metadata.last_action.padEnd(8)} ${JSON.stringify(record).slice(0, 110)}…`);
        }
    }

    say('a ticket changes, and the CRM says so with a webhook');
    const { data: integration } = await api(server, 'GET', '/integrations/crm?include=webhook');
    const mark = app.webhooks.length;
    await api(crm, 'POST', '/_admin/webhook', { url: integration.webhook_url, connectionId: 'acme', customer: 'acme' });
    await app.until('the ticket', (seen) => seen.slice(mark).some((hook) => hook.type === 'sync' && hook.syncType === 'WEBHOOK'));
    showWebhooks(app.webhooks.slice(mark));
    showChanges('acme', 'Ticket', await readChanges(nango, 'acme', 'Ticket', cursors));

    say('done');
    if (args.exit) return stop(0);
    console.log(`The server keeps running. Look around, for example:
    curl -H 'Authorization: Bearer ${key}' '${server}/sync/status?syncs=*&provider_config_key=crm&connection_id=acme'
    curl -H 'Authorization: Bearer ${key}' -H 'Connection-Id: acme' -H 'Provider-Config-Key: crm' '${server}/records?model=Contact&limit=2'
Ctrl-C stops it.`);
}

main().catch((error: Error) => {
    console.error(`demo failed: ${error.message}`);
    stop(1);
});
