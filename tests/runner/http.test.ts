/* What goes out and what comes back: the tables of function-runtime 2.3, 2.4 and 2.7. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { action, Runner } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner();
	await runner.started();
});
after(() => runner.close());

async function sent(config: string) {
	const { head, calls } = await runner.run(action(`await nango.proxy(${config}); return 1;`), {
		kind: 'action',
		handlers: { proxy: () => ({ head: { status: 200, headers: [] } }) },
	});
	assert.equal(head.ok, true, JSON.stringify(head.error));
	const call = calls[0] as { head: any; body: Buffer };
	return { body: call.body.toString(), type: call.head.headers['content-type'], head: call.head };
}

test('bodies by type of data and content type', async () => {
	const FORM = 'application/x-www-form-urlencoded';
	const cases: [string, string | undefined, string, string | undefined][] = [
		['{ a: 1, b: [null] }', undefined, '{"a":1,"b":[null]}', 'application/json'],
		['{ a: 1 }', 'application/vnd.api+json', '{"a":1}', 'application/vnd.api+json'],
		['{ k: ["a", "b"], o: { s: 1, n: null }, t: true, sp: "x y" }', FORM, 'k%5B%5D=a&k%5B%5D=b&o%5Bs%5D=1&t=true&sp=x+y', FORM],
		['{ l: [{ a: 1 }, { a: 2 }] }', FORM, 'l%5B0%5D%5Ba%5D=1&l%5B1%5D%5Ba%5D=2', FORM],
		['{ a: 1 }', 'text/plain', '{"a":1}', 'text/plain'],
		['"raw"', undefined, 'raw', FORM],
		['"{}"', 'application/json', '{}', 'application/json'],
		['"plain"', 'application/json', '"plain"', 'application/json'],
		['"<x/>"', 'text/xml', '<x/>', 'text/xml'],
		['new URLSearchParams({ a: "1 2" })', undefined, 'a=1+2', `${FORM};charset=utf-8`],
		['Buffer.from("hé")', 'text/plain', 'hé', 'text/plain'],
		['new Uint8Array([104, 105]).buffer', 'text/plain', 'hi', 'text/plain'],
		['5', 'application/json', '5', 'application/json'],
		['""', 'application/json', '', 'application/json'],
	];
	for (const [data, type, body, want] of cases) {
		const headers = type ? `headers: { 'Content-Type': '${type}' },` : '';
		const got = await sent(`{ method: 'POST', endpoint: '/', ${headers} data: ${data} }`);
		assert.deepEqual([got.body, got.type], [body, want], `${data} as ${type}`);
	}
	assert.equal((await sent(`{ endpoint: '/', data: { a: 1 } }`)).body, '');
	const { head } = await runner.run(action(`await nango.post({ endpoint: '/', data: 5 });`), { kind: 'action' });
	assert.match(head.error.message, /data is a number/);
});

test('multipart parts with a boundary', async () => {
	const got = await sent(`{ method: 'post', endpoint: '/', headers: { 'content-type': 'multipart/form-data' }, data: { n: 1, f: Buffer.from('bytes') } }`);
	const boundary = /boundary=(.+)$/.exec(got.type)?.[1] as string;
	const parts = got.body.split(`--${boundary}`);
	assert.equal(parts.length, 4);
	assert.match(parts[1] as string, /name="n"\r\n\r\n1\r\n$/);
	assert.match(parts[2] as string, /name="f"; filename=.*\r\n\r\nbytes\r\n$/s);
});

test('parameters, headers and options reach the server', async () => {
	const { head } = await sent(`{ endpoint: 'x', method: 'get', params: { a: [1, 2], b: null, c: undefined, d: {} }, retries: 3, retryOn: [404],
		headers: new Headers({ 'X-A': 'b' }), baseUrlOverride: 'https://o', providerConfigKey: 'other', retryHeader: { after: 'x-wait' } }`);
	assert.deepEqual(head.params, [['a', '1,2'], ['b', 'null'], ['d', '[object Object]']]);
	assert.deepEqual([head.method, head.headers['x-a'], head.retries, head.retryOn, head.retryHeader], ['GET', 'b', 3, [404], { after: 'x-wait' }]);
	assert.equal((await sent(`{ endpoint: 'x', params: 'a=1&b=2' }`)).head.params, 'a=1&b=2');
});

test('response data: JSON whatever the type, text, bytes', async () => {
	const get = (body: string | Buffer, options = '') =>
		runner.value(`const r = await nango.get({ endpoint: '/', ${options} }); return { d: r.data, b: Buffer.isBuffer(r.data), s: r.statusText };`, {
			handlers: { proxy: () => ({ head: { status: 200, statusText: 'Fine', headers: [] }, body }) },
		});
	assert.deepEqual(await get('{"a":"ü€😀"}'), { d: { a: 'ü€😀' }, b: false, s: 'Fine' });
	assert.deepEqual((await get('123')).d, 123);
	assert.deepEqual((await get('\uFEFF[1]')).d, [1]);
	assert.deepEqual((await get('{oops')).d, '{oops');
	assert.deepEqual((await get('')).d, '');
	assert.deepEqual((await get('{"a":1}', "responseType: 'text'")).d, '{"a":1}');
	assert.deepEqual(await get(Buffer.from([0, 255, 128]), "responseType: 'arraybuffer'"), { d: { type: 'Buffer', data: [0, 255, 128] }, b: true, s: 'Fine' });
	assert.deepEqual((await get(Buffer.from([0x61, 0xff, 0xe2, 0x82, 0x62]))).d, 'a\uFFFD\uFFFDb');
});

test('response headers in any case, repeats joined, cookies apart', async () => {
	const headers: [string, string][] = [['Link', 'a'], ['link', 'b'], ['Set-Cookie', 'x=1'], ['set-cookie', 'y=2'], ['constructor', 'z']];
	const got = await runner.value(
		`const { headers: h } = await nango.get({ endpoint: '/' });
		return [h.link, h.Link, h.get('LINK'), h['Set-Cookie'], h.get('nope'), 'LINK' in h, Object.keys(h), JSON.stringify(h), h.constructor];`,
		{ handlers: { proxy: () => ({ head: { status: 200, headers }, body: '' }) } },
	);
	assert.deepEqual(got, ['a, b', 'a, b', 'a, b', ['x=1', 'y=2'], null, true, ['link', 'set-cookie', 'constructor'],
		'{"link":"a, b","set-cookie":["x=1","y=2"],"constructor":"z"}', 'z']);
});

test('uncontrolledFetch gives a response for any status, and its own errors', async () => {
	const got = await runner.value(
		`const r = await nango.uncontrolledFetch({ url: new URL('https://x.test/a'), method: 'post', body: 'b', headers: { A: 'b' } });
		const out = [r.ok, r.status, r.headers.get('X-Y'), await r.json()];
		try { await r.text(); } catch (e) { out.push(e.name); }
		return out;`,
		{ handlers: { uncontrolled_fetch: () => ({ head: { status: 418, headers: [['x-y', 'z']] }, body: '{"a":1}' }) } },
	);
	assert.deepEqual(got, [false, 418, 'z', { a: 1 }, 'TypeError']);
	const refused = await runner.run(action(`await nango.uncontrolledFetch({ url: new URL('http://10.0.0.1') });`), {
		kind: 'action',
		handlers: { uncontrolled_fetch: () => ({ head: { ok: false, error: { kind: 'client', code: 'url_not_allowed', message: 'no' } } }) },
	});
	assert.deepEqual(refused.head.error.payload, { code: 'url_not_allowed', message: 'no' });
});
