/*
 * Values as JSON for log lines and error payloads (spec function-runtime 1.4): keys sorted, bounded
 * in depth, width and size, secrets and noise left out. Runs getters and toJSON of the function's
 * own objects, so it may throw and may take long: always inside the run's entry.
 */
import { Buffer } from './buffer.ts';

const MAX_DEPTH = 10;
const MAX_OBJECTS = 20;
const MAX_BYTES = 99_000;
const DROPPED = ['httpAgent', 'httpsAgent', 'trace', '_sessionCache', 'stack'];

interface Limits {
	objects: number; /* object-valued children of one container that are kept */
}

function errorFields(err: Error): object {
	const { name, message } = err;
	return { ...err, name, message };
}

function scalar(value: unknown): unknown {
	switch (typeof value) {
	case 'bigint':
		return `${value}`;
	case 'function':
		return '[Function]';
	case 'symbol':
		return value.toString();
	default:
		return value;
	}
}

function children(source: object, above: object[], limits: Limits): unknown {
	const isArray = Array.isArray(source);
	const out: any = isArray ? [] : {};
	let objects = 0;
	for (const key of isArray ? source.keys() : Object.keys(source).sort()) {
		if (DROPPED.includes(key as string))
			continue;
		let value = (source as any)[key];
		/* Headers of responses and of our own config have it in lower case. */
		if (!isArray && (key as string).toLowerCase() === 'authorization')
			value = '[Redacted]';
		else if (typeof value === 'object' && value !== null && ++objects > limits.objects)
			value = '[...]';
		else
			value = copy(value, [...above, source], limits);
		if (isArray)
			out.push(value);
		else
			Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
	}
	return out;
}

function copy(value: any, above: object[], limits: Limits): unknown {
	if (typeof value !== 'object' || value === null)
		return scalar(value);
	if (Buffer.isBuffer(value))
		return '[Buffer]';
	if (above.includes(value))
		return '[Circular]';
	if (above.length >= MAX_DEPTH)
		return '[...]';
	if (value instanceof Error)
		return children(errorFields(value), above, limits);
	if (typeof value.toJSON === 'function')
		return copy(value.toJSON(), [...above, value], limits);
	return children(value, above, limits);
}

/* Drops whole members, largest first, until the rest fits. */
function shrink(value: unknown, max: number): unknown {
	if (typeof value !== 'object' || value === null)
		return typeof value === 'string' ? value.slice(0, max) : value;
	const sizes = Object.entries(value).map(([k, v]) => ({
		key: k,
		size: (JSON.stringify(v)?.length ?? 0) + k.length + 4,
	}));
	sizes.sort((a, b) => b.size - a.size);
	let total = sizes.reduce((sum, s) => sum + s.size, 2);
	const left: any = Array.isArray(value) ? [...value] : { ...value };
	for (const { key, size } of sizes) {
		if (total <= max)
			break;
		delete left[key];
		total -= size;
	}
	return Array.isArray(left) ? left.filter(() => true) : left;
}

/* A plain, bounded copy that JSON.stringify takes without running foreign code. */
export function tame(value: unknown, limits: Limits = { objects: MAX_OBJECTS }): unknown {
	const plain = copy(value, [], limits);
	const size = JSON.stringify(plain)?.length ?? 0;
	return size > MAX_BYTES ? shrink(plain, MAX_BYTES) : plain;
}

/* Error payloads keep long lists of objects; only depth and size are bounded. */
export const PAYLOAD: Limits = { objects: Infinity };

export function stableJson(value: unknown): string {
	return JSON.stringify(tame(value)) ?? String(value);
}
