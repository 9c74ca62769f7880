/*
 * Recordings against a live server: every sync is deployed and runs for a connection of its own, its requests go over HTTP
 * to a replay server instead of the provider, and what GET /records then has is compared with what the recording says that
 * the sync saves. A second run from the start must then change nothing. All of them in one server.
 */

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { App, binary, Reader, run, Server, serverWithApp, tempDir, until } from '../api/harness.ts';
import type { Case } from './collection.ts';
import { Exchanges, madeAt, type Provider, type Recording } from './recording.ts';
import { startReplay, type ReplayServer, type Session } from './server.ts';

export interface Verdict {
    name: string;
    /** Why it failed; undefined when it passed. */
    problem?: string;
    records: number;
    requests: number;
}

export interface Options {
    /** Catalogues in the public schema, over the built-in one. */
    providers?: string[];
    /** Runs at once. */
    parallel?: number;
    /** Told of each as it ends. */
    each?: (verdict: Verdict) => void;
}

/** An integration of its own for each sync: a new connection starts all syncs of its integration. */
const keyOf = (one: Case) => `${one.integration}--${one.sync}`;

const RUN_MS = 120_000;

/** Everything that credentials of any type may need; a token that does not say when it expires does not. */
function credentials(type: string, recorded: object = {}): object {
    const all = { apiKey: 'replay', username: 'replay', password: 'replay', access_token: 'replay', token: 'replay', client_id: 'replay', client_secret: 'replay', oauth_token: 'replay', oauth_token_secret: 'replay', token_id: 'replay', token_secret: 'replay', session_id: 'replay' };
    return type === 'NONE' ? { type } : { ...all, ...recorded, type };
}

const CONFIG_VALUE = /\$\{\s*connection_?[cC]onfig\.(\w+)\s*\}/g;

/** What the base URL's template stands for in an address of the recording, as in a link to a next page. */
function valuesOfBase(provider: any, recording: Recording): Record<string, string> {
    const base = String(provider.proxy?.base_url ?? '');
    const names = [...base.matchAll(CONFIG_VALUE)].map(([, name = '']) => name);
    const pattern = base.split(CONFIG_VALUE).map((piece, i) => (i % 2 ? '([\\w.-]+)' : RegExp.escape(piece))).join('');
    const [, ...values] = (names.length && JSON.stringify(recording.api).match(new RegExp(`${pattern}(?=[/?"])`))) || [];
    return Object.fromEntries(values.map((value, i) => [names[i], value]));
}

/** The connection's configuration: what the recording tells, and values for what else the provider's templates need. */
function connectionConfig(provider: any, recording: Recording): Record<string, unknown> {
    const { getConnection: given, getMetadata: metadata } = recording.nango ?? {};
    const recorded = given?.connection_config ?? {};
    const seen = valuesOfBase(provider, recording);
    const needed = JSON.stringify(provider.proxy ?? {}).matchAll(CONFIG_VALUE);
    const made: Record<string, unknown> = {};
    for (const [, name = ''] of needed) {
        const field = provider.connection_config?.[name] ?? {};
        made[name] = seen[name] ?? metadata?.[name] ?? field.default_value ?? (field.format === 'uri' ? 'https://replay.example.com' : 'replay');
    }
    return { ...made, ...recorded };
}

/** The base URL with the connection's values; what else it has stands for itself. */
function baseUrl(provider: any, config: Record<string, unknown>): string {
    const [first = '', second] = String(provider.proxy?.base_url ?? '').split('||').map((text: string) => text.trim());
    const fill = (text: string) => text.replace(CONFIG_VALUE, (whole, name) => String(config[name] ?? whole));
    const filled = fill(first);
    return second !== undefined && filled.includes('${') ? fill(second) : filled;
}

function describe(one: Case, provider: any, config: Record<string, unknown>): Provider {
    const { query = {}, headers = {} } = provider.proxy ?? {};
    const ownBase = readFileSync(join(one.folder, 'syncs', `${one.sync}.ts`), 'utf8').includes('baseUrlOverride');
    return { base: baseUrl(provider, config), ownBase, params: Object.keys(query), headers: Object.keys(headers).map((name) => name.toLowerCase()) };
}

class Replay {
    private readonly server: Server;
    private readonly app: App;
    private readonly replay: ReplayServer;
    private readonly providers: Record<string, any>;

    private constructor(server: Server, app: App, replay: ReplayServer, providers: Record<string, any>) {
        this.server = server;
        this.app = app;
        this.replay = replay;
        this.providers = providers;
    }

    static async start(catalogues: string[]): Promise<Replay> {
        const replay = await startReplay();
        const { server, app } = await serverWithApp({ args: catalogues.flatMap((file) => ['--providers', file]), env: { TIDEMARK_FAULT: `replay:=${replay.url}` } });
        return new Replay(server, app, replay, await server.ok('GET', '/providers.json'));
    }

    /** A server that does not end well has failed, too. */
    async stop(): Promise<void> {
        const code = await this.server.stop();
        this.app.close();
        await this.replay.close();
        if (code !== 0) throw new Error(`the server ended with ${code}:\n${this.server.log.slice(-20).join('\n')}`);
    }

    /** Deploys them all at once; why each of those failed that cannot be deployed. */
    async deploy(cases: Case[]): Promise<Map<Case, string>> {
        const failed = new Map<Case, string>();
        const project = tempDir();
        const known = new Set<string>();
        for (const one of cases) {
            const key = keyOf(one);
            if (!this.providers[one.integration]) failed.set(one, `skipped: the catalogue has no provider '${one.integration}'`);
            if (failed.has(one) || known.has(key)) continue;
            known.add(key);
            await this.server.ok('POST', '/integrations', { provider: one.integration, unique_key: key, ...this.integrationCredentials(one) });
            cpSync(one.folder, join(project, key), { recursive: true, filter: (path) => !/^(tests|mocks|node_modules)$/.test(basename(path)) });
        }
        for (;;) {
            const sent = cases.filter((one) => !failed.has(one));
            writeFileSync(join(project, 'index.ts'), [...new Set(sent.map((one) => `import './${keyOf(one)}/syncs/${one.sync}.js';\n`))].join(''));
            const { code, stderr } = await run(binary, ['deploy', 'dev', project, '--auto-confirm'], { TIDEMARK_HOST: this.server.url, TIDEMARK_SECRET_KEY_DEV: this.server.key });
            if (code === 0) return failed;
            // Deploying is all or nothing: once more without those that it names.
            const wrong = sent.filter((one) => stderr.includes(`${keyOf(one)}/`));
            if (wrong.length === 0) throw new Error(`deploy failed: ${stderr}`);
            for (const one of wrong) failed.set(one, stderr.split('\n').find((line) => line.includes(`${keyOf(one)}/`))!);
        }
    }

    private integrationCredentials(one: Case): object {
        const mode = this.providers[one.integration].auth_mode;
        return /^OAUTH[12]$/.test(mode) ? { credentials: { type: mode, client_id: 'replay', client_secret: 'replay' } } : {};
    }

    /** Runs it for a new connection. A function may have looked at its clock before the second of the Date header began. */
    async test(one: Case): Promise<Verdict> {
        const recording = one.load();
        const now = madeAt(recording);
        const verdict = await this.attempt(one, recording, now);
        return verdict.problem?.startsWith('not recorded') && now !== undefined && !recording.now ? this.attempt(one, recording, now - 1000) : verdict;
    }

    private async attempt(one: Case, recording: Recording, now: number | undefined): Promise<Verdict> {
        const provider = this.providers[one.integration];
        const given = recording.nango?.getConnection ?? {};
        const config = connectionConfig(provider, recording);
        const id = `${one.name.replace(/\W/g, '-')}${now === undefined ? '' : `@${now}`}`;
        const session = this.replay.add(id, new Exchanges(recording, describe(one, provider, config)));
        const key = keyOf(one);
        let problem: string | undefined;
        let records = 0;
        try {
            await this.run(one, key, id, recording, config, provider.auth_mode, given);
            [records, problem] = await this.compare(one, key, id, recording);
            if (!problem && !session.problems.length && isRepeatable(recording)) problem = await this.again(one, key, id, session);
        } catch (error) {
            problem = (error as Error).message;
        }
        problem = session.problems[0] ?? problem;
        if (problem) await this.server.api('DELETE', `/connections/${encodeURIComponent(id)}?provider_config_key=${key}`);
        this.replay.remove(id);
        return { name: one.name, ...(problem && { problem }), records, requests: session.requests };
    }

    /** Until the sync has run; throws when it failed. */
    private async run(one: Case, key: string, id: string, { nango = {} }: Recording, connection_config: object, mode: string, given: any): Promise<void> {
        const metadata = nango.getMetadata ?? given.metadata;
        await this.server.ok('POST', '/connections', { provider_config_key: key, connection_id: id, connection_config, credentials: credentials(mode, given.credentials), ...(metadata && { metadata }) });
        // Started by that already, unless it waits to be started.
        if ((await this.server.statusOf(one.sync, id, key)).status === 'PAUSED') await this.server.trigger(one.sync, id, undefined, key);
        const [result] = await this.app.syncs(1, (body) => body.connectionId === id, RUN_MS);
        if (!result.success) throw new Error(`${result.error?.type ?? 'error'}: ${JSON.stringify(result.error?.description ?? result.error)}`.slice(0, 500));
    }

    /** From the start, with the same answers: what is saved is what is there. */
    private async again(one: Case, key: string, id: string, { exchanges }: Session): Promise<string | undefined> {
        exchanges.restart();
        await this.server.trigger(one.sync, id, { reset: true }, key);
        const [, second] = await this.app.syncs(2, (body) => body.connectionId === id, RUN_MS);
        const { added, updated, deleted } = second.responseResults ?? {};
        if (!second.success) return `the second run: ${JSON.stringify(second.error).slice(0, 300)}`;
        return added || updated || deleted ? `the second run changed records: ${JSON.stringify(second.responseResults)}` : undefined;
    }

    /** How many records there are, and the first thing that is wrong with them. */
    private async compare(one: Case, key: string, id: string, { nango = {} }: Recording): Promise<[number, string | undefined]> {
        const { batchSave = {}, batchUpdate = {}, batchDelete = {} } = nango;
        const { recordCount } = await this.server.statusOf(one.sync, id, key);
        const models = new Set([batchSave, batchUpdate, batchDelete].flatMap((what) => Object.keys(what)));
        let total = 0;
        for (const [model, count] of Object.entries(recordCount as Record<string, number>)) {
            total += count;
            if (count > 0 && !models.has(model)) return [total, `${model}: ${count} records that are not in the recording`];
        }
        for (const model of models) {
            const reader = new Reader(this.server, id, model, 40, { integration: key });
            const problem = difference(await reader.drain(), batchSave[model] ?? [], batchUpdate[model] ?? [], batchDelete[model] ?? []);
            if (problem) return [total, `${model}: ${problem}`];
            if (batchDelete[model]?.length) await this.deleted(id, model, batchDelete[model].length);
        }
        return [total, undefined];
    }

    /** Deleting what is not there changes no record: the run's log tells of it, soon after the run. */
    private async deleted(connection: string, model: string, count: number): Promise<void> {
        await until(`that ${count} records of ${model} are deleted`, async () => {
            const told = (await this.server.messages(connection)).map((line) => line.match(/Successfully batch deleted (\d+) records? of (.+)$/));
            return told.filter((found) => found?.[2] === model).reduce((sum, found) => sum + Number(found![1]), 0) === count;
        }, 5000);
    }
}

/** Whether each record is written once: what is written twice changes twice in every run. */
function isRepeatable({ nango: { batchSave = {}, batchUpdate = {}, batchDelete = {} } = {} }: Recording): boolean {
    const written = [batchSave, batchUpdate, batchDelete].flatMap((what) => Object.entries(what).flatMap(([model, records]) => records.map(({ id }) => `${model} ${id}`)));
    return new Set(written).size === written.length;
}

/** What batchUpdate makes of a record. */
function merged(old: any, change: any): any {
    const isObject = (value: unknown) => value !== null && typeof value === 'object' && !Array.isArray(value);
    if (!isObject(old) || !isObject(change)) return change;
    return Object.fromEntries([...new Set([...Object.keys(old), ...Object.keys(change)])].map((name) => [name, name in change ? (name in old ? merged(old[name], change[name]) : change[name]) : old[name]]));
}

/** The store's id is a text. */
const stored = (record: any) => ({ ...record, id: String(record.id) });

/**
 * What is wrong with the records of a model. Recordings do not say which of the records with one id came in one batch (the
 * first counts there) or in a later one (the last counts): any of them is right.
 */
export function difference(got: any[], saved: any[], updated: any[], deleted: any[]): string | undefined {
    const want = new Map<string, any[]>();
    for (const record of saved.map(stored)) want.set(record.id, [...(want.get(record.id) ?? []), record]);
    for (const change of updated.map(stored)) if (want.has(change.id)) want.get(change.id)!.push(...want.get(change.id)!.map((record) => merged(record, change)));
    const gone = new Set(deleted.map(({ id }) => String(id)));
    const have = new Map(got.map(({ _nango_metadata: { last_action }, ...record }) => [record.id, { record, isDeleted: last_action === 'DELETED' }]));
    for (const [id, variants] of want) {
        const found = have.get(id);
        if (!found) return `record ${id} is missing`;
        if (found.isDeleted !== gone.has(id)) return `record ${id} is ${found.isDeleted ? '' : 'not '}deleted`;
        if (!found.isDeleted && !variants.some((record) => isDeepStrictEqual(found.record, record))) return `record ${id}: ${firstDifference(variants.at(-1), found.record)}`;
    }
    const extra = [...have.keys()].find((id) => !want.has(id));
    if (extra !== undefined) return `record ${extra} is not in the recording`;
    // The feed tells of changes in the order in which they were made.
    const once = (id: string) => want.get(id)!.length === 1 && !gone.has(id);
    const order = [...want.keys()].filter(once);
    return isDeepStrictEqual([...have.keys()].filter(once), order) ? undefined : 'the records came in another order than they were saved in';
}

function firstDifference(want: any, got: any, path = ''): string {
    if (want && got && typeof want === 'object' && typeof got === 'object' && Array.isArray(want) === Array.isArray(got))
        for (const name of new Set([...Object.keys(want), ...Object.keys(got)])) if (!isDeepStrictEqual(want[name], got[name])) return firstDifference(want[name], got[name], `${path}.${name}`);
    return `${path} expected ${JSON.stringify(want)?.slice(0, 200)}, got ${JSON.stringify(got)?.slice(0, 200)}`;
}

/** All of them, in one server. */
export async function replayAll(cases: Case[], { providers = [], parallel = 8, each = () => {} }: Options = {}): Promise<Verdict[]> {
    const replay = await Replay.start(providers);
    const verdicts: Verdict[] = [];
    const end = (verdict: Verdict) => {
        verdicts.push(verdict);
        each(verdict);
    };
    try {
        const failed = await replay.deploy(cases);
        for (const [{ name }, problem] of failed) end({ name, problem, records: 0, requests: 0 });
        const waiting = cases.filter((one) => !failed.has(one));
        const worker = async () => {
            for (let one = waiting.shift(); one; one = waiting.shift()) end(await replay.test(one));
        };
        await Promise.all(Array.from({ length: parallel }, worker));
    } finally {
        await replay.stop();
    }
    return verdicts;
}
