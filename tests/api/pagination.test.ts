/* nango.paginate against providers that page in different ways: every item once, no request too many. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Collection } from '../fake/collection.ts';
import { startFake, type Fake, type Handler } from '../fake/fake.ts';
import { App, Server, serverWithApp, sync, tempDir } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;
const items = new Collection(250);

const WALK = sync(
    `
        const { config } = await nango.getMetadata();
        const pages = [];
        if (config.paginate) config.paginate.on_page = ({ nextPageParam, response }) => void pages.push([nextPageParam ?? null, response.status]);
        let n = 0;
        for await (const page of nango.paginate(config)) {
            n++;
            if (page.length) await nango.batchSave(page, 'Walked');
        }
        await nango.log('walked', { n, pages: JSON.stringify(pages) });`,
    { model: 'Walked', autoStart: false }
);

/* Defaults of a provider: half of what a function would have to say. */
const PROVIDERS = `paging-provider:
    display_name: Pages by itself
    auth_mode: NONE
    proxy:
        base_url: \${connectionConfig.baseUrl}
        paginate:
            type: cursor
            cursor_path_in_response: next
            cursor_name_in_request: cursor
            response_path: items
            limit_name_in_request: limit
`;

before(async () => {
    const file = join(tempDir(), 'providers.yaml');
    writeFileSync(file, PROVIDERS);
    ({ server, app } = await serverWithApp({ args: ['--providers', file] }));
    fake = await startFake();
    await server.integration();
    await server.ok('POST', '/integrations', { provider: 'paging-provider', unique_key: 'paging' });
    await server.deploy({ 'fake/syncs/walk': WALK, 'paging/syncs/defaults': WALK.replaceAll('Walked', 'Default') });
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

let walks = 0;

async function walk(config: object, integration = 'fake') {
    const id = `walk-${++walks}`;
    const mark = fake.requests.length;
    await server.connection(id, fake.url, integration, { metadata: { config } });
    const [name, model] = integration === 'fake' ? ['walk', 'Walked'] : ['defaults', 'Default'];
    const hook = await app.after(() => server.trigger(name, id, undefined, integration), name, (body) => body.connectionId === id);
    const saved = hook.success ? await server.records(id, model, undefined, integration) : [];
    return { hook, ids: saved.map((record) => record.id), requests: fake.requests.slice(mark) };
}

const all = () => items.all().map(({ id }) => id);
const CURSOR = { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'cursor', response_path: 'items' };

test('by cursor, in the query', async () => {
    fake.on('GET', '/cursor', items.byCursor);
    const { ids, requests } = await walk({ endpoint: '/cursor', params: { keep: 'me' }, paginate: { ...CURSOR, limit: 100, limit_name_in_request: 'limit' } });
    assert.deepEqual(ids, all());
    assert.deepEqual(requests.map(({ query }) => [query.get('limit'), query.get('cursor'), query.get('keep')]), [['100', null, 'me'], ['100', all()[99], 'me'], ['100', all()[199], 'me']]);
});

test('by cursor, in the body', async () => {
    fake.on('POST', '/cursor', items.byCursor);
    const { ids, requests } = await walk({ endpoint: '/cursor', method: 'POST', data: { keep: { me: 1 } }, paginate: { ...CURSOR, limit: 100, limit_name_in_request: 'limit' } });
    assert.deepEqual(ids, all());
    assert.deepEqual(requests.map(({ body }) => JSON.parse(body)), [{ keep: { me: 1 }, limit: 100 }, { keep: { me: 1 }, limit: 100, cursor: all()[99] }, { keep: { me: 1 }, limit: 100, cursor: all()[199] }]);
});

test('by cursor, with dotted names in a GraphQL body', async () => {
    const graphql: Handler = (request, response) => {
        const { query, variables } = JSON.parse(request.body);
        assert.equal(query, '{ x }');
        const start = Number(variables.after ?? 0);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ data: { x: { nodes: items.all().slice(start, start + 100), page: { end: start + 100 < 250 ? String(start + 100) : null } } } }));
    };
    fake.on('POST', '/graphql', graphql);
    const paginate = { type: 'cursor', cursor_path_in_response: 'data.x.page.end', cursor_name_in_request: 'variables.after', response_path: 'data.x.nodes' };
    const { ids, requests } = await walk({ endpoint: '/graphql', method: 'POST', data: { query: '{ x }', 'variables.first': 100 }, paginate });
    assert.deepEqual(ids, all());
    assert.deepEqual(JSON.parse(requests[1]!.body), { query: '{ x }', variables: { first: 100, after: '100' } });
});

test('by one cursor for all pages, as a scroll does', async () => {
    let page = 0;
    const scroll: Handler = (_request, response) => {
        response.setHeader('content-type', 'application/json');
        const from = page++ * 50;
        response.end(JSON.stringify({ items: items.all().slice(from, from + 50), next: 'the-scroll' }));
    };
    fake.on('GET', '/scroll', scroll);
    const { ids, requests } = await walk({ endpoint: '/scroll', paginate: CURSOR });
    assert.deepEqual(ids, all(), 'it does not stop at the first repeat');
    assert.equal(requests.length, 6, 'it ends with an empty page');
});

test('by a cursor that leads nowhere: the same page again and again ends', async () => {
    fake.on('GET', '/stuck', (_request, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ items: items.all().slice(0, 10), next: 'x' }));
    });
    const { hook, requests } = await walk({ endpoint: '/stuck', paginate: CURSOR });
    assert.equal(hook.success, true);
    assert.ok(requests.length <= 4, String(requests.length));
});

test('by links in a header', async () => {
    fake.on('GET', '/link', items.byLink);
    const { ids, requests } = await walk({ endpoint: '/link', params: { limit: '100', keep: 'me' }, paginate: { type: 'link', link_rel_in_response_header: 'next' } });
    assert.deepEqual(ids, all());
    assert.equal(requests.length, 3);
    assert.equal(requests[2]!.query.get('keep'), 'me', 'the link says it');
});

test('by links in the body, whole and relative', async () => {
    const byBody = (prefix: string): Handler => (request, response) => {
        const start = Number(request.query.get('from') ?? 0);
        response.setHeader('content-type', 'application/json');
        const next = start + 100 < 250 ? `${prefix}/body-link?from=${start + 100}` : undefined;
        response.end(JSON.stringify({ value: items.all().slice(start, start + 100), '@odata.nextLink': next }));
    };
    for (const prefix of [fake.url, '']) {
        fake.on('GET', '/body-link', byBody(prefix));
        const { ids, requests } = await walk({ endpoint: '/body-link', paginate: { type: 'link', link_path_in_response_body: '@odata.nextLink', response_path: 'value' } });
        assert.deepEqual(ids, all(), prefix);
        assert.equal(requests.length, 3);
    }
});

test('by offset, by pages, with and without a limit', async () => {
    fake.on('GET', '/offset', items.byOffset);
    const offset = { type: 'offset', offset_name_in_request: 'offset', response_path: 'items' };
    const limited = await walk({ endpoint: '/offset', paginate: { ...offset, limit: 100, limit_name_in_request: 'limit' } });
    assert.deepEqual(limited.ids, all());
    assert.deepEqual(limited.requests.map(({ query }) => query.get('offset')), ['0', '100', '200'], 'a short page is the last');
    const open = await walk({ endpoint: '/offset', paginate: offset });
    assert.deepEqual(open.ids, all());
    assert.equal(open.requests.length, 4, 'without a limit only an empty page is the last');

    fake.on('GET', '/numbered', (request, response) => {
        const start = (Number(request.query.get('p')) - 1) * 100;
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(items.all().slice(start, start + 100)));
    });
    const numbered = await walk({ endpoint: '/numbered', paginate: { type: 'offset', offset_name_in_request: 'p', offset_start_value: 1, offset_calculation_method: 'per-page', limit: 100, limit_name_in_request: 'n' } });
    assert.deepEqual(numbered.ids, all());
    assert.deepEqual(numbered.requests.map(({ query }) => [query.get('p'), query.get('n')]), [['1', '100'], ['2', '100'], ['3', '100']]);
});

test('what the provider says holds unless the function says otherwise', async () => {
    fake.on('GET', '/cursor', items.byCursor);
    const plain = await walk({ endpoint: '/cursor' }, 'paging');
    assert.deepEqual(plain.ids, all());
    assert.equal(plain.requests[0]!.query.get('limit'), null);
    const limited = await walk({ endpoint: '/cursor', paginate: { limit: 50 } }, 'paging');
    assert.deepEqual(limited.ids, all());
    assert.equal(limited.requests.length, 5);
    assert.equal(limited.requests[0]!.query.get('limit'), '50');
});

test('a page that fails fails the run, after its retries', async () => {
    let asked = 0;
    fake.on('GET', '/flaky', (request, response) => {
        if (++asked === 2) return void response.writeHead(500, { 'retry-after': '0' }).end();
        return items.byCursor(request, response);
    });
    const config = { endpoint: '/flaky', paginate: CURSOR, retryHeader: { after: 'retry-after' } };
    assert.match((await walk(config)).hook.error.description, /500/);
    asked = 0;
    const { ids } = await walk({ ...config, retries: 1 });
    assert.deepEqual(ids, all());
});

test('rules that cannot work are refused before the first request', async () => {
    for (const paginate of [undefined, { type: 'pages' }, { type: 'cursor' }, { type: 'link' }, { type: 'offset' }, { ...CURSOR, limit: 10 }]) {
        const { hook, requests } = await walk({ endpoint: '/cursor', paginate });
        assert.equal(hook.success, false, JSON.stringify(paginate));
        assert.equal(requests.length, 0);
    }
});
