/* Batches, records read back, deletes, checkpoints, locks, logs, and what else asks the server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Runner, sync } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner();
	await runner.started();
});
after(() => runner.close());

const said = (logs: any[]) => JSON.parse(logs.at(-1).message);
const body = (data: unknown) => () => ({ body: JSON.stringify(data) });

test('batches of a thousand, one JSON text each, numbered', async () => {
	const source = sync(`
		const rows = Array.from({ length: 2500 }, (_, i) => ({ id: i, _nango_metadata: {} }));
		await nango.log(JSON.stringify([await nango.batchSave(rows, 'A'), await nango.batchSave([], 'A'), await nango.batchSave(null, 'A'), '_nango_metadata' in rows[0]]));
		await nango.batchDelete([{ id: 1 }], 'A');
	`);
	const { calls, logs } = await runner.run(source);
	assert.deepEqual(said(logs), [true, true, true, false]);
	assert.deepEqual(calls.map((c) => [c.m, c.head.seq, JSON.parse(c.body.toString()).length]),
		[['batch_save', 1, 1000], ['batch_save', 2, 1000], ['batch_save', 3, 500], ['batch_delete', 4, 1]]);
});

test('records come back by id and one by one', async () => {
	const source = sync(`
		const byId = await nango.getRecordsByIds([...Array(150).keys(), 'x'], 'A');
		const all = [];
		for await (const r of nango.listRecords('A')) all.push(r.id);
		await nango.log(JSON.stringify([byId.size, byId.get(7), byId.has('7'), all]));
	`);
	const pages = [{ records: [{ id: 'a' }, { id: 'b' }], next_cursor: 'c1' }, { records: [{ id: 'd' }], next_cursor: null }];
	const { calls, logs } = await runner.run(source, {
		handlers: {
			records_by_ids: (head) => ({ body: JSON.stringify({ records: head.ids.filter((i: string) => i !== 'x').map((id: string) => ({ id })) }) }),
			records_list: () => ({ body: JSON.stringify(pages.shift()) }),
		},
	});
	assert.deepEqual(said(logs), [150, { id: '7' }, false, ['a', 'b', 'd']]);
	assert.deepEqual(calls.map((c) => c.head.ids?.length ?? c.head.cursor ?? null), [100, 51, null, 'c1']);
});

test('deletes, merging, checkpoints and locks ask the server', async () => {
	const source = sync(`
		await nango.trackDeletesStart('A');
		const deleted = await nango.trackDeletesEnd('A');
		await nango.setMergingStrategy({ strategy: 'override' }, 'A');
		await nango.setMergingStrategy({ strategy: 'override' }, 'A');
		const point = await nango.getCheckpoint();
		await nango.saveCheckpoint({ ...point, at: new Date(0) });
		await nango.clearCheckpoint();
		const lock = await nango.tryAcquireLock({ key: 'k', ttlMs: 5 });
		await nango.log(JSON.stringify([deleted, point, lock]));
	`);
	const { calls, logs } = await runner.run(source, {
		handlers: {
			track_end: body({ deletedKeys: ['1'] }),
			checkpoint_get: () => ({ head: { checkpoint: { page: 2 } } }),
			lock_acquire: () => ({ head: { acquired: false } }),
		},
	});
	assert.deepEqual(said(logs), [{ deletedKeys: ['1'] }, { page: 2 }, false]);
	assert.deepEqual(calls.find((c) => c.m === 'checkpoint_save')?.head.checkpoint, { page: 2, at: '1970-01-01T00:00:00.000Z' });
	assert.equal(calls.filter((c) => c.m === 'merging_set').length, 1);
	assert.ok(logs.some((l) => l.level === 'warn' && /merging strategy/.test(l.message)));
});

test('connection and integration are kept for a while, metadata drops them', async () => {
	const source = sync(`
		const a = await nango.getConnection(); const b = await nango.getConnection();
		const m = await nango.getMetadata();
		const set = await nango.setMetadata({ z: 1 });
		await nango.getConnection(); await nango.getConnection(undefined, undefined, { forceRefresh: true });
		await nango.getIntegration({ include: ['webhook'] }); const url = await nango.getWebhookURL();
		await nango.log(JSON.stringify([a === b, m, set.status, set.data, await nango.getToken(), url, await nango.getEnvironmentVariables()]));
	`);
	const { calls, logs } = await runner.run(source, {
		handlers: {
			connection_get: body({ metadata: { f: 1 }, credentials: { type: 'OAUTH2', access_token: 't' } }),
			metadata_set: () => ({ head: { status: 201 }, body: '{"metadata":{"z":1}}' }),
			integration_get: body({ webhook_url: 'https://w' }),
			env_vars: body([{ name: 'A', value: 'b' }]),
		},
	});
	assert.deepEqual(said(logs), [true, { f: 1 }, 201, { metadata: { z: 1 } }, 't', 'https://w', [{ name: 'A', value: 'b' }]]);
	assert.deepEqual(calls.map((c) => c.m), ['connection_get', 'metadata_set', 'connection_get', 'connection_get', 'integration_get', 'connection_get', 'env_vars']);
});

test('log levels, thresholds, shapes, and console', async () => {
	const source = sync(`
		await nango.log('a', { level: 'debug' }); await nango.log('b', { level: 'http' }); await nango.log('c', { level: 'none' });
		await nango.log({ z: 1, a: { Authorization: 'secret', stack: 's' } }, [1]);
		console.warn('w', { k: 1 });
		nango.setLogger({ level: 'error' }); await nango.log('hidden'); await nango.log('e', { x: 1 }, { level: 'error' });
		nango.setLogger({ level: 'off' }); nango.setLogger({ level: 'debug' }); await nango.log('never', { level: 'error' });
	`);
	const { logs } = await runner.run(source, { extra: { log_level: 'info' } });
	assert.deepEqual(logs, [
		{ level: 'info', message: 'b' },
		{ level: 'info', message: '{"a":{"Authorization":"[Redacted]"},"z":1}', meta: { 0: 1 } },
		{ level: 'warn', message: 'w {"k":1}' },
		{ level: 'error', message: 'e', meta: { x: 1 } },
	]);
});

test('odd values can be logged', async () => {
	const source = sync(`
		const loop = { n: 1n, f() {}, d: new Date(0), e: new Error('x'), b: Buffer.from('x') }; loop.self = loop;
		await nango.log('odd', loop);
		await nango.log(Array.from({ length: 30 }, () => ({})));
		await nango.log('long', { big: 'x'.repeat(200000), small: 1 });
		await nango.log(undefined); await nango.log(null);
	`);
	const { head, logs } = await runner.run(source);
	assert.equal(head.ok, true, JSON.stringify(head));
	assert.deepEqual(logs[0].meta, { b: '[Buffer]', d: '1970-01-01T00:00:00.000Z', e: { message: 'x', name: 'Error' }, f: '[Function]', n: '1', self: '[Circular]' });
	assert.equal(JSON.parse(logs[1].message).filter((x: unknown) => x === '[...]').length, 10);
	assert.deepEqual(logs[2].meta, { small: 1 });
	assert.deepEqual([logs[3].message, logs[4].message], ['undefined', 'null']);
});

test('triggers pass their historical options', async () => {
	const source = sync(`
		const out = await nango.triggerAction('crm', 'c', 'do', { a: 1 });
		await nango.triggerSync('crm', 'c', { name: 's', variant: 'v' }, 'full_refresh_and_clear_cache');
		await nango.triggerSync('crm', 'c', 's', { reset: true });
		await nango.startSync('crm', ['s']);
		await nango.log(JSON.stringify(out));
	`);
	const { calls, logs } = await runner.run(source, { handlers: { trigger_action: body({ done: true }) } });
	assert.deepEqual(said(logs), { done: true });
	assert.equal(calls[0]?.body.toString(), '{"a":1}');
	assert.deepEqual(calls.slice(1, 3).map((c) => [c.head.sync, c.head.variant ?? null, c.head.reset, c.head.emptyCache]), [['s', 'v', true, true], ['s', null, true, false]]);
});
