/*
 * The part of node:crypto that functions use, over OpenSSL in the host. Anything else of that module
 * is refused by name, so that the message says what is missing.
 */
import { Buffer } from './buffer.ts';
import { concat, viewOf } from './bytes.ts';
import { host } from './host.ts';
import { share } from './shared.ts';

type Data = string | ArrayBuffer | ArrayBufferView;

const bufferOf = (bytes: Uint8Array) =>
	Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);

function bytesOf(data: Data, encoding?: string): Uint8Array {
	return typeof data === 'string' ? Buffer.from(data, encoding as 'utf8') : viewOf(data);
}

const encoded = (bytes: Uint8Array, encoding?: string) => {
	const out = bufferOf(bytes);
	if (encoding === undefined || encoding === 'buffer')
		return out;
	if (encoding === 'base64url')
		return out.toString('base64').replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
	return out.toString(encoding as 'hex');
};

/* Collects what is hashed and hands it over at once: functions hash little. */
class Digest {
	#parts: Uint8Array[] = [];
	#finish: ((data: Uint8Array) => Uint8Array) | null;

	constructor(finish: (data: Uint8Array) => Uint8Array) {
		this.#finish = finish;
	}

	update(data: Data, encoding?: string): this {
		if (!this.#finish)
			throw new Error('Digest already called');
		this.#parts.push(bytesOf(data, encoding).slice());
		return this;
	}

	digest(encoding?: string): Buffer | string {
		if (!this.#finish)
			throw new Error('Digest already called');
		const out = this.#finish(concat(this.#parts));
		this.#finish = null;
		this.#parts = [];
		return encoded(out, encoding);
	}
}

share(Digest);

function known(bytes: Uint8Array | null): Uint8Array {
	if (!bytes)
		throw new Error('Digest method not supported');
	return bytes;
}

function createHash(algorithm: string): Digest {
	const name = String(algorithm);
	known(host.hash(name, new Uint8Array(0)));
	return new Digest((data) => known(host.hash(name, data)));
}

function createHmac(algorithm: string, key: Data): Digest {
	const name = String(algorithm);
	const secret = bytesOf(key).slice();
	known(host.hmac(name, secret, new Uint8Array(0)));
	return new Digest((data) => known(host.hmac(name, secret, data)));
}

const MAX_RANDOM = 1 << 20;

function randomBytes(size: number): Buffer {
	if (!Number.isInteger(size) || size < 0 || size > MAX_RANDOM)
		throw new RangeError(`randomBytes takes 0 to ${MAX_RANDOM}`);
	return bufferOf(host.randomBytes(size));
}

function randomUUID(): string {
	const b = host.randomBytes(16);
	b[6] = ((b[6] as number) & 0x0f) | 0x40;
	b[8] = ((b[8] as number) & 0x3f) | 0x80;
	const hex: string = (b as any).toHex();
	return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function randomInt(min: number, max?: number): number {
	const [low, high] = max === undefined ? [0, min] : [min, max];
	if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || high <= low)
		throw new RangeError('randomInt needs whole numbers, the first below the second');
	return low + Math.floor(host.random() * (high - low));
}

function timingSafeEqual(a: Data, b: Data): boolean {
	const [x, y] = [viewOf(a), viewOf(b)];
	if (x.length !== y.length)
		throw new RangeError('Input buffers must have the same byte length');
	let differ = 0;
	for (let i = 0; i < x.length; i++)
		differ |= (x[i] as number) ^ (y[i] as number);
	return differ === 0;
}

function getRandomValues<T extends ArrayBufferView>(into: T): T {
	viewOf(into).set(randomBytes(into.byteLength));
	return into;
}

const refuse = (name: string) => () => {
	throw new Error(`crypto.${name} is not available in functions (there are createHash, createHmac, ` +
		'randomBytes, randomUUID, randomInt, timingSafeEqual)');
};

const MISSING = ['createCipheriv', 'createDecipheriv', 'createSign', 'createVerify', 'createPrivateKey',
	'createPublicKey', 'createSecretKey', 'generateKeyPairSync', 'pbkdf2', 'pbkdf2Sync', 'scrypt',
	'scryptSync', 'sign', 'verify', 'publicEncrypt', 'privateDecrypt'];

export const crypto = {
	createHash,
	createHmac,
	randomBytes,
	randomInt,
	randomUUID,
	timingSafeEqual,
	getRandomValues,
	...Object.fromEntries(MISSING.map((name) => [name, refuse(name)])),
};

/* The global of that name. */
export const webCrypto = { randomUUID, getRandomValues };
