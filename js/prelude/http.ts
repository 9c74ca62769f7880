/* nango.proxy and its five verbs (spec function-runtime 2). The server does the requests. */
import { payloadOf } from './body.ts';
import { statusError } from './errors.ts';
import type { RunLog } from './log.ts';
import { responseOf, type ReplyHead, type RequestConfig, type Response } from './response.ts';
import type { Run } from './run.ts';
import { Headers } from './web.ts';

export type ProxyConfig = Record<string, any>;
export type Http = (config: ProxyConfig) => Promise<Response>;

const WITH_BODY = ['POST', 'PUT', 'PATCH', 'DELETE'];

/* Passed through as they are. */
const OPTIONS = ['retries', 'retryOn', 'retryHeader', 'baseUrlOverride', 'decompress',
	'forwardHeadersOnRedirect', 'responseType', 'providerConfigKey', 'connectionId', 'isLink'];

function headersOf(given: unknown): Record<string, string> {
	const out: Record<string, string> = {};
	const pairs = given instanceof Headers ? given.entries() : Object.entries(given ?? {});
	for (const [name, value] of pairs)
		if (value !== undefined && value !== null && value !== false)
			out[name.toLowerCase()] = String(value);
	return out;
}

/* Pairs to be *set* on the URL; text is appended by the server. */
function paramsOf(params: unknown, log: RunLog): [string, string][] | string | undefined {
	if (typeof params === 'string' || params === undefined || params === null)
		return params ?? undefined;
	if (params instanceof URLSearchParams) {
		log.write('warn', 'params is a URLSearchParams, of which nothing is sent: pass an object, or its toString()');
		return undefined;
	}
	const pairs: [string, string][] = [];
	for (const [name, value] of Object.entries(params as object))
		if (value === undefined)
			log.write('debug', `query parameter '${name}' is undefined and left out`);
		else
			pairs.push([name, String(value)]);
	return pairs;
}

function checkConfig(config: ProxyConfig): void {
	if (typeof config !== 'object' || config === null)
		throw new TypeError('a request needs a configuration object: { endpoint: "/..." }');
	if (typeof config.endpoint !== 'string' && !config.baseUrlOverride)
		throw new TypeError('a request needs an endpoint: { endpoint: "/..." }');
}

/* What `response.config` and `error.config` show: nothing that the server added. */
function shownConfig(config: ProxyConfig, method: string, headers: object): RequestConfig {
	const { params, data, responseType } = config;
	return { method, url: config.endpoint ?? '', headers, params, data, responseType };
}

export function httpFor(run: Run, log: RunLog): Http {
	return async function proxy(config) {
		run.check();
		checkConfig(config);
		const method = String(config.method ?? 'GET').toUpperCase();
		const headers = headersOf(config.headers);
		const shown = shownConfig(config, method, headers);
		const payload = WITH_BODY.includes(method) ? payloadOf(config.data, headers['content-type']) : {};
		if (payload.contentType)
			headers['content-type'] = payload.contentType;
		const args: ProxyConfig = {
			endpoint: config.endpoint ?? '',
			method,
			params: paramsOf(config.params, log),
			headers,
		};
		for (const option of OPTIONS)
			args[option] = config[option];
		const response = await run.call('proxy', args, (head) => readResponse(head, shown), payload.body, shown);
		return response;
	};
}

/* acceptAnyStatus: replayed recordings hand out error statuses as they were recorded. */
function readResponse(head: ReplyHead, config: RequestConfig): Response {
	const response = responseOf(head, config);
	if (!head.acceptAnyStatus && (response.status < 200 || response.status > 299))
		throw statusError(config, response);
	return response;
}

const VERBS = ['get', 'post', 'put', 'patch', 'delete'] as const;

export function httpMethods(http: Http): Record<string, Http> {
	const out: Record<string, Http> = { proxy: http };
	for (const verb of VERBS)
		out[verb] = (config) => http({ ...config, method: verb });
	return out;
}
