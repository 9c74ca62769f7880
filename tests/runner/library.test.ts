/* The library beside the nango object: Buffer, URL, crypto, timers and the rest. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
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
	`encodeURIComponent('€')`, `[..."a\\u{1F600}"].length`,
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

/* A zip archive of one deflated and one stored file, with a comment at its end. */
function zip(files: { name: string; data: Buffer; stored?: boolean; claim?: number }[]): Buffer {
	const parts: Buffer[] = [];
	const directory: Buffer[] = [];
	let at = 0;
	for (const { name, data, stored, claim } of files) {
		const packed = stored ? data : deflateRawSync(data);
		const fields = Buffer.alloc(26);
		fields.writeUInt16LE(20, 0);
		fields.writeUInt16LE(stored ? 0 : 8, 4);
		fields.writeUInt32LE(packed.length, 14);
		fields.writeUInt32LE(claim ?? data.length, 18);
		fields.writeUInt16LE(Buffer.byteLength(name), 22);
		const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
		const tail = Buffer.alloc(14);
		tail.writeUInt32LE(at, 10);
		directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), fields, tail, Buffer.from(name)]));
		parts.push(local);
		at += local.length;
	}
	const list = Buffer.concat(directory);
	const end = Buffer.alloc(18);
	end.writeUInt16LE(files.length, 6);
	end.writeUInt32LE(list.length, 8);
	end.writeUInt32LE(at, 12);
	end.writeUInt16LE(7, 16);
	return Buffer.concat([...parts, list, Buffer.from('PK\x05\x06'), end, Buffer.from('comment')]);
}

test('unzipper opens archives, and refuses damaged ones', async () => {
	const text = 'hé'.repeat(1000);
	const good = zip([{ name: 'a/', data: Buffer.alloc(0), stored: true }, { name: 'a/b.txt', data: Buffer.from(text) }, { name: 'c', data: Buffer.from('plain'), stored: true }]);
	const liar = zip([{ name: 'x', data: Buffer.alloc(5000), claim: 10 }]);
	const got = await runner.value(`
		const unzipper = require('unzipper');
		const { files } = await unzipper.Open.buffer(Buffer.from('${good.toString('base64')}', 'base64'));
		const why = async (f) => { try { await f(); } catch (e) { return e.message; } };
		const cut = Buffer.from('${good.toString('base64')}', 'base64').subarray(60);
		const liar = await unzipper.Open.buffer(Buffer.from('${liar.toString('base64')}', 'base64'));
		return [files.map((f) => [f.path, f.type]), (await files[1].buffer()).toString(), (await files[2].buffer()).toString(),
			await why(() => unzipper.Open.buffer(Buffer.from('not a zip file, but long enough to be one'))),
			await why(() => unzipper.Open.buffer(cut)), await why(() => liar.files[0].buffer())];`);
	assert.deepEqual(got.slice(0, 3), [[['a/', 'Directory'], ['a/b.txt', 'File'], ['c', 'File']], text, 'plain']);
	assert.match(got[3], /no zip file/);
	assert.match(got[4], /damaged/);
	assert.match(got[5], /damaged/);
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
