/* A bad function harms only itself: it is ended with a clear reason and its neighbours go on. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { action, Runner, sync } from './parent.ts';

/* Under ASan what a dead realm leaves behind stays resident for a while. */
const ASAN = Boolean(process.env.ASAN_OPTIONS);
const MEMORY = (ASAN ? 1200 : 300) << 20;

let runner: Runner;
let neighbours: Promise<{ head: any }>[];
let release: () => void;

/* Five runs that wait in the same realm while another misbehaves. */
async function launch(entry_ms: number): Promise<void> {
	runner = new Runner({ memory_limit: MEMORY, entry_ms });
	await runner.started();
	const gate = new Promise<void>((resolve) => (release = resolve));
	const wait = async () => {
		await gate;
		return { head: { status: 200, headers: [] } };
	};
	const source = sync(`await nango.get({ endpoint: '/' }); await nango.get({ endpoint: '/' });`);
	neighbours = Array.from({ length: 5 }, () => runner.run(source, { handlers: { proxy: wait } }));
	await runner.value('return 1');
}

async function quit(): Promise<void> {
	release();
	await Promise.allSettled(neighbours);
	await runner.close();
}

beforeEach(() => launch(ASAN ? 4000 : 1000));
afterEach(quit);

async function neighboursFinish(): Promise<void> {
	release();
	for (const { head } of await Promise.all(neighbours))
		assert.equal(head.ok, true, JSON.stringify(head.error));
	assert.equal(await runner.value('return 2'), 2);
}

const LOOPS = {
	'at once': 'for (;;) ;',
	'after an await': 'await nango.log("x"); for (;;) ;',
	'in try and finally': 'for (;;) try { for (;;) ; } catch {} finally { continue; }',
	'in a microtask': 'await Promise.resolve().then(() => { for (;;) ; });',
	'in a getter of what is thrown': 'throw { get message() { for (;;) ; } };',
	'in toJSON of what is saved': 'await nango.batchSave([{ id: 1, toJSON() { for (;;) ; } }], "A");',
	'in a sort': 'for (;;) [...Array(1e5).keys()].sort(() => Math.random() - 0.5);',
};

test('endless loops are ended as such, wherever they are', async () => {
	for (const [where, source] of Object.entries(LOOPS)) {
		const { head } = await runner.run(sync(source));
		assert.equal(head.error?.type, 'execution_timeout', where);
		assert.match(head.error.message, /endless loop/);
	}
	await neighboursFinish();
});

test('a deadline ends a run that computes and one that waits', async () => {
	const started = Date.now();
	const computing = await runner.run(sync('for (;;) ;'), { deadline_ms: 200 });
	const waiting = await runner.run(sync('await new Promise((r) => setTimeout(r, 60000));'), { deadline_ms: 200 });
	for (const { head } of [computing, waiting]) {
		assert.equal(head.error.type, 'execution_timeout');
		assert.match(head.error.message, /longer than its limit/);
	}
	assert.ok(Date.now() - started < 3000);
	await neighboursFinish();
});

test('an abort ends a run that waits, and one that computes', async () => {
	const waiting = runner.start(sync('try { await nango.getCheckpoint(); } finally { await nango.log("never"); }'), { handlers: { checkpoint_get: () => undefined } });
	await runner.ping();
	runner.abort(waiting.id);
	const first = await waiting.result;
	assert.equal(first.head.error.type, 'script_aborted');
	assert.deepEqual(first.logs, []);
	const computing = runner.start(sync('for (;;) ;'));
	setTimeout(() => runner.abort(computing.id), 100);
	assert.equal((await computing.result).head.error.type, 'script_aborted');
	await neighboursFinish();
});

const BOMBS = {
	objects: 'const a = []; for (;;) a.push({ x: a.length });',
	strings: 'const a = []; for (let i = 0; ; i++) a.push("x".repeat(1000) + i);',
	bytes: 'const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1));',
	maps: 'const m = new Map(); for (let i = 0; ; i++) m.set(i, [i]);',
	'logs without waiting': 'for (;;) nango.log("x".repeat(9000));',
	'one string': 'let s = "x"; for (;;) s += s;',
	'requests without waiting': 'for (;;) nango.get({ endpoint: "/" }).catch(() => {});',
};

test('memory bombs are ended while the process lives', async () => {
	// Time enough to fill the memory of a busy machine.
	await quit();
	await launch(3000);
	for (const [kind, source] of Object.entries(BOMBS)) {
		const { head } = await runner.run(sync(source), { handlers: { proxy: () => undefined } });
		assert.equal(head.ok, false, kind);
		if (['objects', 'bytes', 'strings', 'maps'].includes(kind)) {
			assert.equal(head.error.type, 'function_runtime_out_of_memory', `${kind}: ${head.error.message}`);
			assert.match(head.error.message, /batchSave/);
		}
	}
	await neighboursFinish();
});

test('memory that a waiting run has gathered is its own doing', async () => {
	const source = sync(`const all = []; for (let i = 0; ; i++) { await nango.getCheckpoint(); for (let k = 0; k < 20000; k++) all.push({ k, i }); }`);
	const { head } = await runner.run(source);
	assert.equal(head.error.type, 'function_runtime_out_of_memory');
	await neighboursFinish();
});

test('deep recursion and deep data are errors like any other', async () => {
	assert.equal(await runner.value('const f = () => 1 + f(); try { f(); } catch (e) { return e.name; }'), 'RangeError');
	assert.match(await runner.value('try { JSON.parse("[".repeat(1e6)); } catch (e) { return e.name; }'), /RangeError|SyntaxError/);
	const nested = 'let o = {}; for (let i = 0; i < 1e5; i++) o = { o };';
	const { head, logs } = await runner.run(sync(`${nested} await nango.log("x", o); throw o;`));
	assert.equal(head.error.type, 'script_internal_error');
	assert.match(JSON.stringify(logs), /\[\.\.\.\]/);
	await neighboursFinish();
});

test('code that goes on after its run is over is refused', async () => {
	const source = action(`
		setTimeout(() => nango.log('timer'), 1);
		(async () => { await nango.getCheckpoint(); await nango.log('late'); })().catch(() => {});
		return 1;`);
	const { logs } = await runner.run(source, { kind: 'action', handlers: { checkpoint_get: () => new Promise((r) => setTimeout(() => r({}), 20)) } });
	await new Promise((r) => setTimeout(r, 60));
	assert.deepEqual(logs, []);
	await neighboursFinish();
});

test('endless microtasks: no answer to a ping, and the shared page names the run', async () => {
	const { id, result } = runner.start(sync('const f = () => Promise.resolve().then(f); await f();'));
	result.catch(() => undefined);
	let answered = false;
	void runner.ping().then(() => (answered = true));
	await new Promise((r) => setTimeout(r, 1500));
	assert.equal(runner.executing(), id);
	const pings = Promise.race([runner.ping().then(() => 'pong'), new Promise((r) => setTimeout(r, 500, 'silent'))]);
	assert.equal(await pings, 'silent', `first ping answered: ${answered}`);
	runner.child.kill('SIGKILL');
	await runner.ended;
	assert.equal(runner.executing(), id);
});

test('a busy run does not keep the runner from answering a ping', async () => {
	const { result } = runner.start(sync('const end = Date.now() + 600; while (Date.now() < end) ;'));
	const started = Date.now();
	await runner.ping();
	assert.ok(Date.now() - started < 400, `${Date.now() - started} ms`);
	assert.equal((await result).head.ok, true);
	assert.equal(runner.executing(), 0);
});

test('what a terminated run left to do does not execute as a neighbour', async () => {
	const { head } = await runner.run(sync('for (let i = 0; i < 5e4; i++) Promise.resolve().then(() => { for (let k = 0; k < 1e4; k++) ; }); for (;;) ;'));
	assert.match(head.error.message, /endless loop/);
	release();
	for (const other of await Promise.all(neighbours))
		assert.ok(other.head.cpu_us < 200_000, `${other.head.cpu_us} us`);
});

test('timers that set themselves anew leave time for others', async () => {
	const { id, result } = runner.start(sync('await new Promise(() => { const f = () => setImmediate(f); f(); });'));
	await neighboursFinish();
	await runner.ping();
	runner.abort(id);
	assert.equal((await result).head.error.type, 'script_aborted');
});
