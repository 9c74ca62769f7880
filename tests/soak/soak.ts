/*
 * The soak test: many runs over many connections while everything goes wrong that may. Functions loop, take all memory, throw
 * and leave things behind; the provider fails in every way; runners and the server are killed; syncs are paused, reset,
 * and their connections deleted in mid-run. An app follows every dataset with a cursor all the while. In the end the faults
 * stop, and everything has to be as the provider has it.
 *
 * What happens is chosen by a seed; when it happens depends on the machine, so that a seed repeats the kind of trouble
 * and not the interleaving.
 */

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { App, binary, Reader, root, run, Server, until, type Webhook } from '../api/harness.ts';
import { psql } from '../api/postgres.ts';
import { FAULT_NAMES, NAMES, Provider, SYNCS, type Fault, type SyncName } from './provider.ts';
import { Random } from './random.ts';
import { descriptors, fit, warm, Watch, type Fit } from './watch.ts';

export interface SoakOptions {
    runs: number;
    connections: number;
    seed: number;
    /** Progress, for people. */
    say?: (text: string) => void;
}

export interface SoakReport {
    /** What is wrong; nothing should be. */
    problems: string[];
    seconds: number;
    runs: Record<string, number>;
    faults: Record<Fault, number>;
    chaos: Record<string, number>;
    webhooks: number;
    records: number;
    changesRead: number;
    watch: Watch;
}

/** One dataset as an app follows it. */
interface Feed {
    connection: string;
    sync: SyncName;
    reader: Reader;
}

const READERS = 4;
/** In flight; while there are more, nothing is triggered. */
const BUSY = 100;

/** What is open, for messages. */
const OPEN = `SELECT status, name, attempt, CASE WHEN owner IS NULL THEN 'waits' ELSE 'owned' END, COUNT(*) FROM runs
    WHERE status IN ('QUEUED', 'RUNNING') GROUP BY 1, 2, 3, 4`;

/** Runs that tell whether a life's memory is flat: before, caches are filling. */
const LONG_LIFE = 20_000;

const canonical = (rows: { id: string; count: number; text: string }[]) =>
    rows.map(({ id, count, text }) => JSON.stringify([id, count, text])).sort();

export async function soak(options: SoakOptions): Promise<SoakReport> {
    const it = await Soak.prepare(options);
    try {
        await it.disturb();
        await it.settle();
        await it.check();
        return it.report();
    } finally {
        await it.close();
    }
}

class Soak {
    private readonly options: SoakOptions;
    private readonly server: Server;
    private readonly app: App;
    private readonly provider: Provider;
    private readonly random: Random;
    private readonly watch = new Watch();
    private readonly problems: string[] = [];
    private readonly chaos: Record<string, number> = { runnerKills: 0, serverKills: 0, serverStops: 0, pauses: 0, resets: 0, deletions: 0, refusedWebhooks: 0 };
    private readonly connections: string[];
    private readonly feeds = new Map<string, Feed>();
    /** Feeds with something new. */
    private readonly news = new Set<Feed>();
    private readonly paused = new Map<string, { connection: string; sync: SyncName }>();
    private readonly doomed: { connection: string; sync: SyncName }[] = [];
    /** Feeds that are being read. */
    private readonly busy = new Set<Feed>();
    /** Ids of webhooks, and when each came first: as a number that counts up. */
    private readonly received = new Map<string, number>();
    /** Successes that began after the faults stopped, by connection and sync. */
    private readonly successes = new Map<string, number>();
    private calmSince = Infinity;
    private up = true;
    private over = false;
    private runs = 0;
    private records = 0;
    private changesRead = 0;
    /** Runs by their end. */
    private readonly ended: Record<string, number> = {};
    private readonly started = performance.now();
    private readonly background: Promise<void>[] = [];

    private constructor(options: SoakOptions, server: Server, app: App, provider: Provider) {
        this.options = options;
        this.server = server;
        this.app = app;
        this.provider = provider;
        this.random = new Random(options.seed);
        this.connections = Array.from({ length: options.connections }, (_, i) => `c${i}`);
    }

    static async prepare(options: SoakOptions): Promise<Soak> {
        const app = await App.start();
        const provider = await Provider.start(new Random(options.seed + 1));
        // Sanitizers take memory of their own.
        const memory = process.env['ASAN_OPTIONS'] ? '600M' : '200M';
        const server = await Server.start({
            args: ['--runner-memory', memory, '--drain-timeout', '1s', '--upkeep-period', '5s', '--log-level', 'error'],
            env: { TIDEMARK_WEBHOOK_URL_DEV: app.url }
        });
        const it = new Soak(options, server, app, provider);
        app.answer = (hook) => it.hook(hook);
        provider.onHang = (connection, sync) => it.doomed.push({ connection, sync });
        await server.integration();
        const deployed = await run(binary, ['deploy', 'dev', join(root, 'tests/soak/project'), '--auto-confirm'], {
            TIDEMARK_HOST: server.url,
            TIDEMARK_SECRET_KEY_DEV: server.key
        });
        if (deployed.code !== 0) throw new Error(`deploy failed: ${deployed.stderr}`);
        for (const connection of it.connections) await it.connect(connection);
        it.background.push(it.measure(), ...Array.from({ length: READERS }, () => it.follow()));
        return it;
    }

    async close(): Promise<void> {
        this.over = true;
        await Promise.all(this.background);
        await this.server.kill();
        await this.provider.close();
        this.app.close();
    }

    private say(text: string): void {
        this.options.say?.(`${((performance.now() - this.started) / 1000).toFixed(0).padStart(5)} s  ${text}`);
    }

    private problem(text: string): void {
        // A fault that shows everywhere need not be told of everywhere.
        if (this.problems.length < 50) this.problems.push(text);
        this.say(`PROBLEM ${text}`);
    }

    /* The app: what the server tells it, and what it reads. */

    private hook({ body, headers }: Webhook): number {
        this.app.webhooks.length = 0; // they are many
        if (!this.provider.calm && this.random.chance(0.003)) {
            this.chaos['refusedWebhooks']!++;
            return 503;
        }
        const id = String(headers['webhook-id']);
        if (!this.received.has(id)) this.received.set(id, this.received.size);
        if (body.type !== 'sync') return 200;
        const name = `${body.connectionId}/${body.syncName}`;
        if (body.success && Date.parse(body.modifiedAfter) > this.calmSince) this.successes.set(name, (this.successes.get(name) ?? 0) + 1);
        const feed = this.feeds.get(name);
        const { added = 0, updated = 0, deleted = 0 } = body.responseResults ?? {};
        // Also when nothing should be new: a failed run has saved something, or what came before was missed.
        if (feed && (!body.success || added + updated + deleted > 0 || this.random.chance(0.02))) this.news.add(feed);
        return 200;
    }

    private newFeed(connection: string, sync: SyncName): void {
        this.feeds.set(`${connection}/${sync}`, { connection, sync, reader: new Reader(this.server, connection, SYNCS[sync].model, 100, { history: false }) });
    }

    private async follow(): Promise<void> {
        for (;;) {
            const feed = this.up && [...this.news].find((one) => !this.busy.has(one));
            if (!feed) {
                if (this.over) return;
                await pause(5);
                continue;
            }
            this.news.delete(feed);
            await this.drain(feed);
        }
    }

    private async drain(feed: Feed): Promise<void> {
        const life = this.watch.life;
        this.busy.add(feed);
        try {
            this.changesRead += (await feed.reader.drain()).length;
        } catch (error) {
            // Its connection was deleted, or the server killed, meanwhile.
            if (this.feeds.get(`${feed.connection}/${feed.sync}`) !== feed) return;
            this.news.add(feed);
            if (this.up && life === this.watch.life) this.problem(`reading ${feed.connection}/${feed.sync}: ${(error as Error).message}`);
            await pause(50);
        } finally {
            this.busy.delete(feed);
        }
    }

    /* The machine. */

    /** Rows of a statement. */
    private async rows(sql: string): Promise<string[][]> {
        if (this.server.database) return (await psql(this.server.database, sql)).map((line) => line.split('|'));
        const database = new DatabaseSync(join(this.server.data, 'tidemark.db'), { readOnly: true });
        try {
            return database.prepare(sql).all().map((row) => Object.values(row).map((value) => String(value ?? '')));
        } finally {
            database.close();
        }
    }

    private async number(sql: string): Promise<number> {
        return Number((await this.rows(sql))[0]![0]);
    }

    private async databaseMb(): Promise<number> {
        if (this.server.database) return (await this.number('SELECT pg_database_size(current_database())')) / 2 ** 20;
        const size = (name: string) => (existsSync(name) ? statSync(name).size : 0);
        return ['', '-wal'].map((end) => size(join(this.server.data, `tidemark.db${end}`))).reduce((a, b) => a + b) / 2 ** 20;
    }

    private async measure(): Promise<void> {
        while (!this.over) {
            await pause(500);
            if (!this.up) continue;
            this.runs = await this.number('SELECT COALESCE(MAX(id), 0) FROM runs');
            this.watch.sample(this.server, this.runs, await this.databaseMb());
        }
    }

    private async inFlight(): Promise<number> {
        const { body } = await this.server.api('GET', '/metrics');
        return Number(String(body).match(/^tidemark_runs_in_flight (\d+)$/m)![1]);
    }

    /* Trouble. */

    private async connect(connection: string): Promise<void> {
        await this.server.connection(connection, this.provider.url(connection));
        for (const sync of NAMES) this.newFeed(connection, sync);
    }

    private control(what: 'pause' | 'start' | 'trigger', connection: string | undefined, sync: SyncName, opts?: object): Promise<unknown> {
        return this.server.ok('POST', `/sync/${what}`, { syncs: [sync], provider_config_key: 'fake', connection_id: connection, ...(opts && { opts }) });
    }

    private async pauseOne(connection: string, sync: SyncName): Promise<void> {
        this.paused.set(`${connection}/${sync}`, { connection, sync });
        await this.control('pause', connection, sync);
        this.chaos['pauses']!++;
    }

    private async startSome(share: number): Promise<void> {
        for (const [key, { connection, sync }] of this.paused) {
            if (!this.random.chance(share)) continue;
            this.paused.delete(key);
            await this.control('start', connection, sync);
        }
    }

    private async resetOne(connection: string, sync: SyncName): Promise<void> {
        await this.control('trigger', connection, sync, { reset: true });
        this.chaos['resets']!++;
    }

    /** The connection, and another of the same name: nothing of the first must show there. */
    private async replaceOne(connection: string): Promise<void> {
        for (const sync of NAMES) {
            this.feeds.delete(`${connection}/${sync}`);
            this.paused.delete(`${connection}/${sync}`);
        }
        await this.server.ok('DELETE', `/connections/${connection}?provider_config_key=fake`);
        await this.connect(connection);
        this.chaos['deletions']!++;
    }

    /** Whoever waits for an answer that will not come: its run is ended in one way or another. */
    private async cancelDoomed(): Promise<void> {
        for (const { connection, sync } of this.doomed.splice(0)) {
            const how = this.random.below(5);
            if (how === 0) await this.replaceOne(connection);
            else if (how === 1) await this.resetOne(connection, sync);
            else if (how === 2) await this.pauseOne(connection, sync);
        }
    }

    private killRunner(): void {
        const runners = this.server.runners();
        if (!runners.length) return;
        try {
            process.kill(this.random.pick(runners), 'SIGKILL');
            this.chaos['runnerKills']!++;
        } catch {
            // It ended by itself.
        }
    }

    private async restart(kindly: boolean): Promise<void> {
        const orphans = this.server.runners();
        this.up = false;
        if (kindly) {
            const code = await this.server.stop();
            if (code !== 0) this.problem(`the server ended with ${code}`);
        } else await this.server.kill();
        this.chaos[kindly ? 'serverStops' : 'serverKills']!++;
        const left = () => orphans.filter((pid) => existsSync(`/proc/${pid}`));
        await until('the runners have ended', () => left().length === 0, 15_000).catch(() => this.problem(`runners ${left()} outlive their server`));
        await this.server.up();
        this.watch.life++;
        this.up = true;
        this.say(`the server was ${kindly ? 'stopped' : 'killed'} after ${this.runs} runs`);
    }

    private change(sync: SyncName): void {
        for (const connection of this.connections)
            if (this.random.chance(0.3)) for (let n = this.random.below(10) + 1; n > 0; n--) this.provider.table(connection, sync).mutate(this.random);
    }

    /** One round: something changes there, its sync is triggered for all, and trouble is made. */
    private async round(ratio: (every: number) => number): Promise<void> {
        const sync = this.random.pick(NAMES);
        this.change(sync);
        await this.control('trigger', undefined, sync);
        await this.cancelDoomed();
        for (let n = ratio(400); n > 0; n--) this.killRunner();
        for (let n = ratio(100); n > 0; n--) await this.pauseOne(this.random.pick(this.connections), this.random.pick(NAMES));
        await this.startSome(0.3);
        for (let n = ratio(150); n > 0; n--) await this.resetOne(this.random.pick(this.connections), this.random.pick(NAMES));
        for (let n = ratio(1000); n > 0; n--) await this.replaceOne(this.random.pick(this.connections));
        await this.room();
    }

    /** Room for more runs; on a slow machine schedules alone may leave none, and then some progress is enough. */
    private async room(): Promise<void> {
        const before = this.runs;
        await until('room for more runs', async () => (await this.inFlight()) < BUSY || this.runs > before + BUSY, 120_000).catch(async (error: Error) => {
            this.problem(`${error.message}: ${JSON.stringify(await this.rows(OPEN))}`);
        });
    }

    /** Until there were enough runs. The server has several lives, one of them long. */
    async disturb(): Promise<void> {
        const { runs } = this.options;
        const ends = [0.03, 0.08, 0.14, 0.8, 0.9].map((share) => share * runs);
        let told = 0;
        for (let before = 0; this.runs < runs; ) {
            const since = this.runs - before;
            before = this.runs;
            await this.round((every) => Math.floor(since / Math.min(every, runs / 10) + this.random.next()));
            if (this.runs > ends[0]!) {
                await this.restart(ends.length === 1);
                ends.shift();
            }
            if (this.runs - told >= runs / 20) {
                told = this.runs;
                const last = this.watch.samples.at(-1);
                this.say(`${this.runs} runs, ${this.received.size} webhooks, RSS ${last?.rss.toFixed(0)} MB, largest runner ${last?.runnerRss.toFixed(0)} MB, ${last?.fds} fds`);
            }
        }
    }

    /** The faults stop, and every sync succeeds twice: a run may go on with the window of deletions of one that failed. */
    async settle(): Promise<void> {
        this.say('no more faults');
        this.provider.calm = true;
        await this.startSome(1);
        await this.room();
        this.calmSince = Date.now();
        const lanes = this.connections.flatMap((connection) => NAMES.map((sync) => `${connection}/${sync}`));
        const missing = () => lanes.filter((lane) => (this.successes.get(lane) ?? 0) < 2);
        for (let left = missing().length, rounds = 0; left > 0; left = missing().length) {
            for (const sync of NAMES) if (missing().some((lane) => lane.endsWith(`/${sync}`))) await this.control('trigger', undefined, sync);
            await until('more successes', () => missing().length < left, 2000).then(
                () => (rounds = 0),
                () => rounds++
            );
            if (rounds < 60) continue;
            this.problem(`${missing().length} syncs do not succeed, such as ${missing()[0]}`);
            break;
        }
        for (const sync of NAMES) await this.control('pause', undefined, sync);
        await until('no run is open', async () => (await this.number(`SELECT COUNT(*) FROM runs WHERE status IN ('QUEUED', 'RUNNING')`)) === 0, 30_000).catch(() => {});
        await until('no webhook is owed', async () => (await this.number(`SELECT COUNT(*) FROM outbox WHERE state = 'PENDING'`)) === 0, 60_000).catch(() => {});
        await until('nothing is in flight', async () => (await this.inFlight()) === 0, 20_000).catch(() => this.problem('runs are in flight for ever'));
    }

    /* What has to be true. */

    async check(): Promise<void> {
        this.say('checking');
        for (const feed of this.feeds.values()) await this.checkFeed(feed);
        await this.checkRuns();
        await this.checkWebhooks();
        await this.checkCounts();
        const doctor = await this.server.beside(['doctor', '--records']);
        if (doctor.code !== 0) this.problem(`doctor: ${doctor.stdout}`);
        if (this.watch.zombies.size) this.problem(`zombies: ${[...this.watch.zombies]}`);
        this.checkGrowth();
        await this.checkEnd();
    }

    private async checkFeed(feed: Feed): Promise<void> {
        const { connection, sync } = feed;
        const want = canonical(this.provider.table(connection, sync).live());
        await this.drain(feed);
        const fresh = new Reader(this.server, connection, SYNCS[sync].model, 1000, { history: false });
        await fresh.drain();
        this.records += fresh.live.size;
        for (const [whose, live] of [['stored', fresh.live], ['followed', feed.reader.live]] as const) {
            const have = canonical([...live.values()]);
            const lost = want.filter((row) => !have.includes(row));
            const extra = have.filter((row) => !want.includes(row));
            if (lost.length + extra.length)
                this.problem(`${connection}/${sync} as ${whose}: ${lost.length} lost (${cut(lost[0])}), ${extra.length} extra (${cut(extra[0])})`);
        }
    }

    private async none(what: string, sql: string): Promise<void> {
        const rows = await this.rows(sql);
        if (rows.length) this.problem(`${rows.length} ${what}, such as ${rows[0]!.join(' | ').slice(0, 300)}`);
    }

    private async checkRuns(): Promise<void> {
        await this.none('runs that have not ended', `SELECT id, name, status, attempt, error FROM runs WHERE status NOT IN ('SUCCESS', 'FAILED', 'CANCELLED')`);
        await this.none('ended runs with an owner', `SELECT id, status, owner FROM runs WHERE owner IS NOT NULL OR unnoticed = 1`);
        await this.none('syncs with a run', `SELECT id, name, run_id FROM syncs WHERE run_id IS NOT NULL AND deleted_ms IS NULL`);
        await this.none('locks', 'SELECT key, owner FROM locks');
        await this.none(
            'runs without their operation, or with another end than it',
            `SELECT r.id, r.status, o.state FROM runs r LEFT JOIN log_operations o ON o.id = r.operation_id
             WHERE r.started_ms IS NOT NULL AND (o.id IS NULL OR o.ended_ms IS NULL OR o.state <> CASE r.status
                WHEN 'SUCCESS' THEN 'success' WHEN 'FAILED' THEN 'failed' ELSE 'cancelled' END)`
        );
        await this.none('operations that have not ended', `SELECT id, type, state, message, run_id FROM log_operations WHERE ended_ms IS NULL`);
    }

    private async checkWebhooks(): Promise<void> {
        await this.none('webhooks that were not delivered', `SELECT id, state, attempts, last_error, lane FROM outbox WHERE state <> 'DELIVERED'`);
        const owed = await this.rows('SELECT uuid, lane FROM outbox ORDER BY id');
        const lost = owed.filter(([uuid]) => !this.received.has(uuid!));
        if (lost.length) this.problem(`${lost.length} webhooks never came, such as ${lost[0]}`);
        const lanes = new Map<string, number>();
        for (const [uuid, lane] of owed) {
            const came = this.received.get(uuid!) ?? -1;
            if (came < (lanes.get(lane!) ?? -1)) this.problem(`webhook ${uuid} of ${lane} came after a later one`);
            lanes.set(lane!, came);
        }
        const told = new Set((await this.rows(`SELECT run_id FROM log_operations WHERE type = 'webhook' AND run_id IS NOT NULL`)).map(([id]) => id));
        const ended = await this.rows(`SELECT id, status FROM runs WHERE kind = 'sync' AND status IN ('SUCCESS', 'FAILED')`);
        const untold = ended.filter(([id]) => !told.has(id));
        if (untold.length) this.problem(`${untold.length} runs without a webhook, such as ${untold[0]}`);
    }

    /** What runs say they added and deleted is what is there. */
    private async checkCounts(): Promise<void> {
        const sums = new Map<string, number>();
        for (const [connection, result] of await this.rows(`SELECT connection_id, result FROM runs WHERE result <> '{}'`))
            for (const [model, { added, deleted }] of Object.entries(JSON.parse(result!) as Record<string, { added: number; deleted: number }>))
                sums.set(`${connection}/${model}`, (sums.get(`${connection}/${model}`) ?? 0) + added - deleted);
        const ids = await this.rows('SELECT id, connection_id FROM connections WHERE deleted_ms IS NULL');
        for (const [id, connection] of ids)
            for (const sync of NAMES) {
                const live = this.feeds.get(`${connection}/${sync}`)?.reader.live.size;
                const counted = sums.get(`${id}/${SYNCS[sync].model}`) ?? 0;
                if (live !== counted) this.problem(`${connection}/${sync} has ${live} records, its runs count ${counted}`);
            }
    }

    /** Memory and descriptors of lives that were long enough to tell. */
    private checkGrowth(): void {
        for (const life of this.watch.lives()) {
            if (!life.length || life.at(-1)!.runs - life[0]!.runs < LONG_LIFE) continue;
            const samples = warm(life);
            const flat = (what: string, { mean, growth, noise }: Fit, least: number) => {
                if (growth > Math.max(least, 3 * noise)) this.problem(`${what} of life ${life[0]!.life} grow by ${growth.toFixed(1)} (mean ${mean.toFixed(1)}, noise ${noise.toFixed(1)})`);
            };
            flat('MB of the server', fit(samples, (s) => s.rss), 8);
            flat('MB of the largest runner', fit(samples, (s) => s.runnerRss), 16);
            flat(`descriptors (${JSON.stringify(descriptors(this.server.pid))})`, fit(samples, (s) => s.fds), 8);
        }
    }

    /** What is not freed at a clean end is for sanitizers to tell, by the exit code. Below the level of errors it says nothing. */
    private async checkEnd(): Promise<void> {
        const runs = await this.rows('SELECT status, COUNT(*) FROM runs GROUP BY status');
        for (const [status, count] of runs) this.ended[status!] = Number(count);
        this.over = true;
        await Promise.all(this.background);
        const code = await this.server.stop();
        if (code !== 0) this.problem(`the server ended with ${code}`);
        const said = this.server.log.filter((line) => line.startsWith('{') || line.includes('Sanitizer'));
        for (const line of said) this.problem(`the server says: ${line}`);
    }

    report(): SoakReport {
        for (const name of FAULT_NAMES) if (!this.provider.faults[name]) this.problem(`no ${name} happened`);
        return {
            problems: this.problems,
            seconds: (performance.now() - this.started) / 1000,
            runs: this.ended,
            faults: this.provider.faults,
            chaos: this.chaos,
            webhooks: this.received.size,
            records: this.records,
            changesRead: this.changesRead,
            watch: this.watch
        };
    }
}

function cut(text: string | undefined): string {
    return text ? text.slice(0, 60) : 'none';
}
