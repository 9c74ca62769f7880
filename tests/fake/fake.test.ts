import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Collection, type Item } from './collection.ts';
import { startFake, type Script } from './fake.ts';
import * as replies from './replies.ts';

async function answering(script: Script) {
    const fake = await startFake();
    fake.on('GET', '/', script);
    return fake;
}

/** The answer to the last byte: clients repair or refuse what these tests are about. */
async function wire(url: string): Promise<string> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.write('GET / HTTP/1.1\r\nhost: fake\r\nconnection: close\r\n\r\n');
    return text(socket);
}

test('a script answers in order, and its last answer stays', async () => {
    await using fake = await answering([replies.tooManyRequests(1), replies.json({ ok: true })]);

    const first = await fetch(fake.url);
    assert.deepEqual([first.status, first.headers.get('retry-after')], [429, '1']);
    for (let i = 0; i < 2; i++) assert.deepEqual(await (await fetch(fake.url)).json(), { ok: true });
});

test('requests are remembered', async () => {
    await using fake = await startFake();
    fake.on('POST', '/things/*', replies.empty);

    assert.equal((await fetch(`${fake.url}/things/1?a=b`, { method: 'POST', body: 'hello', headers: { 'x-a': 'b' } })).status, 200);
    assert.equal((await fetch(`${fake.url}/other`)).status, 404);
    const [post, get] = fake.requests;
    assert.deepEqual([post?.method, post?.path, post?.query.get('a'), post?.headers['x-a'], post?.body], ['POST', '/things/1', 'b', 'b', 'hello']);
    assert.equal(get?.path, '/other');
});

test('bodies end too early, too late or not at all as they should', async () => {
    const lengthAndBody = async (script: Script) => {
        await using fake = await answering(script);
        const answer = await wire(fake.url);
        return [/content-length: (.*)\r\n/.exec(answer)?.[1], answer.split('\r\n\r\n')[1]?.length];
    };
    assert.deepEqual(await lengthAndBody(replies.contentLength('too large')), ['32', 22]);
    assert.deepEqual(await lengthAndBody(replies.contentLength('too small')), ['12', 22]);
    assert.deepEqual(await lengthAndBody(replies.contentLength('invalid')), ['twenty', 22]);

    await using cut = await answering(replies.cutOff);
    await assert.rejects(async () => (await fetch(cut.url)).json());

    await using hung = await answering(replies.hang);
    const waiting = assert.rejects(fetch(hung.url));
    while (hung.requests.length === 0) await new Promise(setImmediate);
    await hung.close();
    await waiting;
});

test('redirects go where they should', async () => {
    const location = async (script: Script) => {
        await using fake = await answering(script);
        return (await fetch(fake.url, { redirect: 'manual' })).headers.get('location');
    };
    assert.equal(await location(replies.redirect('/elsewhere')), '/elsewhere');
    assert.equal(await location(replies.redirectToMetadata), 'http://169.254.169.254/latest/meta-data/');
    await using loop = await answering(replies.redirectLoop);
    await assert.rejects(fetch(loop.url));
});

test('odd bodies are as odd as they should be', async () => {
    const body = async (script: Script) => {
        await using fake = await answering(script);
        return (await fetch(fake.url)).text();
    };
    assert.equal(await body(replies.gzipped({ a: 1 })), '{"a":1}');
    assert.equal(await body(replies.empty), '');
    assert.match(await body(replies.html), /^<!doctype/);
    await assert.rejects(body(replies.badGzip));
    const broken = await body(replies.invalidJson);
    assert.throws(() => JSON.parse(broken));
    const long = await body(replies.huge(1_000_000));
    assert.equal(long.length, 1_000_000);
    assert.equal((JSON.parse(long) as string).length, 999_998);

    await using fake = await answering(replies.manyHeaders());
    assert.ok((await wire(fake.url)).includes('x-header-999: 999'));
});

test('held answers wait for their release', async () => {
    const { handler, release } = replies.held(replies.json('late'));
    await using fake = await answering([handler, replies.json('soon')]);
    const late = fetch(fake.url);
    while (fake.requests.length === 0) await new Promise(setImmediate);
    assert.equal(await (await fetch(fake.url)).json(), 'soon');
    release();
    assert.equal(await (await late).json(), 'late');
});

test('each way of paging gives every item once, and changes show', async () => {
    await using fake = await startFake();
    const items = new Collection(250, { padding: 10 });
    fake.on('GET', '/cursor', items.byCursor);
    fake.on('POST', '/cursor', items.byCursor);
    fake.on('GET', '/link', items.byLink);
    fake.on('GET', '/offset', items.byOffset);
    type Page = { items: Item[]; next?: string; total: number };
    const get = async (path: string, init?: RequestInit) => (await (await fetch(fake.url + path, init)).json()) as Page;

    items.create(2);
    items.edit(['item-0000003']);
    items.remove(1);

    const seen: Record<string, Item[]> = { cursor: [], body: [], link: [], offset: [] };
    for (let next: string | undefined = ''; next !== undefined; ) {
        const page: Page = await get(`/cursor?limit=50&cursor=${next}`);
        seen['cursor']!.push(...page.items);
        next = page.next;
    }
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const page: Page = await get('/cursor', { method: 'POST', body: JSON.stringify({ limit: 100, cursor }) });
        seen['body']!.push(...page.items);
        cursor = page.next;
    }
    for (let next: string | undefined = `${fake.url}/link?limit=50`; next; ) {
        const response: Response = await fetch(next);
        seen['link']!.push(...((await response.json()) as Item[]));
        next = /<(.*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
    }
    while (seen['offset']!.length < items.all().length) {
        seen['offset']!.push(...(await get(`/offset?limit=50&offset=${seen['offset']!.length}`)).items);
    }
    for (const way of Object.values(seen)) assert.deepEqual(way, items.all());
    assert.equal(items.all().length, 251);
    assert.deepEqual(items.all()[1], { id: 'item-0000003', name: 'Item 3', revision: 1, padding: 'xxxxxxxxxx' });
});
