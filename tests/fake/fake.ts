/**
 * A provider for black-box tests that does what a script says and remembers what it was asked.
 *
 *   const fake = await startFake();
 *   fake.on('GET', '/items', [tooManyRequests(1), json({ items: [] })]);
 *   await fake.asked(2);
 *   … fake.requests …
 *   await fake.close();
 */

import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request as it arrived. */
export interface Seen {
    method: string;
    path: string;
    query: URLSearchParams;
    headers: IncomingHttpHeaders;
    body: string;
    /** Milliseconds since the fake started. */
    at: number;
}

export type Handler = (request: Seen, response: ServerResponse) => void | Promise<void>;

/** One handler, or one per request; the last one goes on answering. */
export type Script = Handler | readonly [Handler, ...Handler[]];

export interface Fake extends AsyncDisposable {
    readonly url: string;
    /** All requests so far, in order of arrival, answered or not. */
    readonly requests: Seen[];
    /** What to answer from now on. A path that ends in `*` stands for all that begin like it; the longest match wins. */
    on(method: string, path: string, script: Script): void;
    /** The requests that fit, once there are `count` of them. */
    asked(count: number, fits?: (request: Seen) => boolean, ms?: number): Promise<Seen[]>;
    /** Also cuts off whoever is still waiting. */
    close(): Promise<void>;
}

export async function startFake(): Promise<Fake> {
    const started = performance.now();
    const requests: Seen[] = [];
    const scripts = new Map<string, Handler[]>();
    const waiting = new Set<() => void>();

    function next(method: string, path: string): Handler {
        const fits = ([key]: [string, unknown]) => key === `${method} ${path}` || (key.endsWith('*') && `${method} ${path}`.startsWith(key.slice(0, -1)));
        const [found] = [...scripts].filter(fits).sort(([a], [b]) => b.length - a.length);
        const handlers = found?.[1] ?? [];
        return (handlers.length > 1 ? handlers.shift() : handlers[0]) ?? unscripted;
    }

    const server = createServer(async (request, response) => {
        const url = new URL(request.url ?? '/', 'http://fake');
        const at = performance.now() - started;
        const seen = { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers: request.headers, body: '', at };
        requests.push(seen);
        // Chosen on arrival, so that requests that overlap get the script's answers in order.
        const handler = next(seen.method, seen.path);
        try {
            seen.body = await text(request);
            for (const wake of waiting) wake();
            await handler(seen, response);
        } catch (error) {
            // The client is gone, or the test's handler is wrong: either way no answer is left half open.
            response.destroy(error as Error);
        }
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));

    async function asked(count: number, fits: (request: Seen) => boolean = () => true, ms = 15_000): Promise<Seen[]> {
        const late = AbortSignal.timeout(ms);
        for (;;) {
            const found = requests.filter(fits);
            if (found.length >= count) return found;
            const { promise, resolve, reject } = Promise.withResolvers<void>();
            late.onabort = () => reject(new Error(`${found.length} of ${count} requests after ${ms} ms`));
            waiting.add(resolve);
            await promise.finally(() => waiting.delete(resolve));
        }
    }

    function close(): Promise<void> {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(() => resolve()));
    }

    return {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        requests,
        on: (method, path, script) => void scripts.set(`${method} ${path}`, typeof script === 'function' ? [script] : [...script]),
        asked,
        close,
        [Symbol.asyncDispose]: close
    };
}

function unscripted({ method, path }: Seen, response: ServerResponse): void {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: `nothing is scripted for ${method} ${path}` }));
}
