/** Requests to the provider's API: what a function asks for and what it gets back. */

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

type QueryValue = string | number | boolean | readonly (string | number)[] | null | undefined;

export interface ProxyConfiguration {
    /** Path below the provider's base URL, with or without a leading slash. A URL that begins with that base URL works too. */
    endpoint: string;
    /** Ignored by `nango.get` and its siblings, which set it themselves. Default `GET`. */
    method?: HttpMethod | Lowercase<HttpMethod> | undefined;
    /** Query parameters. An array is sent as one value joined by commas; `undefined` values are left out. */
    params?: string | Record<string, QueryValue> | undefined;
    /** Request body: objects as JSON (or as a form, by content type), strings and bytes as they are. */
    data?: unknown;
    headers?: Record<string, string> | undefined;
    /**
     * Extra attempts after a failure that may pass: network errors, 401, 429 and 5xx, waiting as the
     * provider's `Retry-After` (or its kin) says. Default 0.
     */
    retries?: number | undefined;
    /** Further statuses worth another attempt. Needs `retries`. */
    retryOn?: number[] | null | undefined;
    /** Response headers that say how long to wait, where the provider's own are not the right ones. */
    retryHeader?: RetryHeader | undefined;
    /** Replaces the provider's base URL for this request. */
    baseUrlOverride?: string | undefined;
    /** `arraybuffer` resolves to a Buffer, `text` to the text as it came. Otherwise anything that parses as JSON is parsed. */
    responseType?: 'json' | 'text' | 'arraybuffer' | 'blob' | 'document' | undefined;
    /** No effect: bodies are always decompressed. */
    decompress?: boolean | string | undefined;
    /** Keep sending the request's headers, credentials included, when the provider redirects to another host. */
    forwardHeadersOnRedirect?: boolean | undefined;
    /** How to get from page to page. Read by `nango.paginate` only. */
    paginate?: Pagination | undefined;
    /** Send the request with another connection than the run's own; these two belong together. */
    providerConfigKey?: string | undefined;
    connectionId?: string | undefined;
}

/** What `nango.get`, `post`, `put`, `patch` and `delete` take. */
export type RequestConfiguration = Omit<ProxyConfiguration, 'method'>;

export interface RetryHeader {
    /** Header (or several) with the moment to try again: a date, or seconds since 1970. */
    at?: string | string[] | undefined;
    /** Header (or several) with the number of seconds to wait. */
    after?: string | string[] | undefined;
}

/** Names are case-insensitive; one that came several times is joined by `, `, except `set-cookie`, which is an array. */
export interface ResponseHeaders {
    [name: string]: any;
}

// The body has whatever shape the provider chose: name it (`nango.get<Page>(…)`), or parse it with zod.
export interface ProxyResponse<T = any> {
    data: T;
    /** Always 200 to 299: any other status rejects with an `HttpError`. */
    status: number;
    statusText: string;
    headers: ResponseHeaders;
}

/** What a failed request rejects with. `response` is missing when none came; `code` then says why. */
export interface HttpError extends Error {
    code?: string;
    status?: number;
    response?: ProxyResponse;
}

export type Pagination = CursorPagination | LinkPagination | OffsetPagination | ProviderPagination;

interface PaginationBase {
    /** Page size, sent as `limit_name_in_request`. */
    limit?: number | string | undefined;
    limit_name_in_request?: string | undefined;
    /** Path to the list in the response body (`data.items`). Left out: the whole body is the list. */
    response_path?: string | undefined;
    /** Send the paging values in the body instead of the query. Default: true for POST, PUT and PATCH. */
    in_body?: boolean | undefined;
    /** Called after each page has been consumed, with what the next request will ask for. */
    on_page?: ((page: { nextPageParam?: string | number | undefined; response: ProxyResponse }) => Promise<void>) | undefined;
}

/** Each page names the next one by a token. */
export interface CursorPagination extends PaginationBase {
    type: 'cursor';
    cursor_path_in_response: string;
    cursor_name_in_request: string;
}

/** Each page carries the address of the next one, in its `Link` header or in its body. */
export interface LinkPagination extends PaginationBase {
    type: 'link';
    link_rel_in_response_header?: string | undefined;
    link_path_in_response_body?: string | undefined;
}

/** Pages are counted, in records (`by-response-size`, the default) or in pages (`per-page`). */
export interface OffsetPagination extends PaginationBase {
    type: 'offset';
    offset_name_in_request: string;
    offset_start_value?: number | undefined;
    offset_calculation_method?: 'by-response-size' | 'per-page' | undefined;
}

/** No type: the provider's catalogue entry says how it paginates, and what is given here overrides it. */
export interface ProviderPagination extends PaginationBase {
    type?: undefined;
    cursor_path_in_response?: string | undefined;
    cursor_name_in_request?: string | undefined;
    link_rel_in_response_header?: string | undefined;
    link_path_in_response_body?: string | undefined;
    offset_name_in_request?: string | undefined;
    offset_start_value?: number | undefined;
    offset_calculation_method?: 'by-response-size' | 'per-page' | undefined;
}
