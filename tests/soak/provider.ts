/*
 * The provider of the soak test: what each connection has there, in three tables, and all that can go wrong with an answer.
 * It is the model that the records are compared with.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { startFake, type Fake, type Handler, type Seen } from '../fake/fake.ts';
import { cutOff, empty, invalidJson, json, reply, tooManyRequests } from '../fake/replies.ts';
import type { Random } from './random.ts';

export interface Row {
    id: string;
    count: number;
    text: string;
}

interface Versioned extends Row {
    /** The change at which it was made (again), at which each field last changed, and the last of all. */
    made: number;
    counted: number;
    texted: number;
    changed: number;
    gone: boolean;
}

const ROWS = 60; // ids of a table: few, so that deleted ones come again

/** Rows that change, each change with a number. */
export class Table {
    private readonly rows = new Map<string, Versioned>();
    private changes = 0;

    live(): Row[] {
        return [...this.rows.values()].filter((row) => !row.gone).map(plain).sort((a, b) => (a.id < b.id ? -1 : 1));
    }

    /** One random change. */
    mutate(random: Random): void {
        const id = `row-${random.below(ROWS)}`;
        const at = ++this.changes;
        const row = this.rows.get(id);
        if (!row || row.gone) {
            // Texts on both sides of the length from which payloads are compressed.
            this.rows.set(id, { id, count: at, text: `${at}-`.repeat(random.below(300)), made: at, counted: at, texted: at, changed: at, gone: false });
            return;
        }
        row.changed = at;
        if (random.chance(0.25)) row.gone = true;
        else if (random.chance(0.5)) [row.count, row.counted] = [at, at];
        else [row.text, row.texted] = [`${at}-`.repeat(random.below(300)), at];
    }

    /** The next `limit` changes after one: whole rows, and patches of those that were there at `base`. */
    since(since: number, limit: number, base: number): object {
        const next = [...this.rows.values()].filter((row) => row.changed > since).sort((a, b) => a.changed - b.changed);
        const page = next.slice(0, limit);
        const known = (row: Versioned) => row.made <= base;
        return {
            items: page.filter((row) => !row.gone && !known(row)).map(plain),
            patches: page
                .filter((row) => !row.gone && known(row))
                .map((row) => ({ id: row.id, ...(row.counted > base && { count: row.count }), ...(row.texted > base && { text: row.text }) })),
            gone: page.filter((row) => row.gone).map(({ id }) => ({ id })),
            last: page.at(-1)?.changed ?? since,
            more: next.length > limit
        };
    }

    /** Rows after an id, by id. */
    after(id: string, limit: number): { items: Row[]; next?: string } {
        const rest = this.live().filter((row) => row.id > id);
        const items = rest.slice(0, limit);
        return { items, ...(rest.length > limit && { next: items.at(-1)!.id }) };
    }
}

function plain({ id, count, text }: Versioned): Row {
    return { id, count, text };
}

/** Syncs of the project, the model each writes, and the path it asks. */
export const SYNCS = { changes: { model: 'Item', path: 'changes' }, notes: { model: 'Note', path: 'patches' }, listing: { model: 'Doc', path: 'listing' } } as const;
export type SyncName = keyof typeof SYNCS;
export const NAMES = Object.keys(SYNCS) as SyncName[];

/** What an answer may do to the run, and how often, of a million answers. What costs seconds is rare. */
const FAULTS = {
    slow: 10_000,
    hang: 1000,
    error500: 4000,
    html502: 3000,
    retryAfter: 500,
    tooMany: 500,
    cutOff: 2500,
    truncated: 2500,
    empty: 2000,
    throw: 4000,
    never: 2500,
    leave: 4000,
    allocate: 300,
    loop: 60
};
export type Fault = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as Fault[];

/** Orders are obeyed by the function (project/fake/page.ts). */
const ORDERS: ReadonlySet<Fault> = new Set<Fault>(['throw', 'never', 'leave', 'allocate', 'loop']);

const html = reply(502, { 'content-type': 'text/html' }, '<!doctype html><title>Bad gateway</title>');
const bad: Partial<Record<Fault, Handler>> = {
    error500: json({ error: 'internal' }, 500),
    html502: html,
    retryAfter: tooManyRequests(1),
    tooMany: json({ error: 'slow down' }, 429),
    cutOff,
    truncated: invalidJson,
    empty
};

/** How long a provider that hangs does so before it breaks the connection. */
const HANG_MS = 3000;

export class Provider {
    /** Faults so far, by kind. */
    readonly faults = Object.fromEntries(FAULT_NAMES.map((name) => [name, 0])) as Record<Fault, number>;
    answered = 0;
    /** No more faults. */
    calm = false;
    /** Told of each answer that hangs: the run that waits for it is one to be cancelled. */
    onHang: (connection: string, sync: SyncName) => void = () => {};
    private readonly tables = new Map<string, Table>();
    private readonly random: Random;
    private readonly fake: Fake;
    /** Each kind once, in the beginning. */
    private readonly first: Fault[];

    private constructor(random: Random, fake: Fake) {
        this.random = random;
        this.fake = fake;
        this.first = random.shuffled(FAULT_NAMES);
        fake.on('GET', '/*', (seen, response) => this.answer(seen, response));
    }

    static async start(random: Random): Promise<Provider> {
        return new Provider(random, await startFake());
    }

    url(connection: string): string {
        return `${this.fake.url}/${connection}`;
    }

    table(connection: string, sync: SyncName): Table {
        const key = `${connection}/${SYNCS[sync].path}`;
        let table = this.tables.get(key);
        if (!table) this.tables.set(key, (table = new Table()));
        return table;
    }

    close(): Promise<void> {
        return this.fake.close();
    }

    private choose(): Fault | undefined {
        if (this.calm) return undefined;
        if (this.first.length && this.answered % 20 === 0) return this.first.pop();
        let at = this.random.below(1_000_000);
        return FAULT_NAMES.find((name) => (at -= FAULTS[name]) < 0);
    }

    private async answer(seen: Seen, response: Parameters<Handler>[1]): Promise<void> {
        this.fake.requests.length = 0; // they are many
        this.answered++;
        const fault = this.choose();
        if (fault) this.faults[fault]++;
        const [, connection, path] = seen.path.split('/') as [string, string, string];
        const sync = NAMES.find((name) => SYNCS[name].path === path)!;
        if (fault === 'hang') {
            this.onHang(connection, sync);
            await pause(HANG_MS);
            response.destroy();
            return;
        }
        if (fault === 'slow') await pause(this.random.below(500));
        const how = fault && bad[fault];
        if (how) return how(seen, response);
        const order = fault && ORDERS.has(fault) ? { order: fault } : {};
        await json({ ...this.page(this.table(connection, sync), sync, seen.query), ...order })(seen, response);
    }

    private page(table: Table, sync: SyncName, query: URLSearchParams): object {
        const limit = Number(query.get('limit'));
        if (sync === 'listing') return table.after(query.get('after') ?? '', limit);
        return table.since(Number(query.get('since')), limit, Number(query.get('base') ?? -1));
    }
}
