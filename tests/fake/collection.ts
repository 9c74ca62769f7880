/** Records to page through, the same in every run, and changed by the test. */

import type { Handler, Seen } from './fake.ts';

export interface Item {
    id: string;
    name: string;
    /** How often it was edited. */
    revision: number;
    padding?: string;
}

export class Collection {
    /** Always in order of id, which is the order of creation. */
    private items: Item[] = [];
    private made = 0;
    private readonly padding: string;

    /** `padding` adds that many characters to each item. */
    constructor(count: number, { padding = 0 } = {}) {
        this.padding = 'x'.repeat(padding);
        this.create(count);
    }

    all(): readonly Item[] {
        return this.items;
    }

    create(count = 1): Item[] {
        const created = Array.from({ length: count }, () => this.make());
        this.items = this.items.concat(created);
        return created;
    }

    /** Edits the first items, or those that are named. */
    edit(which: number | readonly string[] = 1): Item[] {
        const edited = this.choose(which);
        for (const item of edited) item.revision++;
        return edited;
    }

    remove(which: number | readonly string[] = 1): Item[] {
        const removed = new Set(this.choose(which));
        this.items = this.items.filter((item) => !removed.has(item));
        return [...removed];
    }

    /** `?limit=&cursor=` → `{ items, next }`, without `next` on the last page. */
    readonly byCursor: Handler = (request, response) => {
        const { page, last } = this.after(request, 'cursor');
        send(response, { items: page, ...(last && { next: last }) });
    };

    /** `?limit=&after=` → a list, the next page in the Link header. */
    readonly byLink: Handler = (request, response) => {
        const { page, last } = this.after(request, 'after');
        if (last) {
            const next = new URLSearchParams(request.query);
            next.set('after', last);
            response.setHeader('link', `<http://${request.headers.host}${request.path}?${next}>; rel="next"`);
        }
        send(response, page);
    };

    /** `?limit=&offset=` → `{ items, total }`. */
    readonly byOffset: Handler = (request, response) => {
        const offset = Number(parameter(request, 'offset') ?? 0);
        send(response, { items: this.items.slice(offset, offset + limit(request)), total: this.items.length });
    };

    private after(request: Seen, name: string): { page: Item[]; last: string | undefined } {
        const start = this.indexAfter(parameter(request, name) ?? '');
        const page = this.items.slice(start, start + limit(request));
        return { page, last: start + page.length < this.items.length ? page.at(-1)?.id : undefined };
    }

    /** Binary search: benchmarks page through a hundred thousand items. */
    private indexAfter(id: string): number {
        let [low, high] = [0, this.items.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.items[middle]!.id > id) high = middle;
            else low = middle + 1;
        }
        return low;
    }

    private choose(which: number | readonly string[]): Item[] {
        if (typeof which === 'number') return this.items.slice(0, which);
        const ids = new Set(which);
        return this.items.filter(({ id }) => ids.has(id));
    }

    private make(): Item {
        const id = `item-${String(++this.made).padStart(7, '0')}`;
        return { id, name: `Item ${this.made}`, revision: 0, ...(this.padding && { padding: this.padding }) };
    }
}

/** From the query, or from the body of a POST that pages there. */
function parameter(request: Seen, name: string): string | undefined {
    const inBody = request.body ? (JSON.parse(request.body) as Record<string, unknown>)[name] : undefined;
    return request.query.get(name) ?? (inBody === undefined ? undefined : String(inBody));
}

function limit(request: Seen): number {
    return Number(parameter(request, 'limit') ?? 100);
}

function send(response: Parameters<Handler>[1], body: unknown): void {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
}
