/* Globals that the prelude itself puts in place, from core-js and bytes.ts. */
declare const URL: {
	prototype: URL;
	new (url: string, base?: string): URL;
};
interface URL {
	href: string;
	origin: string;
	pathname: string;
	search: string;
}
declare const URLSearchParams: {
	prototype: URLSearchParams;
	new (init?: unknown): URLSearchParams;
};
interface URLSearchParams {
	append(name: string, value: string): void;
	entries(): IterableIterator<[string, string]>;
	toString(): string;
}
declare module 'core-js/web/url';
declare module 'core-js/web/url-search-params';
