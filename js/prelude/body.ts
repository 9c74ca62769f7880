/*
 * Request bodies by type of `data` and content type (spec function-runtime 2.4).
 * The table there is the truth; the order of the tests below is its order of precedence.
 */
import { Buffer } from './buffer.ts';
import { concat } from './bytes.ts';
import { host } from './host.ts';

export interface Payload {
	body?: string | Uint8Array;
	contentType?: string;
}

const FORM = 'application/x-www-form-urlencoded';
const isJson = (type: string) => /[/+]json\b/i.test(type);

type Field = [name: string, value: unknown];

/*
 * Flat fields of a nested object: `k[]` for lists, `k[sub]` for objects, nothing for null. An object
 * inside a list keeps its index, or the members of its elements could not be told apart.
 */
function* fields(value: object, prefix = ''): Generator<Field> {
	for (const [key, inner] of Object.entries(value)) {
		if (inner === null || inner === undefined)
			continue;
		const nested = typeof inner === 'object' && !ArrayBuffer.isView(inner) && !(inner instanceof Date);
		const index = Array.isArray(value) && !nested ? '' : key;
		const name = prefix ? `${prefix}[${index}]` : key;
		if (nested)
			yield* fields(inner, name);
		else
			yield [name, inner instanceof Date ? inner.toISOString() : inner];
	}
}

export function formEncode(data: object): string {
	const out = new URLSearchParams();
	for (const [name, value] of fields(data))
		out.append(name, String(value));
	return out.toString();
}

function partHead(boundary: string, name: string, isFile: boolean): string {
	const label = name.replace(/\r?\n|\r|"/g, (c) => (c === '"' ? '%22' : '%0A'));
	const file = isFile ? '; filename="blob"\r\nContent-Type: application/octet-stream' : '';
	return `--${boundary}\r\nContent-Disposition: form-data; name="${label}"${file}\r\n\r\n`;
}

function partBytes(name: string, value: unknown): Uint8Array {
	if (ArrayBuffer.isView(value))
		return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
	if (Array.isArray(value))
		throw new TypeError(`multipart field '${name}' is a list: send one field per element`);
	return host.utf8Encode(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

function multipart(data: object): Payload {
	const boundary = `----tidemark-${(Buffer.from(host.randomBytes(12)) as Buffer).toString('hex')}`;
	const parts: Uint8Array[] = [];
	for (const [name, value] of Object.entries(data)) {
		if (value === null || value === undefined)
			continue;
		parts.push(host.utf8Encode(partHead(boundary, name, ArrayBuffer.isView(value))));
		parts.push(partBytes(name, value), host.utf8Encode('\r\n'));
	}
	parts.push(host.utf8Encode(`--${boundary}--\r\n`));
	return { body: concat(parts), contentType: `multipart/form-data; boundary=${boundary}` };
}

function textPayload(text: string, type: string | undefined): Payload {
	if (type === undefined)
		return { body: text, contentType: FORM };
	if (!isJson(type))
		return { body: text };
	try {
		JSON.parse(text);
		return { body: text };
	} catch {
		return { body: JSON.stringify(text) };
	}
}

function objectPayload(data: object, type: string | undefined): Payload {
	if (type?.toLowerCase().startsWith(FORM))
		return { body: formEncode(data) };
	if (type?.toLowerCase() === 'multipart/form-data')
		return multipart(data);
	return { body: JSON.stringify(data), contentType: type ?? 'application/json' };
}

function bytesOf(data: unknown): Uint8Array | null {
	if (data instanceof ArrayBuffer)
		return new Uint8Array(data);
	if (ArrayBuffer.isView(data))
		return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
	return null;
}

/* `type` is the caller's content type; the result's, where present, replaces it. */
export function payloadOf(data: unknown, type: string | undefined): Payload {
	if (!data)
		return {};
	if (typeof data === 'string')
		return textPayload(data, type);
	if (data instanceof URLSearchParams)
		return { body: data.toString(), contentType: type ?? `${FORM};charset=utf-8` };
	const bytes = bytesOf(data);
	if (bytes)
		return { body: bytes };
	if (typeof data === 'object')
		return objectPayload(data, type);
	if (type !== undefined && isJson(type))
		return { body: JSON.stringify(data) };
	const err: any = new Error(
		`data is a ${typeof data}: send an object, a string or bytes, or set a JSON content type`,
	);
	err.code = 'ERR_BAD_REQUEST';
	throw err;
}
