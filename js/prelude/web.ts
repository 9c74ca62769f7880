/*
 * The few web interfaces that functions use: Headers, AbortController, structuredClone, and URL
 * with URLSearchParams from core-js.
 */
import 'core-js/web/url';
import 'core-js/web/url-search-params';
import { DOMException } from './bytes.ts';
import { share } from './shared.ts';

share(Object.getPrototypeOf(new URLSearchParams('a=1').entries()));

export class Headers {
	#map = new Map<string, string>();

	constructor(init?: any) {
		if (init === undefined || init === null)
			return;
		const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
		for (const [name, value] of pairs)
			this.append(name, value);
	}

	append(name: string, value: unknown): void {
		const old = this.get(name);
		this.set(name, old === null ? value : `${old}, ${value}`);
	}

	set(name: string, value: unknown): void {
		const key = String(name).toLowerCase();
		if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(key))
			throw new TypeError(`'${key}' is no header name`);
		this.#map.set(key, String(value).trim());
	}

	get(name: string): string | null {
		return this.#map.get(String(name).toLowerCase()) ?? null;
	}

	has(name: string): boolean {
		return this.#map.has(String(name).toLowerCase());
	}

	delete(name: string): void {
		this.#map.delete(String(name).toLowerCase());
	}

	forEach(fn: (value: string, name: string, all: Headers) => void, self?: unknown): void {
		for (const [name, value] of this)
			fn.call(self, value, name, this);
	}

	*entries(): Generator<[string, string]> {
		for (const name of [...this.#map.keys()].sort())
			yield [name, this.#map.get(name) as string];
	}

	*keys(): Generator<string> {
		for (const [name] of this)
			yield name;
	}

	*values(): Generator<string> {
		for (const [, value] of this)
			yield value;
	}

	[Symbol.iterator](): Generator<[string, string]> {
		return this.entries();
	}
}

type Listener = (event: object) => void;

export class AbortSignal {
	aborted = false;
	reason: unknown = undefined;
	onabort: Listener | null = null;
	#listeners = new Set<Listener>();

	static abort(reason?: unknown): AbortSignal {
		const controller = new AbortController();
		controller.abort(reason);
		return controller.signal;
	}

	throwIfAborted(): void {
		if (this.aborted)
			throw this.reason;
	}

	addEventListener(type: string, fn: Listener): void {
		if (type === 'abort')
			this.#listeners.add(fn);
	}

	removeEventListener(_type: string, fn: Listener): void {
		this.#listeners.delete(fn);
	}

	static #abort(signal: AbortSignal, reason: unknown): void {
		if (signal.aborted)
			return;
		signal.aborted = true;
		signal.reason = reason ?? new DOMException('the operation was aborted', 'AbortError');
		const event = { type: 'abort', target: signal };
		signal.onabort?.(event);
		for (const fn of signal.#listeners)
			fn.call(signal, event);
	}

	/* For AbortController alone; taken off the class below. */
	static fire(signal: AbortSignal, reason: unknown): void {
		AbortSignal.#abort(signal, reason);
	}
}

const fire = AbortSignal.fire;
delete (AbortSignal as any).fire;

export class AbortController {
	readonly signal = new AbortSignal();

	abort(reason?: unknown): void {
		fire(this.signal, reason);
	}
}

function cloneObject(value: any, seen: Map<object, unknown>): unknown {
	if (value instanceof Date)
		return new Date(value.getTime());
	if (value instanceof RegExp)
		return new RegExp(value.source, value.flags);
	if (value instanceof ArrayBuffer)
		return value.slice(0);
	if (ArrayBuffer.isView(value))
		return (value as any).slice();
	if (value instanceof Map) {
		const out = new Map();
		seen.set(value, out);
		for (const [k, v] of value)
			out.set(clone(k, seen), clone(v, seen));
		return out;
	}
	if (value instanceof Set) {
		const out = new Set();
		seen.set(value, out);
		for (const v of value)
			out.add(clone(v, seen));
		return out;
	}
	return cloneMembers(value, value instanceof Error ? errorLike(value) : undefined, seen);
}

const errorLike = (err: Error) => Object.assign(new Error(err.message), { name: err.name });

function cloneMembers(value: any, into: any, seen: Map<object, unknown>): unknown {
	const out = into ?? (Array.isArray(value) ? new Array(value.length) : {});
	seen.set(value, out);
	for (const key of Object.keys(value))
		out[key] = clone(value[key], seen);
	return out;
}

function clone(value: any, seen: Map<object, unknown>): unknown {
	if (typeof value === 'function' || typeof value === 'symbol')
		throw new DOMException(`a ${typeof value} cannot be cloned`, 'DataCloneError');
	if (typeof value !== 'object' || value === null)
		return value;
	return seen.has(value) ? seen.get(value) : cloneObject(value, seen);
}

export function structuredClone(value: unknown): unknown {
	return clone(value, new Map());
}
