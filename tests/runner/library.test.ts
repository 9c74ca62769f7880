/* The library beside the nango object: Buffer, URL, crypto, timers and the rest. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Runner } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner();
	await runner.started();
});
after(() => runner.close());

/* The same expressions, evaluated here and there. */
const SAME = [
	`Buffer.from('hé😀').toString('base64')`, `Buffer.from('aMOp', 'base64').toString()`, `Buffer.from('ff00', 'hex').toString('hex')`,
	`Buffer.concat([Buffer.from('a'), Buffer.alloc(2)]).length`, `Buffer.byteLength('é')`, `Buffer.isBuffer(Buffer.from([1]).subarray(0, 1))`,
	`JSON.stringify(Buffer.from('ab'))`, `Buffer.from('héllo').toString('latin1')`, `Buffer.from('abc').toString('utf8', 1, 2)`,
	`new URL('../c?x=1#h', 'https://u:p@Example.com:443/a/b').href`, `new URL('http://[::1]:80/ä').href`,
	`new URLSearchParams({ a: '1 2', b: 'ü' }).toString()`, `[...new URLSearchParams('a=1&a=2').getAll('a')].join()`,
	`btoa('hi')`, `atob('aGk=')`, `new TextDecoder().decode(new TextEncoder().encode('ä€😀'))`,
	`new TextDecoder('utf-8').decode(new Uint8Array([0xEF, 0xBB, 0xBF, 0x61, 0xC3, 0x28, 0xF0, 0x9F]))`,
	`JSON.stringify(structuredClone({ a: [1, { b: new Date(5) }], m: [...new Map([[1, 2]])] }))`,
	`[...new Headers({ B: '1', a: '2' })].join()`, `new Intl.NumberFormat('de').format(1234.5)`, `'ä'.localeCompare('z', 'de')`,
	`new Date(0).toLocaleDateString('en-US', { timeZone: 'America/New_York' })`, `new Date('2024-05-01T00:00:00').toISOString()`,
	`escape('ü') + unescape('%FC')`, `'a-b'.replaceAll('-', '+')`, `Object.groupBy([1, 2], (x) => x % 2 ? 'o' : 'e').o.length`,
	`String.fromCharCode(0xD83D) + '|' + encodeURIComponent('€')`, `[..."a\\u{1F600}"].length`,
];

test('expressions mean the same as in Node', async () => {
	const list = SAME.map((e) => `(() => { try { return ${e}; } catch (err) { return String(err); } })()`);
	const got = await runner.value(`return [${list.join(',\n')}];`);
	for (const [i, expression] of SAME.entries())
		// biome-ignore lint: this is a test's own text
		assert.deepEqual(got[i], JSON.parse(JSON.stringify(new Function(`process.env.TZ = 'UTC'; return ${expression}`)())), expression);
});

test('crypto agrees with OpenSSL and says what is missing', async () => {
	const got = await runner.value(`return [
		['md5', 'sha1', 'sha256', 'sha512'].map((a) => crypto.createHash(a).update('a').update(Buffer.from('b')).digest('hex')),
		crypto.createHmac('sha256', Buffer.from('k')).update('d').digest('base64'), crypto.randomBytes(8).length,
		/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
		(() => { try { crypto.createHash('nope'); } catch (e) { return e.message; } })(),
		(() => { try { crypto.createSign('x'); } catch (e) { return e.message; } })(),
		Math.random() !== Math.random(), require('crypto') === require('node:crypto'),
	];`);
	assert.deepEqual(got[0], ['md5', 'sha1', 'sha256', 'sha512'].map((a) => createHash(a).update('ab').digest('hex')));
	assert.equal(got[1], createHmac('sha256', 'k').update('d').digest('base64'));
	assert.deepEqual(got.slice(2, 5), [8, true, 'Digest method not supported']);
	assert.match(got[5], /createSign is not available/);
	assert.deepEqual(got.slice(6), [true, true]);
});

test('timers fire in order, repeat, and can be stopped', async () => {
	const got = await runner.value(`
		const seen = [];
		const never = setTimeout(() => seen.push('never'), 1);
		clearTimeout(never);
		setTimeout((x) => seen.push(x), 20, 'late');
		setTimeout(() => seen.push('soon'), 5);
		setImmediate(() => seen.push('now'));
		queueMicrotask(() => seen.push('micro'));
		let n = 0;
		await new Promise((done) => { const id = setInterval(() => { seen.push('tick'); if (++n === 2) { clearInterval(id); done(); } }, 30); });
		return seen;`);
	assert.deepEqual(got, ['micro', 'now', 'soon', 'late', 'tick', 'tick']);
});

test('abort signals', async () => {
	const got = await runner.value(`
		const c = new AbortController(); const seen = [];
		c.signal.addEventListener('abort', (e) => seen.push(e.type)); c.abort(); c.abort();
		try { c.signal.throwIfAborted(); } catch (e) { seen.push(e.name); }
		return [...seen, c.signal.aborted];`);
	assert.deepEqual(got, ['abort', 'AbortError', true]);
});

test('the process has no environment, no files, no network to offer', async () => {
	const { readFileSync } = await import('node:fs');
	const status = readFileSync(`/proc/${runner.child.pid}/status`, 'utf8');
	assert.match(status, /^Seccomp:\s*2$/m);
	assert.match(status, /^NoNewPrivs:\s*1$/m);
	const limits = readFileSync(`/proc/${runner.child.pid}/limits`, 'utf8');
	assert.match(limits, /^Max core file size\s+0\s+0/m);
	assert.match(limits, /^Max file size\s+0\s+0/m);
	assert.equal(readFileSync(`/proc/${runner.child.pid}/oom_score_adj`, 'utf8').trim(), '800');
});
