/* Rate limits of providers: runs of one connection share what is known, wait for their turn, and are refused by nobody. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startFake, type Fake } from '../fake/fake.ts';
import { limited } from '../fake/limited.ts';
import { App, Server, serverWithApp, sync, until } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;

const ASK = sync(
    `
        const { path, times } = await nango.getMetadata();
        for (let i = 0; i < times; i++) await nango.get({ endpoint: path, params: { run: 'Asked' } });
        await nango.batchSave([{ id: '1' }], 'Asked');`,
    { model: 'Asked', autoStart: false }
);
const RUNS = ['one', 'two', 'three'];

before(async () => {
    ({ server, app } = await serverWithApp());
    fake = await startFake();
    await server.integration();
    await server.deploy(Object.fromEntries(RUNS.map((name) => [`fake/syncs/${name}`, ASK.replaceAll('Asked', `Asked${name}`)])));
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

async function metric(name: string, of = server): Promise<number> {
    const answer = await fetch(`${of.url}/metrics`, { headers: { authorization: `Bearer ${of.key}` } });
    const line = (await answer.text()).split('\n').find((line) => line.startsWith(`tidemark_${name} `));
    assert.ok(line, name);
    return Number(line.split(' ')[1]);
}

/** All runs at once, of one connection; none of them retries. */
async function runAll(connection: string, path: string, times: number): Promise<void> {
    await server.connection(connection, fake.url, 'fake', { metadata: { path, times } });
    const hooks = await Promise.all(RUNS.map((name) => app.after(() => server.trigger(name, connection), name, (body) => body.connectionId === connection, 40_000)));
    for (const hook of hooks) assert.equal(hook.success, true, JSON.stringify(hook));
}

test('a quota in headers: nobody is refused, everybody waits', async () => {
    const provider = limited(10, 2500, 'headers');
    fake.on('GET', '/quota', provider.handler);
    // Before the runs start, somebody has learned that there is a quota.
    await server.connection('told', fake.url, 'fake', { metadata: { path: '/quota', times: 1 } });
    await runAll('told', '/quota', 8);
    assert.deepEqual(provider.refused, []);
    assert.equal(provider.accepted, 24);
    assert.ok((await metric('rate_limit_waits_total')) > 0);
    assert.ok((await metric('rate_limit_wait_seconds_total')) > 1);
    assert.equal(await metric('rate_limit_waiting'), 0);
    const lines = await server.said('told', /waiting about \d+ ms for the provider's rate limit: the quota it announced is used up/);
    assert.ok(lines.length >= 1);
});

test('runs take turns', async () => {
    const provider = limited(4, 2000, 'headers');
    fake.on('GET', '/turns', provider.handler);
    await server.connection('turns', fake.url);
    // Nothing is left when they begin, so all three are waiting when the next window does.
    for (let i = 0; i < 4; i++) await server.api('GET', '/proxy/turns', undefined, { 'provider-config-key': 'fake', 'connection-id': 'turns' });
    await runAll('turns', '/turns', 4);
    assert.deepEqual(provider.refused, []);
    const runs = fake.requests.filter(({ path }) => path === '/turns').map(({ query }) => query.get('run')).filter((run) => run !== null);
    assert.equal(runs.length, 12);
    const counts = Object.fromEntries(new Set(runs).values().map((run) => [run, 0]));
    for (const run of runs) {
        counts[run]!++;
        assert.ok(Math.max(...Object.values(counts)) - Math.min(...Object.values(counts)) <= 2, runs.join(' '));
    }
});

test('Retry-After alone: what is learned of one refusal holds for all', async () => {
    const provider = limited(6, 2000, 'retry-after');
    fake.on('GET', '/after', provider.handler);
    await server.connection('after', fake.url);
    const ask = (retries: number) => server.api('GET', '/proxy/after', undefined, { 'provider-config-key': 'fake', 'connection-id': 'after', retries: String(retries) });
    // One after the other until it refuses.
    for (let i = 0; i < 13 && !provider.refused.length; i++) await ask(0);
    assert.equal(provider.refused.length, 1);
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(2)));
    assert.ok(answers.every(({ status }) => status === 200), JSON.stringify(answers.map(({ status }) => status)));
    assert.equal(provider.refused.length, 1);
});

test('a caller whose time is not enough gets a 429 that says when to come again', async () => {
    fake.on('GET', '/gone', (_, response) => {
        response.writeHead(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '3600' });
        response.end('{}');
    });
    await server.connection('gone', fake.url);
    const headers = { 'provider-config-key': 'fake', 'connection-id': 'gone' };
    assert.equal((await server.api('GET', '/proxy/gone', undefined, headers)).status, 200);
    const { status, body, headers: got } = await server.api('GET', '/proxy/gone', undefined, headers);
    assert.equal(status, 429);
    assert.equal(body.error.code, 'rate_limit');
    assert.match(body.error.message, /used up/);
    assert.equal(got.get('x-tidemark-error'), 'rate_limit');
    const after = Number(got.get('retry-after'));
    assert.ok(after > 3500 && after <= 3601, String(after));
    assert.equal(fake.requests.filter(({ path }) => path === '/gone').length, 1);
    assert.ok((await metric('rate_limit_refused_total')) >= 1);
    // Another connection is none of this one's business.
    await server.connection('free', fake.url);
    assert.equal((await server.api('GET', '/proxy/gone', undefined, { ...headers, 'connection-id': 'free' })).status, 200);
});

test('a run that waits can be cancelled', async () => {
    fake.on('GET', '/forever', (_, response) => {
        response.writeHead(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '3600' });
        response.end('{}');
    });
    await server.connection('forever', fake.url, 'fake', { metadata: { path: '/forever', times: 2 } });
    await server.trigger('one', 'forever');
    await server.said('forever', /waiting about \d+ ms for the provider's rate limit/);
    await server.ok('POST', '/sync/pause', { syncs: ['one'], provider_config_key: 'fake', connection_id: 'forever' });
    await until('that nothing waits', async () => (await metric('rate_limit_waiting')) === 0);
    assert.equal(fake.requests.filter(({ path }) => path === '/forever').length, 1);
});

test('a stopping server does not wait for a quota', async () => {
    const short = await Server.start({ args: ['--drain-timeout', '300ms'] });
    fake.on('GET', '/later', (_, response) => {
        response.writeHead(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '30' });
        response.end('{}');
    });
    await short.integration();
    await short.connection('later', fake.url);
    const ask = () => short.api('GET', '/proxy/later', undefined, { 'provider-config-key': 'fake', 'connection-id': 'later' });
    assert.equal((await ask()).status, 200);
    const waiting = ask().catch(() => {});
    await until('a request that waits', async () => (await metric('rate_limit_waiting', short)) === 1);
    assert.equal(await short.stop(), 0);
    await waiting;
});
