/*
 * Response objects (spec function-runtime 2.7): plain data, with headers that can be read in any
 * spelling.
 */
import { Buffer } from './buffer.ts';
import { host } from './host.ts';
import { share } from './shared.ts';

export interface RequestConfig {
	method?: string;
	url?: string;
	[extra: string]: unknown;
}

export interface Response {
	status: number;
	statusText: string;
	headers: Record<string, any>;
	data: any;
	config: RequestConfig;
	request: object;
}

class HeaderBag {
	get(name: string): string | string[] | null {
		const value = (this as any)[String(name).toLowerCase()];
		return typeof value === 'function' ? null : (value ?? null);
	}

	has(name: string): boolean {
		return Object.hasOwn(this, String(name).toLowerCase());
	}

	toJSON(): object {
		return { ...this };
	}
}

share(HeaderBag);

/* `headers.Location` finds `location`; everything else sees the plain lower-case object. */
const anyCase: ProxyHandler<any> = {
	get(target, key) {
		if (typeof key === 'symbol' || key in target)
			return target[key];
		return target[key.toLowerCase()];
	},
	has(target, key) {
		return key in target || (typeof key === 'string' && key.toLowerCase() in target);
	},
};

/* From the pairs of a REPLY: repeats are joined, cookies stay apart. */
export function headersOf(pairs: [string, string][]): Record<string, any> {
	const bag: any = new HeaderBag();
	for (const [name, value] of pairs) {
		const key = name.toLowerCase();
		const old = Object.hasOwn(bag, key) ? bag[key] : undefined;
		let now: string | string[] = value;
		if (key === 'set-cookie')
			now = old ? [...old, value] : [value];
		else if (old !== undefined)
			now = `${old}, ${value}`;
		Object.defineProperty(bag, key, {
			value: now,
			writable: true,
			enumerable: true,
			configurable: true,
		});
	}
	return new Proxy(bag, anyCase);
}

/* JSON whatever the content type says; text where it is none. */
export function parseLoosely(text: string): unknown {
	if (text === '')
		return '';
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

/* The body of the REPLY being delivered, as the caller asked for it. */
export function readBody(responseType: unknown): unknown {
	switch (responseType) {
	case 'arraybuffer': {
		const bytes = host.bodyBytes();
		return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
	}
	case 'text':
	case 'blob':
	case 'document':
		return host.bodyText();
	default:
		return parseLoosely(host.bodyText());
	}
}

export interface ReplyHead {
	ok?: boolean;
	status?: number;
	statusText?: string;
	headers?: [string, string][];
	[extra: string]: any;
}

export function responseOf(head: ReplyHead, config: RequestConfig): Response {
	return {
		status: head.status ?? 200,
		statusText: head.statusText ?? '',
		headers: headersOf(head.headers ?? []),
		data: readBody(config.responseType),
		config,
		request: { method: config.method, path: config.url },
	};
}
