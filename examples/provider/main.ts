/**
 * A small CRM to sync from, for the demo and for trying things out: no dependencies, nothing stored.
 *
 *   node examples/provider/main.ts --port 4010 [--seed 1] [--limit-every 25]
 *
 * The API takes `Authorization: Bearer <key>`, where the key says whose data it is:
 *
 *   GET /v1/contacts?limit=&cursor=&modified_since=    { data, next_cursor }; lists deleted contacts only with modified_since
 *   GET /v1/companies?limit=&after=                    a list, with the next page in the Link header
 *   GET /v1/tickets?limit=&offset=                     { tickets, total }
 *   GET /v1/me                                         { customer }
 *
 * Every 25th request of a customer gets a 429 with `Retry-After: 1`. What the real CRM's users would do comes through
 * `/_admin`, without a key:
 *
 *   POST /_admin/change   { customer? }                what a round changed, per customer
 *   POST /_admin/webhook  { url, connectionId, customer?, type?, ticketId? }
 *                                                      edits (or, with type `ticket.deleted`, deletes) a ticket and tells the url
 *   GET  /_admin/stats
 */

import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { Customer, type Contact } from './data.ts';

const { values: args } = parseArgs({
    options: {
        port: { type: 'string', default: '4010' },
        seed: { type: 'string', default: '1' },
        'limit-every': { type: 'string', default: '25' }
    }
});
const seed = Number(args.seed);
const limitEvery = Number(args['limit-every']);

const customers = { acme: new Customer(seed, 240), globex: new Customer(seed + 1, 90) };
const keys = new Map<string, keyof typeof customers>([
    ['acme-key', 'acme'],
    ['globex-key', 'globex']
]);

interface Reply {
    status?: number;
    headers?: Record<string, string>;
    body: unknown;
}

class Refusal extends Error {
    readonly status: number;
    readonly headers: Record<string, string>;

    constructor(status: number, message: string, headers = {}) {
        super(message);
        this.status = status;
        this.headers = headers;
    }
}

function number(url: URL, name: string, standard: number, most: number): number {
    const value = Number(url.searchParams.get(name) ?? standard);
    if (!Number.isInteger(value) || value < 0 || value > most) throw new Refusal(400, `${name} must be a number from 0 to ${most}`);
    return value;
}

/** Oldest change first: what changes while a reader is on its way moves to the end, where the reader will still meet it. */
function listContacts(customer: Customer, url: URL): Reply {
    const limit = number(url, 'limit', 50, 100);
    const since = url.searchParams.get('modified_since');
    if (since !== null && Number.isNaN(Date.parse(since))) throw new Refusal(400, 'modified_since must be a date');
    const cursor = Buffer.from(url.searchParams.get('cursor') ?? '', 'base64url').toString();

    const wanted = (contact: Contact) =>
        contact.updated_at > cursor && (since === null ? !contact.deleted : Date.parse(contact.updated_at) >= Date.parse(since));
    const rest = [...customer.contacts.values()].filter(wanted).sort((a, b) => (a.updated_at < b.updated_at ? -1 : 1));

    const data = rest.slice(0, limit);
    const next = rest.length > limit ? Buffer.from(data.at(-1)!.updated_at).toString('base64url') : null;
    return { body: { data, next_cursor: next } };
}

function listCompanies(customer: Customer, url: URL): Reply {
    const limit = number(url, 'limit', 50, 100);
    const after = url.searchParams.get('after') ?? '';
    const rest = [...customer.companies.values()].filter((company) => company.id > after);

    const body = rest.slice(0, limit);
    if (rest.length <= limit) return { body };
    const next = new URL(url);
    next.searchParams.set('after', body.at(-1)!.id);
    return { body, headers: { link: `<${next}>; rel="next"` } };
}

function listTickets(customer: Customer, url: URL): Reply {
    const offset = number(url, 'offset', 0, Infinity);
    const tickets = [...customer.tickets.values()];
    return { body: { tickets: tickets.slice(offset, offset + number(url, 'limit', 50, 100)), total: tickets.length } };
}

function api(request: IncomingMessage, url: URL): Reply {
    const name = keys.get(request.headers.authorization?.replace(/^Bearer /, '') ?? '');
    if (!name) throw new Refusal(401, 'unknown API key');
    const customer = customers[name];
    if (++customer.requests % limitEvery === 0) {
        customer.rateLimited++;
        throw new Refusal(429, 'too many requests', { 'retry-after': '1' });
    }
    switch (`${request.method} ${url.pathname}`) {
        case 'GET /v1/contacts':
            return listContacts(customer, url);
        case 'GET /v1/companies':
            return listCompanies(customer, url);
        case 'GET /v1/tickets':
            return listTickets(customer, url);
        case 'GET /v1/me':
            return { body: { customer: name } };
        default:
            throw new Refusal(404, 'no such resource');
    }
}

interface Order {
    customer?: keyof typeof customers;
    url?: string;
    connectionId?: string;
    type?: 'ticket.updated' | 'ticket.deleted';
    ticketId?: string;
}

async function order(request: IncomingMessage): Promise<Order> {
    const body = await text(request);
    try {
        const parsed: Order = JSON.parse(body || '{}');
        if (parsed.customer === undefined || Object.hasOwn(customers, parsed.customer)) return parsed;
    } catch {
        throw new Refusal(400, 'the body must be JSON');
    }
    throw new Refusal(404, 'no such customer');
}

function change({ customer }: Order): Reply {
    const chosen = Object.entries(customers).filter(([name]) => !customer || name === customer);
    return { body: Object.fromEntries(chosen.map(([name, who]) => [name, who.change()])) };
}

async function sendWebhook({ url, connectionId, customer = 'acme', type = 'ticket.updated', ticketId }: Order): Promise<Reply> {
    const { tickets } = customers[customer];
    const id = ticketId ?? [...tickets.keys()].at(-1);
    if (!url || !connectionId) throw new Refusal(400, 'url and connectionId are needed');
    if (!id || !tickets.has(id)) throw new Refusal(404, 'no such ticket');

    const ticket = customers[customer].editTicket(id);
    if (type === 'ticket.deleted') tickets.delete(id);
    const sent = { type, connectionId, ticket };
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(sent) });
    return { body: { sent, status: response.status } };
}

function stats(): Reply {
    const count = (who: Customer) => ({
        contacts: who.liveContacts().size,
        companies: who.companies.size,
        tickets: who.tickets.size,
        rounds: who.rounds,
        requests: who.requests,
        rate_limited: who.rateLimited
    });
    return { body: Object.fromEntries(Object.entries(customers).map(([name, who]) => [name, count(who)])) };
}

async function answer(request: IncomingMessage): Promise<Reply> {
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    switch (`${request.method} ${url.pathname}`) {
        case 'POST /_admin/change':
            return change(await order(request));
        case 'POST /_admin/webhook':
            return sendWebhook(await order(request));
        case 'GET /_admin/stats':
            return stats();
        default:
            return api(request, url);
    }
}

const server = createServer(async (request, response) => {
    const { status = 200, headers, body } = await answer(request).catch((error: Error): Reply => {
        const refusal = error instanceof Refusal ? error : new Refusal(500, error.message);
        return { status: refusal.status, headers: refusal.headers, body: { error: refusal.message } };
    });
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
});

server.listen(Number(args.port), '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : args.port;
    console.log(`listening on http://127.0.0.1:${port}`);
});

function stop(): void {
    server.close();
    server.closeAllConnections();
}
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
