/* kill -9 at any moment: runs go on from their checkpoints, the feed misses and repeats nothing, webhooks arrive. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Collection } from '../fake/collection.ts';
import { startFake, type Fake, type Handler } from '../fake/fake.ts';
import { App, Reader, Server, serverWithApp, sync, until } from './harness.ts';

const CRAWL = sync(
    `
        const done = await nango.getCheckpoint();
        for await (const page of nango.paginate({ endpoint: '/items', params: { cursor: done?.after ?? '' }, retries: 3,
            paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'cursor', response_path: 'items', limit_name_in_request: 'limit', limit: 50 } })) {
            await nango.batchSave(page, 'Item');
            await nango.saveCheckpoint({ after: page.at(-1).id });
        }
        await nango.clearCheckpoint();`,
    { autoStart: false }
);
const PAGES = 20;

let server: Server;
let app: App;
let fake: Fake;
let items: Collection;
let reader: Reader;

before(async () => {
    ({ server, app } = await serverWithApp({ args: ['--drain-timeout', '300ms'] }));
    fake = await startFake();
    items = new Collection(PAGES * 50);
    fake.on('GET', '/items', items.byCursor);
    await server.integration();
    await server.deploy({ 'fake/syncs/crawl': CRAWL });
    await server.connection('c1', fake.url);
    reader = new Reader(server, 'c1', 'Item');
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

/** Answers up to a page; the request for it is told of, and never answered. */
function untilPage(page: number): { reached: Promise<void>; handler: Handler } {
    const { promise, resolve } = Promise.withResolvers<void>();
    let asked = 0;
    const handler: Handler = (request, response) => {
        if (++asked === page) resolve();
        else if (asked < page) return items.byCursor(request, response);
    };
    return { reached: promise, handler };
}

/** Starts a crawl over changed items, does something bad when page n is asked for, and sees it come to a good end. */
async function interrupted(page: number, disturb: () => Promise<unknown>): Promise<{ hook: any; requests: string[] }> {
    if (app.webhooks.some(({ body }) => body.type === 'sync')) items.edit(PAGES * 50);
    const { reached, handler } = untilPage(page);
    fake.on('GET', '/items', handler);
    const hooks = app.webhooks.filter(({ body }) => body.type === 'sync').length;
    await server.trigger('crawl', 'c1');
    await reached;
    fake.on('GET', '/items', items.byCursor);
    const mark = fake.requests.length;
    await disturb();
    const hook = (await app.syncs(hooks + 1))[hooks];
    return { hook, requests: fake.requests.slice(mark).map(({ query }) => query.get('cursor') ?? '') };
}

/** The feed has every item of this round, once, and the webhook says as many. */
async function check(hook: any): Promise<void> {
    assert.equal(hook.success, true, JSON.stringify(hook));
    const changes = await reader.drain();
    assert.equal(changes.length, PAGES * 50);
    assert.equal(hook.responseResults.added + hook.responseResults.updated, PAGES * 50, JSON.stringify(hook.responseResults));
    for (const item of items.all()) assert.equal(reader.live.get(item.id)?.revision, item.revision, item.id);
    const fresh = new Reader(server, 'c1', 'Item', 1000);
    await fresh.drain();
    assert.deepEqual(fresh.live, reader.live);
    const status = await server.statusOf('crawl', 'c1');
    assert.deepEqual([status.latestExecutionStatus, status.checkpoint], ['SUCCESS', null]);
    assert.equal(app.webhooks.filter(({ raw }) => JSON.parse(raw).modifiedAfter === hook.modifiedAfter).length, 1, 'told once');
}

const afterPage = (page: number) => (page <= 1 ? '' : items.all()[(page - 1) * 50 - 1]!.id);

for (const page of [1, 2, 9, PAGES]) {
    test(`the server is killed when page ${page} is asked for`, async () => {
        const { hook, requests } = await interrupted(page, async () => {
            await server.kill();
            await server.up();
        });
        await check(hook);
        assert.equal(requests[0], afterPage(page), 'it goes on from the checkpoint');
        assert.equal(requests.length, PAGES - page + 1);
    });
}

test('the server is killed again and again', async () => {
    let kills = 0;
    const { hook } = await interrupted(3, async () => {
        for (const page of [2, 3, 4]) {
            const { reached, handler } = untilPage(page);
            fake.on('GET', '/items', handler);
            await server.kill();
            kills++;
            await server.up();
            await reached;
        }
        fake.on('GET', '/items', items.byCursor);
        await server.kill();
        await server.up();
    });
    assert.equal(kills, 3);
    await check(hook);
});

test('its runners are killed', async () => {
    const { hook, requests } = await interrupted(8, async () => {
        const runners = server.runners();
        assert.ok(runners.length > 0);
        for (const pid of runners) process.kill(pid, 'SIGKILL');
    });
    await check(hook);
    assert.equal(requests[0], afterPage(8));
});

test('the server is told to stop: it does soon, and what ran goes on later', async () => {
    const { hook, requests } = await interrupted(6, async () => {
        const start = Date.now();
        assert.equal(await server.stop(), 0);
        assert.ok(Date.now() - start < 5000, `${Date.now() - start} ms`);
        await server.up();
    });
    await check(hook);
    assert.equal(requests[0], afterPage(6));
});

test('the process dies at any of its own steps', async () => {
    // The nth time that a step with a fault point is taken: in a build with test hooks the process kills itself there.
    let deaths = 0;
    const told = () => app.webhooks.filter(({ body }) => body.type === 'sync').length;
    for (const n of [5, 9, 14, 20, 27, 35, 44, 60]) {
        const count = items.edit(PAGES * 50).length;
        const hooks = told();
        await server.kill();
        await server.up({ TIDEMARK_FAULT: `*:${n}:kill` }).catch(() => {});
        const acknowledged = await server.trigger('crawl', 'c1').then(() => true, () => false);
        const died = await Promise.race([server.ended().then(() => true), app.syncs(hooks + 1).then(() => false)]);
        if (died) deaths++;
        await server.kill();
        await server.up();
        // What was acknowledged is not lost. What was not may have been lost, or not.
        const runs = async () => told() > hooks || (await server.statusOf('crawl', 'c1')).latestExecutionStatus === 'RUNNING';
        if (!acknowledged && !(await until('a run', runs, 1000).catch(() => false))) await server.trigger('crawl', 'c1');
        await app.syncs(hooks + 1);
        await until('the end', async () => (await server.statusOf('crawl', 'c1')).latestExecutionStatus === 'SUCCESS');
        const changes = await reader.drain();
        assert.equal(changes.length, count, `fault ${n}`);
        for (const item of items.all()) assert.equal(reader.live.get(item.id)?.revision, item.revision, `fault ${n}: ${item.id}`);
    }
    assert.ok(deaths >= 4, `${deaths} deaths: does this build have test hooks?`);
});
