/* Three ways from page to page, and what stops them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Runner, sync } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner();
	await runner.started();
});
after(() => runner.close());

interface Reply {
	data: unknown;
	headers?: [string, string][];
}

/* Pages that a walk yields, and the requests it made. */
async function walk(config: string, replies: Reply[], extra: object = {}) {
	let at = 0;
	const handlers = {
		proxy: () => {
			const reply = replies[at++] as Reply;
			return { head: { status: 200, headers: reply.headers ?? [] }, body: JSON.stringify(reply.data) };
		},
	};
	const source = sync(`
		const pages = [], seen = [];
		const config = ${config};
		if (config.paginate) config.paginate.on_page = async ({ nextPageParam }) => { seen.push(nextPageParam ?? null); };
		for await (const page of nango.paginate(config)) pages.push(page ?? null);
		await nango.log(JSON.stringify({ pages, seen }));
	`);
	const { head, logs, calls } = await runner.run(source, { handlers, extra });
	assert.equal(head.ok, true, JSON.stringify(head.error));
	const warnings = logs.filter(({ level }) => level === 'warn').map(({ message }) => message);
	return { ...JSON.parse(logs.at(-1).message), warnings, requests: calls.map((c) => ({ ...c.head, body: c.body.toString() })) };
}

test('cursor in the query, until there is none', async () => {
	const { pages, seen, requests } = await walk(
		`{ endpoint: '/p', retries: 4, paginate: { type: 'cursor', cursor_path_in_response: 'paging.after', cursor_name_in_request: 'from', response_path: 'parcels', limit: 50, limit_name_in_request: 'size' } }`,
		[{ data: { parcels: [1], paging: { after: 'k9' } } }, { data: { parcels: [2] } }],
	);
	assert.deepEqual(pages, [[1], [2]]);
	assert.deepEqual(seen, ['k9', null]);
	assert.deepEqual(requests.map((r: any) => r.params), [[['size', '50']], [['size', '50'], ['from', 'k9']]]);
	assert.equal(requests[0].retries, 4);
});

test('a cursor that stays the same goes on while the pages differ, and ends when they repeat', async () => {
	const config = `{ endpoint: '/p', paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'rows' } }`;
	const page = (n: number) => ({ data: { rows: n ? [n] : [], next: 7 } });
	assert.deepEqual((await walk(config, [1, 2, 3, 0].map(page))).pages, [[1], [2], [3]]);
	assert.equal((await walk(config, [1, 1, 1, 1, 1].map(page))).pages.length, 3);
});

test('cursors and links that lead in a circle end, with a warning', async () => {
	const cursor = `{ endpoint: '/p', paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'rows' } }`;
	const circle = Array.from({ length: 30 }, (_, i) => ({ data: { rows: [i % 3], next: `c${i % 3}` } }));
	const walked = await walk(cursor, circle);
	assert.ok(walked.pages.length >= 3 && walked.pages.length <= 9, String(walked.pages.length));
	assert.match(walked.warnings[0], /paginate stopped at \/p: the cursor 'c\d' leads to the same page again/);
	const link = `{ endpoint: '/p', paginate: { type: 'link', link_path_in_response_body: 'next', response_path: 'rows' } }`;
	const links = Array.from({ length: 30 }, (_, i) => ({ data: { rows: [i % 2], next: `/p?page=${i % 2}` } }));
	assert.ok((await walk(link, links)).pages.length <= 3);
});

test('an offset that the provider ignores ends, with a warning', async () => {
	const config = `{ endpoint: '/p', paginate: { type: 'offset', offset_name_in_request: 'skip', response_path: 'rows' } }`;
	const same = Array.from({ length: 30 }, () => ({ data: { rows: [{ id: 1 }, { id: 2 }] } }));
	const { pages, requests, warnings } = await walk(config, same);
	assert.deepEqual([pages.length, requests.length], [2, 3]);
	assert.match(warnings[0], /the same page comes whatever 'skip' says/);
	// Equal ends alone prove nothing.
	const close = Array.from({ length: 6 }, (_, i) => ({ data: { rows: i < 5 ? [0, i, 9] : [] } }));
	assert.equal((await walk(config, close)).pages.length, 5);
});

test('cursor in the body, dotted names', async () => {
	const { requests } = await walk(
		`{ method: 'POST', endpoint: '/gql', data: { query: 'Q', 'variables.max': 20 }, paginate: { type: 'cursor', cursor_path_in_response: 'data.tok', cursor_name_in_request: 'variables.tok', response_path: 'data.cars' } }`,
		[{ data: { data: { tok: 'z', cars: [1] } } }, { data: { data: { cars: [] } } }],
	);
	assert.deepEqual(requests.map((r: any) => JSON.parse(r.body)), [
		{ query: 'Q', variables: { max: 20 } },
		{ query: 'Q', variables: { max: 20, tok: 'z' } },
	]);
	assert.equal(requests[0].headers['content-type'], 'application/json');
});

test('a cursor that is no place in a list makes an object of it', async () => {
	const { requests } = await walk(
		`{ method: 'POST', endpoint: '/p', data: { list: ['a'] }, paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'list.length', response_path: 'rows' } }`,
		[{ data: { rows: [1], next: 'x' } }, { data: { rows: [] } }],
	);
	assert.deepEqual(requests.map((r: any) => r.body), ['{"list":["a"]}', '{"list":{"0":"a","length":"x"}}']);
});

test('link from a long header, then from the body, empty page yielded', async () => {
	const long = `<https://x.test/first?${'p'.repeat(3000)}>; rel="first prev"; title="; rel=next", <https://api.x.test/v1/rows?page=2,3>; title="a,b"; rel=next`;
	const { pages, requests } = await walk(
		`{ endpoint: '/rows', params: { a: 1 }, paginate: { type: 'link', link_rel_in_response_header: 'next', link_path_in_response_body: '@odata.nextLink', response_path: 'rows' } }`,
		[
			{ data: { rows: [1] }, headers: [['Link', long]] },
			{ data: { rows: [], '@odata.nextLink': '/rows?page=4' } },
			{ data: {} },
		],
	);
	assert.deepEqual(pages, [[1], [], null]);
	assert.deepEqual(
		requests.map((r: any) => [r.baseUrlOverride ?? null, r.endpoint, r.params ?? null]),
		[[null, '/rows', [['a', '1']]], ['https://api.x.test', '/v1/rows?page=2,3', null], ['https://api.x.test', '/rows?page=4', null]],
	);
});

test('offset by page, stopped by a short page before on_page', async () => {
	const { pages, seen, requests } = await walk(
		`{ endpoint: '/rows', paginate: { type: 'offset', offset_name_in_request: 'p', offset_start_value: 1, offset_calculation_method: 'per-page', limit: 2, limit_name_in_request: 'n' } }`,
		[{ data: [1, 2] }, { data: [3] }],
	);
	assert.deepEqual(pages, [[1, 2], [3]]);
	assert.deepEqual(seen, [1]);
	assert.deepEqual(requests.map((r: any) => Object.fromEntries(r.params)), [{ n: '2', p: '1' }, { n: '2', p: '2' }]);
});

test('provider defaults, overridden field by field; missing and wrong rules are named', async () => {
	const paginate = { type: 'offset', offset_name_in_request: 'start', limit: 100, limit_name_in_request: 'max' };
	const { requests } = await walk(`{ endpoint: '/rows', paginate: { limit: 1 } }`, [{ data: [1] }, { data: [] }], { paginate });
	assert.deepEqual(requests.map((r: any) => Object.fromEntries(r.params)), [{ max: '1', start: '0' }, { max: '1', start: '1' }]);
	for (const [config, text] of [
		['{ endpoint: "/" }', /no pagination rules/],
		['{ endpoint: "/", paginate: { type: "magic" } }', /'magic' is unknown/],
		['{ endpoint: "/", paginate: { type: "offset", offset_name_in_request: "o", limit: 5 } }', /limit_name_in_request/],
		['{ endpoint: "/", paginate: { type: "cursor" } }', /cursor_name_in_request/],
	] as [string, RegExp][]) {
		const { head } = await runner.run(sync(`for await (const p of nango.paginate(${config})) ;`));
		assert.match(head.error.message, text);
	}
});
