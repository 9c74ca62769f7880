/*
 * The part of the package unzipper that functions use: Open.buffer(zip) with the list of files, whose
 * contents are inflated by the host when asked for. Sizes come from the central directory and are
 * checked, so a file that unpacks to more than it says is an error and not a memory bomb.
 */
import { Buffer } from './buffer.ts';
import { viewOf } from './bytes.ts';
import { host } from './host.ts';
import { share } from './shared.ts';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
const MAX_COMMENT = 0xffff;
const MAX_FILE = 64 << 20;
const STORED = 0;
const DEFLATED = 8;

class ZipFile {
	readonly path: string;
	readonly type: 'Directory' | 'File';
	readonly compressedSize: number;
	readonly uncompressedSize: number;
	readonly #archive: Uint8Array;
	readonly #method: number;
	readonly #at: number;

	constructor(archive: Uint8Array, view: DataView, at: number) {
		const nameAt = at + 46;
		const name = archive.subarray(nameAt, nameAt + view.getUint16(at + 28, true));
		this.path = host.utf8Decode(name, false) as string;
		this.#method = view.getUint16(at + 10, true);
		this.compressedSize = view.getUint32(at + 20, true);
		this.uncompressedSize = view.getUint32(at + 24, true);
		this.type = this.uncompressedSize === 0 && /[/\\]$/.test(this.path) ? 'Directory' : 'File';
		this.#at = view.getUint32(at + 42, true);
		this.#archive = archive;
	}

	#packed(): Uint8Array {
		const view = viewAt(this.#archive);
		if (this.#at + 30 > view.byteLength || view.getUint32(this.#at, true) !== LOCAL)
			throw new Error(`FILE_ENDED: '${this.path}' is not where the zip file says`);
		const start = this.#at + 30 + view.getUint16(this.#at + 26, true) + view.getUint16(this.#at + 28, true);
		if (start + this.compressedSize > view.byteLength)
			throw new Error(`FILE_ENDED: '${this.path}' is cut off`);
		return this.#archive.subarray(start, start + this.compressedSize);
	}

	async buffer(): Promise<Buffer> {
		const packed = this.#packed();
		if (this.uncompressedSize > MAX_FILE)
			throw new RangeError(`'${this.path}' unpacks to more than ${MAX_FILE >> 20} MB`);
		if (this.#method === STORED)
			return Buffer.from(packed);
		if (this.#method !== DEFLATED)
			throw new Error(`'${this.path}' is compressed by method ${this.#method}, which is not supported`);
		const bytes = host.inflate(packed, this.uncompressedSize);
		if (!bytes || bytes.length !== this.uncompressedSize)
			throw new Error(`'${this.path}' is damaged`);
		return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
	}
}

share(ZipFile);

const viewAt = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/* The end record stands before a comment of any length: it is searched from the end. */
function findEnd(view: DataView): number {
	const last = view.byteLength - END_SIZE;
	for (let at = last; at >= 0 && at >= last - MAX_COMMENT; at--)
		if (view.getUint32(at, true) === END)
			return at;
	throw new Error('FILE_ENDED: this is no zip file');
}

async function openBuffer(data: unknown): Promise<{ files: ZipFile[] }> {
	const archive = viewOf(data);
	const view = viewAt(archive);
	const end = findEnd(view);
	const count = view.getUint16(end + 10, true);
	const files: ZipFile[] = [];
	let at = view.getUint32(end + 16, true);
	for (let i = 0; i < count; i++) {
		if (at + 46 > view.byteLength || view.getUint32(at, true) !== ENTRY)
			throw new Error('FILE_ENDED: the directory of the zip file is damaged');
		files.push(new ZipFile(archive, view, at));
		at += 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
	}
	return { files };
}

export const unzipper = { Open: { buffer: openBuffer } };
