/** Functions that misbehave, on a server where a good sync is running: for functions-*.test.ts. */

import assert from 'node:assert/strict';
import { Collection } from '../fake/collection.ts';
import { startFake, type Fake } from '../fake/fake.ts';
import { json, slow } from '../fake/replies.ts';
import { App, Reader, Server, serverWithApp, sync } from './harness.ts';

export interface Case {
    /** The body of exec. */
    body: string;
    /** What the error webhook says; without it the run succeeds. */
    error?: RegExp;
    /** A line of the log. */
    log?: RegExp;
    /** Records saved in the end. */
    count?: number;
}

const GOOD = sync(
    `
        const done = await nango.getCheckpoint();
        for await (const page of nango.paginate({ endpoint: '/pages', params: { cursor: done?.after ?? '' }, retries: 3,
            paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'cursor', response_path: 'items', limit_name_in_request: 'limit', limit: 100 } })) {
            await nango.batchSave(page, 'Good');
            await nango.saveCheckpoint({ after: page.at(-1).id });
        }
        await nango.clearCheckpoint();`,
    { model: 'Good', autoStart: false }
);
const GOOD_RECORDS = 3000;

export class Neighbours {
    readonly server: Server;
    readonly app: App;
    readonly fake: Fake;
    private readonly cases: Record<string, Case>;

    private constructor(cases: Record<string, Case>, server: Server, app: App, fake: Fake) {
        this.cases = cases;
        this.server = server;
        this.app = app;
        this.fake = fake;
    }

    /** A server on which the good sync is under way and will be for some seconds. */
    static async start(cases: Record<string, Case>): Promise<Neighbours> {
        // Sanitizers take memory of their own.
        const limit = process.env['ASAN_OPTIONS'] ? '600M' : '300M';
        const { server, app } = await serverWithApp({ args: ['--runner-memory', limit] });
        const fake = await startFake();
        fake.on('GET', '/ok', json({ ok: true }));
        fake.on('GET', '/pages', slow(100, new Collection(GOOD_RECORDS).byCursor));
        const all = new Neighbours(cases, server, app, fake);
        await server.integration();
        await server.deploy({ 'fake/syncs/good': GOOD, ...Object.fromEntries(Object.keys(cases).map((name) => [`fake/syncs/${name}`, all.source(name)])) });
        await server.connection('good', fake.url);
        await server.trigger('good', 'good');
        await fake.asked(1);
        return all;
    }

    /** One function on a server of its own. */
    static async once(name: string, what: Case): Promise<void> {
        const all = await Neighbours.start({ [name]: what });
        try {
            await all.misbehave(name);
            await all.unharmed();
        } finally {
            await all.stop(); // or the file would never end
        }
    }

    async stop(): Promise<void> {
        await this.server.stop();
        await this.fake.close();
        this.app.close();
    }

    model(name: string): string {
        return `M${Object.keys(this.cases).indexOf(name)}`;
    }

    source(name: string): string {
        return sync(this.cases[name]!.body.replaceAll("'M'", `'${this.model(name)}'`), { model: this.model(name), autoStart: false });
    }

    /** The webhook of the run. */
    async outcome(name: string, connection = name): Promise<any> {
        const [hook] = await this.app.syncs(1, (body) => body.syncName === name && body.connectionId === connection, 45_000);
        return hook;
    }

    async misbehave(name: string): Promise<void> {
        const { error, log, count } = this.cases[name]!;
        await this.server.connection(name, this.fake.url);
        await this.server.trigger(name, name);
        const hook = await this.outcome(name);
        assert.equal(hook.success, !error, JSON.stringify(hook));
        if (error) assert.match(JSON.stringify(hook.error), error);
        if (error) await this.server.said(name, /^error/);
        if (log) await this.server.said(name, log);
        if (count !== undefined) assert.equal((await this.server.records(name, this.model(name))).length, count);
    }

    /** The good one comes to its end, with all its records. */
    async unharmed(): Promise<void> {
        const hook = await this.outcome('good');
        assert.equal(hook.success, true, JSON.stringify(hook));
        assert.deepEqual(hook.responseResults, { added: GOOD_RECORDS, deleted: 0, updated: 0 });
        const reader = new Reader(this.server, 'good', 'Good', 1000);
        assert.equal((await reader.drain()).length, GOOD_RECORDS);
    }
}
