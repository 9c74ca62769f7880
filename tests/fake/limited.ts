/** Providers that let so many requests through in a window of time, and refuse the rest. */

import type { Handler } from './fake.ts';

export interface Limited {
    handler: Handler;
    /** Answers of 429, by the time since the first request. */
    refused: number[];
    accepted: number;
}

/** `limit` requests per `windowMs`, told in headers or only by Retry-After. */
export function limited(limit: number, windowMs: number, tells: 'headers' | 'retry-after'): Limited {
    let started = 0; // the first window begins with the first request
    const self: Limited = { refused: [], accepted: 0, handler };
    let window = -1;
    let used = 0;

    function handler(_: unknown, response: Parameters<Handler>[1]): void {
        started ||= performance.now();
        const now = performance.now() - started;
        if (Math.floor(now / windowMs) !== window) {
            window = Math.floor(now / windowMs);
            used = 0;
        }
        const left = (windowMs * (window + 1) - now) / 1000;
        const ok = used < limit;
        if (ok) used++, self.accepted++;
        else self.refused.push(now);
        const quota: Record<string, string | number> = { 'x-ratelimit-limit': limit, 'x-ratelimit-remaining': limit - used, 'x-ratelimit-reset': left.toFixed(3) };
        response.writeHead(ok ? 200 : 429, {
            'content-type': 'application/json',
            ...(tells === 'headers' ? quota : ok ? {} : { 'retry-after': Math.ceil(left) })
        });
        response.end(JSON.stringify(ok ? { ok } : { error: 'too many' }));
    }
    return self;
}
