/*
 * What the C side of the runner offers, taken from the global object and then removed from it.
 * src/js/natives.c holds the other half of each line.
 */

export interface Host {
	/* CALL message; an answer comes to entry `reply`. */
	send(run: number, call: number, head: string, body?: string | Uint8Array): void;
	log(run: number, head: string): void;
	/* DONE message: the run is over for the C side too. */
	done(run: number, head: string, body?: string): void;
	timer(run: number, id: number, ms: number): void;
	untimer(run: number, id: number): void;

	/* The body of the message being delivered, only while it is delivered. */
	bodyText(): string;
	bodyBytes(): Uint8Array;

	utf8Encode(text: string): Uint8Array;
	/* Without a byte order mark; null where `fatal` and the bytes are not UTF-8. */
	utf8Decode(bytes: Uint8Array, fatal: boolean): string | null;

	randomBytes(n: number): Uint8Array;
	random(): number;
	/* null for an unknown algorithm */
	hash(algorithm: string, data: Uint8Array): Uint8Array | null;
	hmac(algorithm: string, key: Uint8Array, data: Uint8Array): Uint8Array | null;

	/* Raw deflate; null for broken data and where more than `max` bytes come out. */
	inflate(data: Uint8Array, max: number): Uint8Array | null;

	/* false: leave intrinsics alone (a context that serves one run) */
	readonly harden: boolean;
	entries?: object;
}

export const host: Host = (globalThis as any).__host;
delete (globalThis as any).__host;

/*
 * JSON text for the server, which takes only what is Unicode: half of a surrogate pair (half an emoji is enough, where
 * a text was cut) becomes U+FFFD. JSON.stringify has escaped it.
 */
export function wireJson(value: unknown): string {
	const text = JSON.stringify(value) ?? '';
	if (!text.includes('\\ud'))
		return text;
	return text.replace(/\\(u[0-9a-f]{4}|.)/g, (all, escaped) => (/^ud[89a-f]/.test(escaped) ? '\\ufffd' : all));
}
