/*
 * nango.paginate (spec function-runtime 3): pages by cursor, link or offset. Lazy: the next request
 * starts when the consumer asks, and on_page runs after the consumer's loop body.
 */
import type { Http, ProxyConfig } from './http.ts';
import { nextLink } from './link.ts';
import type { RunLog } from './log.ts';
import { expandDots, getPath, withPath } from './path.ts';
import { Neighbours, Places } from './repeats.ts';
import type { Response } from './response.ts';
import { share } from './shared.ts';

type Rules = Record<string, any>;
type Page = any;

const BODY_METHODS = ['POST', 'PUT', 'PATCH'];

/* The state of one walk: the request as the caller gave it, plus paging values. */
class Walk {
	readonly rules: Rules;
	private readonly inBody: boolean;
	private config: ProxyConfig;
	private readonly http: Http;
	private readonly log: RunLog;

	constructor(http: Http, log: RunLog, config: ProxyConfig, rules: Rules) {
		const method = String(config.method ?? 'GET').toUpperCase();
		this.http = http;
		this.log = log;
		this.rules = rules;
		this.inBody = config.paginate?.in_body ?? BODY_METHODS.includes(method);
		this.config = { ...config, method };
		if (this.inBody)
			this.config.data = expandDots(config.data ?? {});
		else if (typeof config.params === 'string')
			throw new Error('paginate needs params as an object, not as text');
		else
			this.config.params = { ...config.params };
		if (rules.limit)
			this.set(rules.limit_name_in_request, rules.limit);
	}

	/* Writes a paging value where this walk keeps them. */
	set(name: string, value: unknown): void {
		if (this.inBody)
			this.config.data = withPath(this.config.data, name, value);
		else
			this.config.params = { ...this.config.params, [name]: value };
	}

	setOffset(name: string, offset: number): void {
		this.set(name, this.inBody ? offset : String(offset));
	}

	follow(link: string): void {
		const { params: _, ...rest } = this.config;
		const url = /^https?:\/\//i.test(link) ? new URL(link) : null;
		this.config = url
			? { ...rest, baseUrlOverride: url.origin, endpoint: url.pathname + url.search }
			: { ...rest, endpoint: link, isLink: true };
	}

	send(): Promise<Response> {
		return this.http(this.config);
	}

	page(response: Response): Page {
		const path = this.rules.response_path;
		return path ? getPath(response.data, path) : response.data;
	}

	/* Ended by us: a provider that pages without end would otherwise cost a whole day. */
	stopped(why: string): void {
		this.log.write('warn', `paginate stopped at ${this.config.endpoint}: ${why}`);
	}

	async onPage(nextPageParam: unknown, response: Response): Promise<void> {
		await this.rules.on_page?.({ nextPageParam, response });
	}
}

function cursorIn(value: unknown): string | number | undefined {
	if (typeof value === 'number')
		return value;
	const text = typeof value === 'string' ? value.trim() : '';
	return text === '' ? undefined : text;
}

async function* byCursor(walk: Walk): AsyncGenerator<Page> {
	const { cursor_name_in_request: name, cursor_path_in_response: path } = walk.rules;
	const places = new Places();
	for (;;) {
		const response = await walk.send();
		const page = walk.page(response);
		if (!page?.length)
			return;
		const next = cursorIn(getPath(response.data, path));
		/* Looked at before the consumer, who may change the page. */
		const loops = next !== undefined && places.loops(next, page);
		yield page;
		await walk.onPage(next, response);
		if (next === undefined)
			return;
		if (loops)
			return walk.stopped(`the cursor '${next}' leads to the same page again`);
		walk.set(name, next);
	}
}

async function* byLink(walk: Walk): AsyncGenerator<Page> {
	const places = new Places();
	let last: string | undefined;
	for (;;) {
		const response = await walk.send();
		yield walk.page(response);
		const next = nextLink(walk.rules, response);
		await walk.onPage(next, response);
		if (!next || next === last)
			return;
		if (places.add(next))
			return walk.stopped('the link to the next page leads back to one that was read');
		last = next;
		walk.follow(next);
	}
}

async function* byOffset(walk: Walk): AsyncGenerator<Page> {
	const { offset_name_in_request: name, limit, offset_calculation_method: how } = walk.rules;
	const neighbours = new Neighbours();
	let offset = Number(walk.rules.offset_start_value ?? 0);
	for (;;) {
		walk.setOffset(name, offset);
		const response = await walk.send();
		const page = walk.page(response);
		if (!page?.length)
			return;
		if (neighbours.repeats(page))
			return walk.stopped(`the same page comes whatever '${name}' says: is that its name?`);
		yield page;
		if (limit && page.length < limit)
			return;
		await walk.onPage(offset, response);
		offset += how === 'per-page' ? 1 : page.length;
	}
}

const WALKS: Record<string, (walk: Walk) => AsyncGenerator<Page>> = {
	cursor: byCursor,
	link: byLink,
	offset: byOffset,
};

function requireRules(rules: Rules, names: string[]): void {
	for (const name of names)
		if (!rules[name])
			throw new Error(`paginate of type ${rules.type} needs ${name}`);
}

function checkRules(rules: Rules): void {
	if (!Object.hasOwn(WALKS, String(rules.type)))
		throw new Error(`paginate type '${rules.type}' is unknown: use cursor, link or offset`);
	if (rules.limit && !rules.limit_name_in_request)
		throw new Error('paginate with a limit needs limit_name_in_request');
	if (rules.type === 'cursor')
		requireRules(rules, ['cursor_name_in_request', 'cursor_path_in_response']);
	if (rules.type === 'offset')
		requireRules(rules, ['offset_name_in_request']);
	if (rules.type === 'link' && !rules.link_rel_in_response_header && !rules.link_path_in_response_body)
		throw new Error(
			'paginate of type link needs link_rel_in_response_header or link_path_in_response_body',
		);
}

export async function* paginate(
	http: Http,
	log: RunLog,
	defaults: Rules | null | undefined,
	config: ProxyConfig,
): AsyncGenerator<Page> {
	if (!defaults && !config?.paginate)
		throw new Error('there are no pagination rules: the provider has none and the call has no paginate');
	const rules: Rules = { ...defaults, ...config.paginate };
	checkRules(rules);
	yield* (WALKS[rules.type] as (walk: Walk) => AsyncGenerator<Page>)(new Walk(http, log, config, rules));
}

// Its prototype is that of every walk.
share(paginate);
