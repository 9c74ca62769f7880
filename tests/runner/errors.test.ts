/* What functions catch, and what the server is told when they do not. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { action, REQUIRES, Runner, sync } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner();
	await runner.started();
});
after(() => runner.close());

const status = (code: number, body: string, headers: [string, string][] = []) => () => ({ head: { status: code, statusText: 'No', headers }, body });
const refusal = (error: object) => () => ({ head: { ok: false, error } });

test('a refused request has the shape of an HTTP client error', async () => {
	const caught = await runner.value(
		`try { await nango.get({ endpoint: '/x' }); } catch (err) {
			return [err instanceof Error, err.name, err.isAxiosError, err.message, err.code, err.status, err.response.status,
				err.response.data, err.response.headers['Retry-After'], err.response.headers.get('RETRY-AFTER'), err.toJSON().status];
		}`,
		{ handlers: { proxy: status(404, '{"why":"gone"}', [['retry-after', '3']]) } },
	);
	assert.deepEqual(caught, [true, 'AxiosError', true, 'Request failed with status code 404', 'ERR_BAD_REQUEST', 404, 404, { why: 'gone' }, '3', '3', 404]);
});

test('every kind of refusal has its own shape', async () => {
	const source = `const seen = [];
		for (const m of ['getConnection', 'getCheckpoint', 'getEnvironmentVariables', 'releaseAllLocks'])
			try { await nango[m](); } catch (err) { seen.push([err.name, err.code ?? null, err.message, err.response?.data ?? null, err instanceof Error]); }
		return seen;`;
	const seen = await runner.value(source, {
		handlers: {
			connection_get: refusal({ kind: 'control', status: 404, code: 'unknown_connection', message: 'no such connection' }),
			checkpoint_get: refusal({ kind: 'plain', message: 'the store is away' }),
			env_vars: refusal({ kind: 'client', code: 'missing_api_url', message: 'no base URL' }),
			lock_release_all: refusal({ kind: 'network', code: 'ECONNRESET', message: 'socket hang up' }),
		},
	});
	assert.deepEqual(seen, [
		['AxiosError', 'ERR_BAD_REQUEST', 'Request failed with status code 404', { error: { code: 'unknown_connection', message: 'no such connection' } }, true],
		['Error', null, 'the store is away', null, true],
		['Error', 'missing_api_url', 'no base URL', null, true],
		['AxiosError', 'ECONNRESET', 'socket hang up', null, true],
	]);
});

test('thrown values become typed failures', async () => {
	const cases: [string, object][] = [
		[`throw new nango.ActionError({ a: [{}, {}] })`, { type: 'action_script_runtime_error', payload: { a: [{}, {}] }, status: 500 }],
		[`throw new nango.ActionError('text')`, { type: 'action_script_runtime_error', payload: { message: 'text' } }],
		[`throw new TypeError('bad')`, { type: 'script_internal_error', payload: { name: 'TypeError', message: 'bad' }, name: 'TypeError' }],
		[`throw 'words'`, { type: 'script_internal_error', payload: { message: 'words' } }],
		[`throw null`, { type: 'script_internal_error', payload: { message: 'null' } }],
		[`throw { code: 7 }`, { type: 'script_internal_error', payload: { message: '{"code":7}' } }],
		[`throw Symbol('s')`, { type: 'script_internal_error', payload: { message: 'Symbol(s)' } }],
		[`throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } })`, { type: 'script_internal_error', message: 'the function threw a value that cannot be read' }],
	];
	for (const [source, want] of cases) {
		const { head } = await runner.run(action(source), { kind: 'action' });
		assert.equal(head.ok, false);
		for (const [key, value] of Object.entries(want))
			assert.deepEqual(head.error[key], value, `${source}: ${key}`);
	}
});

test('uncaught request errors carry what the provider said', async () => {
	const source = action(`await nango.get({ endpoint: '/x' });`);
	const http = await runner.run(source, { kind: 'action', handlers: { proxy: status(422, '{"bad":1}', [['x-ratelimit-left', '0'], ['server', 'x']]) } });
	assert.equal(http.head.error.type, 'script_http_error');
	assert.equal(http.head.error.status, 424);
	assert.deepEqual(http.head.error.payload, { bad: 1 });
	assert.deepEqual(http.head.error.additional_properties.upstream_response, { status: 422, headers: { 'x-ratelimit-left': '0' }, body: { bad: 1 } });
	const network = await runner.run(source, { kind: 'action', handlers: { proxy: refusal({ kind: 'network', code: 'ECONNREFUSED', message: 'refused' }) } });
	assert.equal(network.head.error.type, 'script_network_error');
	assert.equal(network.head.error.payload.code, 'ECONNREFUSED');
});

test('stacks name the place in the bundle, after an await and on line 1 too', async () => {
	const lines = [`module.exports.default = { type: 'sync', exec: async (nango) => {`, `\tawait nango.log('x');`, `\tawait nango.get({ endpoint: '/' });`, '} };'];
	const { head } = await runner.run(lines.join('\n'), { handlers: { proxy: status(500, '') } }, 'crm/syncs/late');
	assert.match(head.error.stack, /^(exec)?@crm\/syncs\/late:3:\d+$/m);
	const first = `throw new Error('first')`;
	const top = await runner.run(first, {}, 'crm/syncs/top');
	const column = Number(/@crm\/syncs\/top:1:(\d+)/.exec(top.head.error.stack)?.[1]);
	assert.ok(column > 0 && column <= first.length, top.head.error.stack);
	assert.doesNotMatch(top.head.error.stack, /prelude/);
});

test('an unhandled rejection is logged, an exception in a timer fails the run', async () => {
	const { head, logs } = await runner.run(sync(`Promise.reject(new Error('lost')); await nango.log('on');`));
	assert.equal(head.ok, true);
	assert.ok(logs.some((l) => l.level === 'error' && /unhandled promise rejection: lost/.test(l.message)));
	const timer = await runner.run(sync(`setTimeout(() => { throw new Error('tick'); }, 1); await new Promise((r) => setTimeout(r, 1000));`));
	assert.equal(timer.head.error.message, 'tick');
});

test('a run that nothing can wake is ended with the reason', async () => {
	const { head } = await runner.run(sync('await new Promise(() => {});'));
	assert.match(head.error.message, /nothing can resolve/);
});

test('zodValidateInput logs each issue and throws an ActionError', async () => {
	const source = `${REQUIRES}module.exports.default = { type: 'action', exec: async (nango, input) => {
		const S = z.object({ a: z.object({ b: z.string() }) });
		return (await nango.zodValidateInput({ zodSchema: S, input })).data;
	} };`;
	const good = await runner.run(source, { kind: 'action', input: { a: { b: 'x', c: 1 } } });
	assert.equal(good.body.toString(), '{"a":{"b":"x"}}');
	const bad = await runner.run(source, { kind: 'action', input: { a: { b: 1 } } });
	assert.equal(bad.head.error.type, 'action_script_runtime_error');
	assert.match(bad.logs[0].message, /a\.b/);
});
