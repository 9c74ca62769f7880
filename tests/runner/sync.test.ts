/* The four kinds of run, what they get and what they return. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { action, REQUIRES, Runner, sync } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner();
	await runner.started();
});
after(() => runner.close());

const json = (data: unknown) => ({ head: { status: 200, statusText: 'OK', headers: [] }, body: JSON.stringify(data) });

test('a sync asks, saves and logs', async () => {
	const source = sync(`
		const { get, log } = nango;
		const { data } = await get({ endpoint: '/contacts', params: { since: 1, ids: [1, 2], none: undefined } });
		await log('got', { n: data.length }, { level: 'warn' });
		await nango.batchSave(data, 'Contact');
	`);
	const { head, logs, calls } = await runner.run(source, { handlers: { proxy: () => json([{ id: '1', _nango_metadata: {} }]) } });
	assert.equal(head.ok, true);
	assert.ok(head.cpu_us > 0);
	assert.deepEqual(logs.at(-1), { level: 'warn', message: 'got', meta: { n: 1 } });
	assert.deepEqual(calls.map((c) => c.m), ['proxy', 'batch_save']);
	assert.deepEqual(calls[0]?.head.params, [['since', '1'], ['ids', '1,2']]);
	assert.equal(calls[1]?.body.toString(), '[{"id":"1"}]');
});

test('an action gets {} for no input and returns JSON', async () => {
	assert.deepEqual(await runner.value('return { input, at: new Date(0) }'), { input: {}, at: '1970-01-01T00:00:00.000Z' });
	assert.deepEqual(await runner.value('return input.a + 1', { input: { a: 1 } }), 2);
	assert.equal(await runner.value('return undefined'), undefined);
});

test('a webhook reaches onWebhook of the sync with the bare body', async () => {
	const source = sync('', `onWebhook: async (nango, payload) => { await nango.batchSave([payload], 'Contact'); }`);
	const { head, calls } = await runner.run(source, { kind: 'webhook', input: { id: 'w' } });
	assert.equal(head.ok, true);
	assert.equal(calls[0]?.body.toString(), '[{"id":"w"}]');
});

test('data properties, dates, bound methods and the guard', async () => {
	const source = `${REQUIRES}module.exports.default = { type: 'sync', models: {}, async exec(nango) {
		const refused = [];
		for (const key of ['constructor', 'telemetryBag', '__proto__'])
			try { nango[key]; } catch (e) { refused.push(key); }
		nango.mine = 1;
		await nango.log(JSON.stringify([nango.lastSyncDate instanceof Date, nango.variant, nango.scriptType,
			refused.length, 'batchSave' in nango, 'telemetryBag' in nango, nango.mine,
			Object.getPrototypeOf(nango), typeof nango.ActionError]));
	} };`;
	const { head, logs } = await runner.run(source, { props: { lastSyncDate: '2024-01-01T00:00:00Z' } });
	assert.equal(head.ok, true, JSON.stringify(head));
	assert.deepEqual(JSON.parse(logs[0].message), [true, 'base', 'sync', 3, true, false, 1, null, 'function']);
});

test('exports of createSync are taken, other kinds and bad exports are refused', async () => {
	const made = `const { createSync } = require('nango'); exports.default = createSync({ models: {}, exec: async () => {} });`;
	assert.equal((await runner.run(made)).head.ok, true);
	for (const [source, text] of [
		[action(''), /is a action and cannot run as sync/],
		['module.exports = 5', /no exec function/],
		['require("fs")', /'fs' is not allowed/],
		['require("soap")', /'soap' is not available/],
		['const x = ;', /Unexpected token/],
		['});(function(){', /Parser error/],
	] as [string, RegExp][]) {
		const { head } = await runner.run(source);
		assert.equal(head.error.type, 'script_internal_error');
		assert.match(head.error.message, text);
	}
});

test('a virtual clock starts where the server says', async () => {
	const year = await runner.value('return [new Date().getFullYear(), new Date(Date.now()).getFullYear(), new Date(0).getTime(), new Date() instanceof Date, Date.UTC(2000, 0)]', { extra: { now_ms: Date.UTC(2001, 5, 1) } });
	assert.deepEqual(year, [2001, 2001, 0, true, Date.UTC(2000, 0)]);
});
