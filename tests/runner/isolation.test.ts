/* Nothing that one run does may be seen by another run of its realm. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { REQUIRES, Runner } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner();
	await runner.started();
});
after(() => runner.close());

test('module variables and globals are new in every run', async () => {
	const source = `${REQUIRES}let count = 0; const seen = globalThis.mark ?? self.mark;
		module.exports.default = { type: 'action', exec: async () => {
			globalThis.mark = 1; count++;
			let bare = 'refused'; try { undeclared = 1; bare = 'allowed'; } catch {}
			return [count, seen ?? null, bare, typeof window, typeof process, globalThis.mark, typeof globalThis.Buffer, this === undefined];
		} };`;
	for (let i = 0; i < 3; i++) {
		const { body } = await runner.run(source, { kind: 'action' });
		assert.deepEqual(JSON.parse(body.toString()), [1, null, 'refused', 'undefined', 'undefined', 1, 'function', true]);
	}
});

const ATTACKS = {
	'a property of Object.prototype': 'Object.prototype.x = 1',
	'Array.prototype.push': 'Array.prototype.push = () => 7',
	'Promise.prototype.then': 'Promise.prototype.then = null',
	'a proto': '({}).__proto__.x = 1',
	'Reflect.set': 'if (!Reflect.set(Object.prototype, "x", 1)) throw 1',
	'setPrototypeOf': 'Object.setPrototypeOf(Array.prototype, {})',
	'the iterator of arrays': 'Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true })',
	'a global': 'Object.getPrototypeOf(globalThis).Buffer = 1',
	'zod': 'z.string = 1',
	'a class of zod': 'z.ZodString.prototype.x = 1',
	'the registry of zod': 'z.globalRegistry.add(z, { x: 1 })',
	'clearing the registry': 'z.globalRegistry.clear()',
	'the configuration of zod': 'z.config({ localeError: () => "x" })',
	'a regexp of zod': 'z.regexes.email.compile("x")',
	'a frozen regexp': 'z.regexes.email.lastIndex = 5',
	'captureStackTrace': 'Error.captureStackTrace(Object.prototype)',
	'Function': 'Function("return 1")()',
	'eval': '(0, eval)("1")',
	'a function constructor': '(async () => {}).constructor("return 1")()',
	'a generator constructor': '(function* () {}).constructor("yield 1")()',
	'WebAssembly': 'new WebAssembly.Module(new Uint8Array(8))',
	'WeakRef': 'new WeakRef({})',
	'dynamic import': 'await import("fs")',
	'ActionError': 'nango.ActionError.prototype.x = 1',
	'the page walk': 'Object.getPrototypeOf(Object.getPrototypeOf(nango.paginate({ endpoint: "/", paginate: {} }))).x = 1',
	'Math.random': 'Math.random = () => 4',
	'the prelude': '__host.done(1)',
};

test('what runs share refuses to change', async () => {
	for (const [name, attack] of Object.entries(ATTACKS)) {
		const got = await runner.value(`try { ${attack}; } catch (err) { return 'refused'; } return 'done';`);
		assert.equal(got, 'refused', name);
	}
	for (const name of ['$1', 'input', 'lastMatch'])
		assert.equal(await runner.value(`/(a)/.test('a'); return RegExp['${name}'] ?? null`), null);
});

/*
 * The general form of the attacks: walk everything that code can get hold of, from many samples, and
 * leave a mark on whatever takes one. Marks that a second run finds are on something shared.
 */
const WALK = `${REQUIRES}
const samples = async (nango) => [
	globalThis, nango, require, module, console, setTimeout, z, crypto, require('url'), require('nango'),
	await require('unzipper').Open.buffer(Buffer.from('UEsDBBQAAAAIADWkfF35775xAwAAAAEAAAABAAAAYUsCAFBLAQIUAxQAAAAIADWkfF35775xAwAAAAEAAAABAAAAAAAAAAAAAACAAQAAAABhUEsFBgAAAAABAAEALwAAACIAAAAAAA==', 'base64')),
	nango.paginate({ endpoint: '/', paginate: {} }), nango.listRecords?.('A'), new nango.ActionError(1),
	await nango.get({ endpoint: '/' }), await nango.get({ endpoint: '/bad' }).catch((e) => e),
	await nango.uncontrolledFetch({ url: new URL('http://x') }), await nango.getConnection(),
	await nango.getCheckpoint().catch((e) => e), await nango.getEnvironmentVariables().catch((e) => e),
	nango.setLogger({}), nango.zodValidateInput, nango.log('x'), nango.getIntegration().catch((e) => e),
	z.string(), z.string().safeParse(1).error, z.string().email(), z.object({ a: z.string().optional() }), z.enum(['a']),
	z.union([z.string(), z.number()]), z.iso.datetime(), z.coerce.number(), z.array(z.date()), z.record(z.string(), z.any()),
	z.lazy(() => z.string()), z.string().transform((x) => x), z.toJSONSchema(z.object({ a: z.string().describe('d') })),
	z.discriminatedUnion('t', [z.object({ t: z.literal('a') })]), z.templateLiteral(['a', z.string()]), z.map(z.string(), z.any()),
	crypto.createHash('md5'), crypto.createHmac('sha1', 'k'), crypto.randomBytes(1), Buffer.from('a'), Buffer.from('a').entries(),
	new URL('http://a/?b=1'), new URL('http://a/?b=1').searchParams.entries(), new Headers({ a: 'b' }).entries(),
	new Headers(), new AbortController(), AbortSignal.abort(), new TextEncoder(), new TextDecoder(), structuredClone({}),
	[].values(), new Map().entries(), new Set().values(), ''.matchAll(/a/g), ''[Symbol.iterator](), [].values().map((x) => x),
	Iterator.from({ next() {} }), function* () {}, async function* () {}, (async function* () {})(), (function* () {})(), async () => {},
	new Intl.Segmenter('en').segment('a')[Symbol.iterator](), new Intl.NumberFormat('en'), new Proxy({}, {}), (() => { try { null.x } catch (e) { return e } })(),
	(() => { try { atob('!') } catch (e) { return e } })(), (function () { return arguments; })(), Symbol('a'), 1n, Promise.resolve(), new Error('x', { cause: 1 }),
	new (class extends Error {})(), new Date(), /a/g, new Uint8Array(0), new DataView(new ArrayBuffer(1)), new WeakMap(), JSON, Reflect, Math, Intl,
];
module.exports.default = { type: 'sync', models: {}, exec: async (nango) => {
	const key = 'mark of ' + nango.syncId, other = 'mark of first', seen = new Set(), found = [];
	let marked = 0;
	const todo = (await samples(nango)).map((value, i) => [value, 'sample' + i]);
	while (todo.length) {
		const [at, path] = todo.pop();
		if ((typeof at !== 'object' && typeof at !== 'function') || at === null || seen.has(at)) continue;
		seen.add(at);
		try { if (Object.hasOwn(at, other) && other !== key) found.push(path); } catch {}
		try { Object.defineProperty(at, key, { value: 1, configurable: true }); marked++; } catch {}
		// Freezing does not reach what these hold inside.
		try { if (at instanceof Map) { if (other !== key && at.has(other)) found.push(path); at.set(key, 1); } } catch {}
		try { if (at instanceof Set) { if (other !== key && at.has(other)) found.push(path); at.add(key); } } catch {}
		try { if (at instanceof WeakMap) { if (other !== key && at.has(Object.prototype)) found.push(path); if (other === key) at.set(Object.prototype, 1); } } catch {}
		try { if (at instanceof Date) { if (other !== key && at.getTime() === 77) found.push(path); if (other === key) at.setTime(77); } } catch {}
		try { todo.push([Object.getPrototypeOf(at), path + '.proto']); } catch {}
		let keys = []; try { keys = Reflect.ownKeys(at); } catch {}
		for (const k of keys) {
			let d; try { d = Object.getOwnPropertyDescriptor(at, k); } catch {}
			if (d) todo.push([d.value, path + '.' + String(k)], [d.get, path + '.get ' + String(k)], [d.set, path + '.set ' + String(k)]);
			try { todo.push([at[k], path + '.' + String(k)]); } catch {}
		}
	}
	await nango.log(JSON.stringify({ seen: seen.size, marked, found }));
} };`;

test('no object that a run can reach takes a mark that the next run finds', async () => {
	const handlers = {
		proxy: (head: any) => ({ head: { status: head.endpoint === '/bad' ? 500 : 200, headers: [['a', 'b']] as [string, string][] }, body: '{"a":[1]}' }),
		uncontrolled_fetch: () => ({ head: { status: 200, headers: [] } }),
		connection_get: () => ({ body: '{"credentials":{}}' }),
		checkpoint_get: () => ({ head: { ok: false, error: { kind: 'run', code: 'script_aborted' } } }),
		env_vars: () => ({ head: { ok: false, error: { kind: 'network', code: 'ECONNRESET', message: 'x' } } }),
		integration_get: () => ({ head: { ok: false, error: { kind: 'control', status: 404, code: 'x', message: 'x' } } }),
	};
	const marks = [];
	for (const syncId of ['first', 'second']) {
		const { head, logs } = await runner.run(WALK, { handlers, env: 77, props: { syncId } });
		assert.equal(head.ok, true, JSON.stringify(head.error));
		const last = logs.map((l) => l.message).filter((m) => m.startsWith('{"seen"')).map((m) => JSON.parse(m));
		marks.push(last[0]);
	}
	assert.ok(marks[0].seen > 2500, `only ${marks[0].seen} objects`);
	assert.ok(marks[0].marked > 200, `only ${marks[0].marked} marks`);
	assert.deepEqual(marks[1].found, []);
});

test('ordinary code is not hindered by frozen prototypes', async () => {
	const got = await runner.value(`
		class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; this.toString = () => 'own'; } }
		const o = {}; o.toString = () => 'o'; o.constructor = 1; o.hasOwnProperty = 2;
		const f = () => 1; f.toString = () => 'f';
		const a = []; a.push(1); a.toString = () => 'a';
		const e = new TypeError('x'); e.message = 'y';
		const s = z.object({ id: z.string(), n: z.number().int().min(1), e: z.email() }).strict();
		return [String(new Mine('m')), String(o), String(f), String(a), e.message, s.safeParse({ id: 'x', n: 1, e: 'a@b.co' }).success,
			s.safeParse({ id: 'x', n: 0, e: 'a' }).error.issues.length, [1, 2].map((x) => x + 1), new Mine('q') instanceof Mine, z.date().safeParse(new Date()).success];
	`);
	assert.deepEqual(got, ['own', 'o', 'f', 'a', 'y', true, 2, [2, 3], true, true]);
});

test('isolation: context may change its world, for itself alone', async () => {
	const change = 'const had = Array.prototype.mine ?? null; Array.prototype.mine = 1; return [had, [].mine];';
	for (let i = 0; i < 2; i++)
		assert.deepEqual(await runner.value(change, { isolation: 'context' }), [null, 1]);
	assert.equal(await runner.value('return [].mine ?? null'), null);
});

test('environments have realms of their own', async () => {
	assert.deepEqual(await Promise.all([1, 2, 3].map((env) => runner.value(`return nango.environmentId`, { env }))), [1, 2, 3]);
});
