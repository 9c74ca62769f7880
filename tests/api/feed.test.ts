/* Many writers, one reader: the feed is in order and complete, whatever runs at the same time. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { App, Reader, Server, serverWithApp, sync } from './harness.ts';

const ROUNDS = 40;
const IDS = 50;

/* Writes the same ids as all others, in its own words, and some of its own; deletes some now and then. */
const WRITE = `async function write(nango: any, who: string) {
    for (let round = 0; round < ${ROUNDS}; round++) {
        const shared = Array.from({ length: ${IDS} }, (_, i) => ({ id: 'shared-' + i, who, round }));
        const own = Array.from({ length: 10 }, (_, i) => ({ id: who + '-' + round + '-' + i, who, round }));
        await nango.batchSave([...shared, ...own], 'Item');
        if (round % 5 === 4) await nango.batchDelete([{ id: 'shared-' + (round % ${IDS}) }, { id: who + '-' + round + '-0' }], 'Item');
    }
}
`;

let server: Server;
let app: App;
before(async () => {
    ({ server, app } = await serverWithApp());
    await server.integration();
    await server.deploy({
        'fake/syncs/items': WRITE + sync(`await write(nango, 'sync');`, { autoStart: false, more: `webhookSubscriptions: ['write'], onWebhook: async (nango, payload) => { await write(nango, payload.who); },` })
    });
    await server.connection('c1', 'http://127.0.0.1:1');
});
after(async () => {
    await server.stop();
    app.close();
});

test('five writers of one model, and a reader that polls', async () => {
    const { webhook_url } = (await server.ok('GET', '/integrations/fake?include=webhook')).data;
    const writers = ['w1', 'w2', 'w3', 'w4'];
    const reader = new Reader(server, 'c1', 'Item', 97);
    const events = writers.map((who) => fetch(webhook_url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ type: 'write', connectionId: 'c1', who }) }));
    await server.trigger('items', 'c1');
    for (const answer of await Promise.all(events)) assert.equal(answer.status, 200);

    const done = app.syncs(writers.length + 1);
    let ended = false;
    void done.finally(() => (ended = true)).catch(() => {});
    let polls = 0;
    for (; !ended; polls++) await reader.drain();
    const hooks = await done;
    await reader.drain();
    assert.ok(hooks.every(({ success }) => success), JSON.stringify(hooks));
    assert.ok(polls > 5, `only ${polls} polls`);

    // Who reads it all at the end finds what the poller has put together, at the same places.
    const fresh = new Reader(server, 'c1', 'Item', 10_000);
    await fresh.drain();
    assert.deepEqual([...fresh.live.values()].sort(byId), [...reader.live.values()].sort(byId));
    for (const who of ['sync', ...writers]) {
        const own = [...reader.live.keys()].filter((id) => id.startsWith(`${who}-`));
        assert.equal(own.length, ROUNDS * 10 - ROUNDS / 5, who);
    }

    // What the webhooks count is what changed; of changes that overtake each other between two polls the reader sees the last.
    const sum = hooks.reduce((all, { responseResults: { added, updated, deleted } }) => all + added + updated + deleted, 0);
    assert.ok(reader.changes.length <= sum, `${reader.changes.length} changes read, ${sum} told of`);
    const status = await server.statusOf('items', 'c1');
    assert.equal(status.recordCount.Item, reader.live.size);
});

const byId = (a: any, b: any) => (a.id < b.id ? -1 : 1);
