/*
 * Stands for every provider of the functions under test: serves the exchanges of recordings over HTTP, each to the
 * connection that it was added for. A test build that runs under `TIDEMARK_FAULT=replay:=<url>` sends what functions ask
 * of `https://api.example.com/v1/things?x=1` to `<url>/<connection id>/https/api.example.com/v1/things?x=1`
 * (src/proxy/replay.h). What was not recorded is answered 404 and noted.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Exchanges, type Asked, type Entry } from './recording.ts';

/** What one connection asks for. */
export interface Session {
    exchanges: Exchanges;
    requests: number;
    /** Why it cannot pass: requests that were not recorded. */
    problems: string[];
}

export interface ReplayServer extends AsyncDisposable {
    readonly url: string;
    /** From now on, requests of this connection are answered from these. */
    add(connection: string, exchanges: Exchanges): Session;
    remove(connection: string): void;
    close(): Promise<void>;
}

/** Describes the connection and the body as they were when it was recorded, not as they are now. */
const NOT_SENT = /^(connection|keep-alive|transfer-encoding|content-length|content-encoding|trailer|upgrade)$/i;

/** {type: 'Buffer', data: [...]} is how JSON.stringify writes bytes. */
function bodyOf(response: any): string | Buffer {
    if (response === undefined) return '';
    if (typeof response === 'string') return response;
    return response?.type === 'Buffer' && Array.isArray(response.data) ? Buffer.from(response.data) : JSON.stringify(response);
}

function answer(response: ServerResponse, entry: Entry): void {
    for (const [name, value] of Object.entries(entry.headers ?? {})) if (typeof value === 'string' && !NOT_SENT.test(name)) response.setHeader(name, value);
    if (!response.hasHeader('content-type') && typeof entry.response !== 'string') response.setHeader('content-type', 'application/json');
    response.writeHead(entry.status ?? 200).end(bodyOf(entry.response));
}

function refuse(response: ServerResponse, why: string): void {
    response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ error: why }));
}

export async function startReplay(): Promise<ReplayServer> {
    const sessions = new Map<string, Session>();

    async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const [, id = '', scheme, ...rest] = (request.url ?? '').split('/');
        const session = sessions.get(id);
        if (!session) return refuse(response, `no recording for the connection '${id}'`);
        const asked: Asked = { method: request.method ?? '', url: new URL(`${scheme}://${rest.join('/')}`), headers: request.headers, body: await buffer(request) };
        session.requests++;
        const entry = session.exchanges.match(asked);
        if (entry) return answer(response, entry);
        const body = asked.body.length ? ` with ${asked.body.toString().slice(0, 300)}` : '';
        const problem = `not recorded: ${asked.method} ${asked.url}${body} (${session.exchanges.nearest(asked).slice(0, 500)})`;
        session.problems.push(problem);
        refuse(response, problem);
    }

    const server = createServer((request, response) => {
        handle(request, response).catch((error: Error) => refuse(response, `the replay server failed: ${error.stack}`));
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));

    function close(): Promise<void> {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(() => resolve()));
    }

    return {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        add(connection, exchanges) {
            const session = { exchanges, requests: 0, problems: [] };
            sessions.set(connection, session);
            return session;
        },
        remove: (connection) => void sessions.delete(connection),
        close,
        [Symbol.asyncDispose]: close
    };
}
