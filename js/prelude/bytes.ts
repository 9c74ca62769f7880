/* Text and bytes: TextEncoder, TextDecoder, atob, btoa, and what the prelude itself needs of them. */
import { host } from './host.ts';

export function concat(parts: Uint8Array[]): Uint8Array {
	const out = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
	let at = 0;
	for (const part of parts) {
		out.set(part, at);
		at += part.length;
	}
	return out;
}

/* Any BufferSource as bytes, not copied. */
export function viewOf(source: unknown): Uint8Array {
	if (source instanceof ArrayBuffer)
		return new Uint8Array(source);
	if (ArrayBuffer.isView(source))
		return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
	throw new TypeError('expected an ArrayBuffer or a view of one');
}

export class TextEncoder {
	get encoding(): string {
		return 'utf-8';
	}

	encode(text: unknown = ''): Uint8Array {
		return host.utf8Encode(String(text));
	}

	encodeInto(text: unknown, into: Uint8Array): { read: number; written: number } {
		let read = 0;
		let written = 0;
		for (const char of String(text)) {
			const bytes = host.utf8Encode(char);
			if (written + bytes.length > into.length)
				break;
			into.set(bytes, written);
			written += bytes.length;
			read += char.length;
		}
		return { read, written };
	}
}

const UTF8 = ['utf-8', 'utf8', 'unicode-1-1-utf-8'];
const LATIN1 = ['latin1', 'iso-8859-1', 'ascii', 'us-ascii', 'windows-1252'];

function latin1(bytes: Uint8Array): string {
	let out = '';
	for (let at = 0; at < bytes.length; at += 8192)
		out += String.fromCharCode(...bytes.subarray(at, at + 8192));
	return out;
}

function utf16le(bytes: Uint8Array): string {
	let out = '';
	for (let at = 0; at + 1 < bytes.length; at += 2)
		out += String.fromCharCode((bytes[at] as number) | ((bytes[at + 1] as number) << 8));
	return out;
}

/* Bytes at the end that begin a character without finishing it. */
function unfinished(bytes: Uint8Array): number {
	for (let back = 1; back <= Math.min(3, bytes.length); back++) {
		const byte = bytes[bytes.length - back] as number;
		if (byte >= 0xc0)
			return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
		if (byte < 0x80)
			return 0;
	}
	return 0;
}

export class TextDecoder {
	readonly encoding: string;
	readonly fatal: boolean;
	readonly ignoreBOM: boolean;
	#left: Uint8Array = new Uint8Array(0);

	constructor(label: unknown = 'utf-8', options: any = {}) {
		const name = String(label).trim().toLowerCase();
		if (UTF8.includes(name))
			this.encoding = 'utf-8';
		else if (LATIN1.includes(name))
			this.encoding = 'windows-1252';
		else if (name === 'utf-16le' || name === 'utf-16')
			this.encoding = 'utf-16le';
		else
			throw new RangeError(`unknown text encoding '${name}'`);
		this.fatal = Boolean(options?.fatal);
		this.ignoreBOM = Boolean(options?.ignoreBOM);
	}

	decode(source?: unknown, options: any = {}): string {
		const fresh = source === undefined ? new Uint8Array(0) : viewOf(source);
		if (this.encoding === 'windows-1252')
			return latin1(fresh);
		let bytes = this.#left.length > 0 ? concat([this.#left, fresh]) : fresh;
		const keep = options?.stream ? this.#tail(bytes) : 0;
		this.#left = bytes.slice(bytes.length - keep);
		bytes = bytes.subarray(0, bytes.length - keep);
		if (this.encoding === 'utf-16le')
			return utf16le(bytes);
		const text = host.utf8Decode(bytes, this.fatal);
		if (text === null)
			throw new TypeError('the bytes are not valid UTF-8');
		return text;
	}

	#tail(bytes: Uint8Array): number {
		return this.encoding === 'utf-16le' ? bytes.length % 2 : unfinished(bytes);
	}
}

export function btoa(text: unknown): string {
	const chars = String(text);
	const bytes = new Uint8Array(chars.length);
	for (let i = 0; i < chars.length; i++) {
		const code = chars.charCodeAt(i);
		if (code > 255)
			throw new DOMException('a character is outside of Latin-1', 'InvalidCharacterError');
		bytes[i] = code;
	}
	return (bytes as any).toBase64();
}

export function atob(text: unknown): string {
	try {
		return latin1((Uint8Array as any).fromBase64(String(text)));
	} catch {
		throw new DOMException('the text is not base64', 'InvalidCharacterError');
	}
}

export class DOMException extends Error {
	constructor(message = '', name = 'Error') {
		super(message);
		Object.defineProperty(this, 'name', { value: name, configurable: true, writable: true });
	}
}
