/*
 * Recordings as they come (`<name>.test.json`, or the older folder mocks/), and which of its exchanges answers a real
 * request. The rules are those of `tidemark test` (src/cli/recording_match.c), which sees what the function asks for; here
 * its path must first be found in a URL that the server made of a base, templates and what the provider wants in every
 * query.
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

type Pair = [name: string, value: string];

export interface Entry {
    response?: unknown;
    status?: number;
    headers?: Record<string, unknown>;
    hash?: string;
    request?: { params?: Record<string, unknown>; headers?: Record<string, string>; data?: unknown };
}

interface Exchange {
    method: string;
    /** Of the endpoint, as it stands there; and without its percent-encoding. */
    endpoint: string;
    path: string;
    /** Of the endpoint and of request.params, sorted. */
    params: Pair[];
    entry: Entry;
    used: boolean;
}

/** A request as it arrived, for one recording. */
export interface Asked {
    method: string;
    url: URL;
    headers: Record<string, string | string[] | undefined>;
    body: Buffer;
}

type ByModel = Record<string, any[]>;

export interface Recording {
    now?: string;
    input?: unknown;
    output?: unknown;
    error?: unknown;
    nango?: { getConnection?: any; getMetadata?: any; getCheckpoint?: any; batchSave?: ByModel; batchUpdate?: ByModel; batchDelete?: ByModel };
    api?: Record<string, Record<string, Entry | Entry[]>>;
}

/** String(value), as in a query. */
function text(value: unknown): string {
    return String(value);
}

const compare = ([a, b]: Pair, [c, d]: Pair) => (a < c ? -1 : a > c ? 1 : b < d ? -1 : b > d ? 1 : 0);

const withoutSlash = (path: string) => path.replace(/^\/+/, '');

/** Percent-encoding does not tell paths apart. */
function decoded(path: string): string {
    try {
        return decodeURIComponent(path);
    } catch {
        return path;
    }
}

const sha1 = (what: string | Buffer) => createHash('sha1').update(what).digest('hex');

function json(body: string): unknown {
    try {
        return JSON.parse(body);
    } catch {
        return undefined;
    }
}

/** What clients set by themselves is not part of a request's identity. */
const isDefault = (header: string) => /^(content-type|content-length|accept|nango-.*)$/i.test(header);

/** How the server makes a request of what a function asks for. */
export interface Provider {
    /** Base URL, its templates filled. */
    base: string;
    /** The function has base URLs of its own: only what comes after them is recorded. */
    ownBase?: boolean;
    /** Names of parameters and headers (lower case) that are added to every request: recorded before they were, or not at all. */
    params?: string[];
    headers?: string[];
}

export class Exchanges {
    private readonly base: string;
    private readonly basePath: string;
    private readonly ownBase: boolean;
    private readonly added: { params: ReadonlySet<string>; headers: ReadonlySet<string> };
    private readonly all: Exchange[] = [];

    constructor({ api = {} }: Recording, { base, ownBase = false, params = [], headers = [] }: Provider) {
        this.base = base.replace(/\/$/, '');
        this.basePath = decoded(this.base.replace(/^\w+:\/\/[^/]*\/?/, ''));
        this.ownBase = ownBase;
        this.added = { params: new Set(params), headers: new Set(headers) };
        for (const [method, endpoints] of Object.entries(api))
            for (const [endpoint, entries] of Object.entries(endpoints)) for (const entry of [entries].flat()) this.add(method, endpoint, entry);
    }

    private add(method: string, endpoint: string, entry: Entry): void {
        const [written = '', ...query] = endpoint.split('?');
        const path = withoutSlash(written);
        const params = new URLSearchParams(query.join('?'));
        for (const [name, value] of Object.entries(entry.request?.params ?? {})) params.set(name, text(value));
        this.all.push({ method: method.toUpperCase(), endpoint: path, path: decoded(path), params: [...params].sort(compare), entry, used: false });
    }

    /** The answer, or undefined when nothing like it was recorded. */
    match(asked: Asked): Entry | undefined {
        let best: Exchange | undefined;
        let most = 0;
        for (const exchange of this.all) {
            const score = this.score(exchange, asked);
            if (score > most) [best, most] = [exchange, score];
        }
        if (best) best.used = true;
        return best?.entry;
    }

    /** As if nothing had been asked yet. */
    restart(): void {
        for (const exchange of this.all) exchange.used = false;
    }

    /** What is recorded of that method and path, for a message. */
    nearest(asked: Asked): string {
        const near = this.all.filter((x) => x.method === asked.method && this.isPath(x, asked.url));
        return near.length ? `recorded: ${near.map((x) => JSON.stringify(x.entry.request ?? { params: x.params })).join(' or ')}` : 'no request of this path is';
    }

    /** What comes after the base. A link to a next page names the whole path, and the base must not be in it twice. */
    private isPath(x: Exchange, url: URL): boolean {
        const whole = decoded(withoutSlash(url.pathname));
        if (this.ownBase && (x.path === '' || whole === x.path || whole.endsWith(`/${x.path}`))) return true;
        if (!`${url.origin}${url.pathname}/`.startsWith(`${this.base}/`)) return false;
        const isLink = this.basePath !== '' && `${x.path}/`.startsWith(`${this.basePath}/`);
        return x.path === (isLink ? whole : withoutSlash(whole.slice(this.basePath.length)));
    }

    /** 0 = no; higher is better. */
    private score(x: Exchange, asked: Asked): number {
        if (x.method !== asked.method || !this.isPath(x, asked.url)) return 0;
        const params = this.paramsOf(x, asked.url);
        const spare = Number(!x.used);
        const headers = Object.entries(x.entry.request?.headers ?? {}).filter(([name]) => !this.added.headers.has(name.toLowerCase()));
        if (x.entry.hash && identities(x, params, headers.map(([name]) => name), asked).includes(x.entry.hash)) return 7 + spare;
        if (!sameParams(x, params) || !headers.every(([name, value]) => isDefault(name) || asked.headers[name.toLowerCase()] === value)) return 0;
        const same = sameData(x, asked);
        if (same === 2) return 5 + spare;
        return same === 1 ? 1 + 2 * Number((x.entry.status ?? 200) < 400) + spare : 0;
    }

    private paramsOf(x: Exchange, url: URL): Pair[] {
        const recorded = new Set(x.params.map(([name]) => name));
        return [...url.searchParams].filter(([name]) => recorded.has(name) || !this.added.params.has(name)).sort(compare);
    }
}

/** A recording without request details says nothing about parameters but what its endpoint has. */
function sameParams(x: Exchange, params: Pair[]): boolean {
    if (x.entry.request) return isDeepStrictEqual(x.params, params);
    return x.params.every(([name, value]) => params.some((pair) => pair[0] === name && pair[1] === value));
}

/** 2 = the same, 1 = recorded only as a hash of another text (accepted when nothing is better). */
function sameData(x: Exchange, asked: Asked): number {
    const recorded = x.entry.request?.data;
    const body = asked.body.toString();
    const parsed = json(body);
    if (recorded === undefined) return 2;
    if (typeof recorded === 'string' && recorded.startsWith('sha1:')) return recorded.slice(5) === sha1(asked.body) ? 2 : 1;
    if (parsed !== undefined && isDeepStrictEqual(parsed, recorded)) return 2;
    if (text(recorded) === body || recorded === asked.body.toString('base64')) return 2;
    return parsed === undefined && isForm(recorded, body) ? 2 : 0;
}

/** A form is recorded as the object it was made from. */
function isForm(recorded: unknown, body: string): boolean {
    if (recorded === null || typeof recorded !== 'object') return false;
    const want = Object.entries(recorded).map(([name, value]): Pair => [name, text(value)]);
    return isDeepStrictEqual(want.sort(compare), [...new URLSearchParams(body)].sort(compare));
}

/**
 * What the recorded hash may be of. Headers that the function did not set look like its own here: only those are counted that
 * the recording has.
 */
function identities(x: Exchange, params: Pair[], names: string[], asked: Asked): string[] {
    const isCounted = (name: string, value: string) => !/^accept$/i.test(name) && !(/^content-type$/i.test(name) && value.startsWith('application/json'));
    const headers = names
        .map((name): Pair => [name, text(asked.headers[name.toLowerCase()])])
        .filter(([name, value]) => value !== 'undefined' && isCounted(name, value))
        .sort(compare);
    const bodies = asked.body.length ? [asked.body.toString(), asked.body.toString('base64')] : [undefined];
    return bodies.map((body) => {
        // The key's place and the missing one of an empty body are part of the text.
        const data = body === undefined ? {} : { data: body.length > 1000 ? `sha1:${sha1(body)}` : body };
        return sha1(JSON.stringify({ method: x.method.toLowerCase(), endpoint: x.endpoint, params, headers, ...data }));
    });
}

/** When it was made, in ms: its `now`, else the earliest Date header of an answer; undefined when it does not say. */
export function madeAt({ now, api = {} }: Recording): number | undefined {
    if (now) return Date.parse(now);
    const entries = Object.values(api).flatMap((endpoints) => Object.values(endpoints).flat());
    const dates = entries.flatMap(({ headers = {} }) => Object.entries(headers)).filter(([name]) => /^date$/i.test(name));
    const times = dates.map(([, value]) => Date.parse(String(value))).filter((time) => !Number.isNaN(time));
    return times.length ? Math.min(...times) : undefined;
}

export const read = (file: string): any => JSON.parse(readFileSync(file, 'utf8'));

const readIf = (file: string): any => (existsSync(file) ? read(file) : undefined);

const folders = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir).filter((name) => statSync(join(dir, name)).isDirectory()) : []);

/** The older layout: a file per answer, in folders that are its endpoint. */
export function readMocks(mocks: string, name: string): Recording {
    const nango: NonNullable<Recording['nango']> = { batchSave: {}, batchDelete: {} };
    const shared = join(mocks, 'nango');
    for (const model of folders(join(mocks, name))) {
        for (const what of ['batchSave', 'batchDelete'] as const) {
            const records = readIf(join(mocks, name, model, `${what}.json`));
            if (records) nango[what]![model] = records;
        }
    }
    for (const what of ['getConnection', 'getMetadata'] as const) {
        const given = readIf(join(shared, `${what}.json`));
        if (given) nango[what] = given;
    }
    const api: Record<string, Record<string, Entry[]>> = {};
    for (const method of folders(shared)) addAnswers((api[method] = {}), join(shared, method, 'proxy'), name, '');
    return { nango, api };
}

/** A step further into the endpoint, or at its end: the function's file or folder. */
function addAnswers(into: Record<string, Entry[]>, dir: string, name: string, endpoint: string): void {
    const answer = join(dir, `${name}.json`);
    const here = [...(existsSync(answer) ? [{ response: read(answer) }] : []), ...identified(join(dir, name))];
    if (here.length) into[endpoint] = here;
    for (const step of folders(dir)) addAnswers(into, join(dir, step), name, `${endpoint}/${step}`);
}

function identified(dir: string): Entry[] {
    return (existsSync(dir) ? readdirSync(dir) : [])
        .filter((file) => file.endsWith('.json'))
        .map((file) => read(join(dir, file)))
        // An endpoint may be called as the function is: what is there are answers to it, of other functions.
        .filter(({ requestIdentity }) => requestIdentity !== undefined)
        .map(({ requestIdentity: { params = [], headers = [], ...data }, requestIdentityHash: hash, ...answer }) => {
            return { ...answer, hash, request: { params: Object.fromEntries(params), headers: Object.fromEntries(headers), ...('data' in data && { data: data.data }) } };
        });
}
