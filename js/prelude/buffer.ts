/* Node's Buffer, from the npm package of that name, with our natives for its slow paths. */
import { Buffer } from 'buffer';
import { host } from './host.ts';

const fromText: Function = Buffer.from;
const toText = Buffer.prototype.toString;

const isUtf8 = (encoding: unknown) =>
	encoding === undefined || encoding === 'utf8' || encoding === 'utf-8';

function wrap(bytes: Uint8Array): Buffer {
	return fromText.call(Buffer, bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}

Buffer.from = {
	from(value: any, encoding?: any, length?: any): Buffer {
		if (typeof value === 'string' && isUtf8(encoding))
			return wrap(host.utf8Encode(value));
		return fromText.call(Buffer, value, encoding, length);
	},
}.from as typeof Buffer.from;

Buffer.prototype.toString = {
	toString(this: Buffer, encoding?: any, start?: number, end?: number): string {
		if (isUtf8(encoding) && start === undefined && end === undefined)
			return host.utf8Decode(this, false) as string;
		if (encoding === 'base64' && start === undefined && end === undefined)
			return (this as any).toBase64();
		return toText.call(this, encoding, start, end);
	},
}.toString;

export { Buffer };
