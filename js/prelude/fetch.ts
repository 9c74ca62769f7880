/* nango.uncontrolledFetch: a plain request by the server, without credentials (spec 1.7). */
import { ActionError } from './errors.ts';
import { host } from './host.ts';
import type { ReplyHead } from './response.ts';
import type { Run } from './run.ts';
import { share } from './shared.ts';
import { Headers } from './web.ts';

const REFUSED = ['url_not_allowed', 'too_many_redirects', 'invalid_redirect'];

export class FetchResponse {
	readonly status: number;
	readonly statusText: string;
	readonly headers: Headers;
	readonly url: string;
	readonly redirected: boolean;
	#bytes: Uint8Array;
	#used = false;

	constructor(head: ReplyHead, asked: string) {
		this.status = head.status ?? 200;
		this.statusText = head.statusText ?? '';
		this.headers = new Headers(head.headers ?? []);
		this.url = head.url ?? asked;
		this.redirected = this.url !== asked;
		this.#bytes = host.bodyBytes();
	}

	get ok(): boolean {
		return this.status >= 200 && this.status <= 299;
	}

	get bodyUsed(): boolean {
		return this.#used;
	}

	#take(): Uint8Array {
		if (this.#used)
			throw new TypeError('the body has been read already');
		this.#used = true;
		return this.#bytes;
	}

	async text(): Promise<string> {
		return host.utf8Decode(this.#take(), false) as string;
	}

	async json(): Promise<unknown> {
		return JSON.parse(await this.text());
	}

	async arrayBuffer(): Promise<ArrayBuffer> {
		return this.#take().slice().buffer as ArrayBuffer;
	}

	async bytes(): Promise<Uint8Array> {
		return this.#take().slice();
	}
}

share(FetchResponse);

function fetchError(err: any): unknown {
	if (REFUSED.includes(err?.code))
		return new ActionError({ code: err.code, message: err.message });
	if (err?.isAxiosError && !err.response)
		return Object.assign(new TypeError('fetch failed'), { cause: { code: err.code, message: err.message } });
	return err;
}

export function fetchMethods(run: Run) {
	async function uncontrolledFetch(options: Record<string, any>): Promise<FetchResponse> {
		run.check();
		if (!(options?.url instanceof URL))
			throw new TypeError('uncontrolledFetch needs { url: new URL(...) }');
		const url = options.url.href;
		const headers = [...new Headers(options.headers)];
		const args = { url, method: String(options.method ?? 'GET').toUpperCase(), headers };
		const body = options.body ? String(options.body) : undefined;
		try {
			return await run.call('uncontrolled_fetch', args, (head) => new FetchResponse(head, url), body);
		} catch (err) {
			throw fetchError(err);
		}
	}
	return { uncontrolledFetch };
}
