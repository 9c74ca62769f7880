/** Ready-made answers, good and bad, for the scripts of `startFake`. */

import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import type { Handler } from './fake.ts';

type Headers = Record<string, string | string[]>;

const JSON_TYPE = { 'content-type': 'application/json' };

export function json(body: unknown, status = 200, headers: Headers = {}): Handler {
    return reply(status, { ...JSON_TYPE, ...headers }, JSON.stringify(body));
}

export function reply(status: number, headers: Headers = {}, body: string | Buffer = ''): Handler {
    return (_request, response) => void response.writeHead(status, headers).end(body);
}

export function tooManyRequests(retryAfter: number | string): Handler {
    return json({ error: 'too many requests' }, 429, { 'retry-after': String(retryAfter) });
}

/** 200 with something else than the JSON that was hoped for. */
export const html = reply(200, { 'content-type': 'text/html' }, '<!doctype html><title>Sign in</title>');
export const invalidJson = reply(200, JSON_TYPE, '{"items": [{"id": "1"');
export const empty = reply(200, JSON_TYPE);

export function gzipped(body: unknown): Handler {
    return reply(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, gzipSync(JSON.stringify(body)));
}

/** Says gzip, and is not. */
export const badGzip = reply(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, '{"items": []}');

export function manyHeaders(count = 1000): Handler {
    return json({}, 200, Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-header-${i}`, String(i)])));
}

export function redirect(location: string, status = 302): Handler {
    return reply(status, { location });
}

/** To the address from which cloud machines hand out their credentials. */
export const redirectToMetadata = redirect('http://169.254.169.254/latest/meta-data/');

export const redirectLoop: Handler = ({ path }, response) => void response.writeHead(302, { location: path }).end();

export const hang: Handler = () => {};

export function slow(ms: number, then: Handler): Handler {
    return async (request, response) => {
        await new Promise((resolve) => setTimeout(resolve, ms));
        await then(request, response);
    };
}

/** Answers when the test says so: slow without a clock. */
export function held(then: Handler): { handler: Handler; release: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const handler: Handler = async (request, response) => {
        await promise;
        await then(request, response);
    };
    return { handler, release: resolve };
}

/** Stops half-way through the body and closes the connection. */
export const cutOff: Handler = (_request, response) => {
    const body = JSON.stringify({ items: Array.from({ length: 100 }, (_, id) => ({ id: String(id) })) });
    raw(response, `content-length: ${body.length}\r\n\r\n${body.slice(0, body.length / 2)}`);
};

const SHORT_BODY = '{"items":[{"id":"1"}]}';

/** A length that is not that of the body. */
export function contentLength(length: 'too large' | 'too small' | 'invalid'): Handler {
    const said = { 'too large': SHORT_BODY.length + 10, 'too small': SHORT_BODY.length - 10, invalid: 'twenty' }[length];
    return (_request, response) => raw(response, `content-length: ${said}\r\n\r\n${SHORT_BODY}`);
}

/** Writes what the HTTP module would refuse to, and closes the connection. */
function raw(response: ServerResponse, rest: string): void {
    response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${rest}`);
}

/** One long JSON text, as fast as the client takes it. Ends early when the client has had enough. */
export function huge(bytes: number): Handler {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    function* body() {
        yield '"';
        for (let left = bytes - 2; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
        yield '"';
    }
    return async (_request, response) => {
        response.writeHead(200, { ...JSON_TYPE, 'content-length': bytes });
        await pipeline(body, response);
    };
}

/** Small on the way, `bytes` when unpacked. */
export function gzipBomb(bytes: number): Handler {
    const chunk = Buffer.alloc(1 << 20);
    function* body() {
        for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
    }
    return async (_request, response) => {
        response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' });
        await pipeline(body, createGzip({ level: 1 }), response);
    };
}

/** A body of so many bytes is announced, and never comes. */
export function announced(bytes: number): Handler {
    return (_request, response) => {
        response.writeHead(200, { ...JSON_TYPE, 'content-length': bytes });
        response.write('{');
    };
}
