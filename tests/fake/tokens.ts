/** A token endpoint that hands out rotating refresh tokens, and burns the connection when one is used twice. */

import type { Fake, Handler, Seen } from './fake.ts';
import { json } from './replies.ts';

export interface Tokens {
    /** Refreshes that were asked for, answered or not. */
    readonly asked: Seen[];
    /** The refresh token that is good now. */
    refreshToken: string;
    /** The access tokens that were handed out, the newest last. */
    readonly accessTokens: string[];
    /** A refresh token came for the second time: a real provider would have revoked everything. */
    burnt: boolean;
    /** Members of the next answers. */
    expiresIn: number | undefined;
    /** Instead of a token: taken from the front, one per request. */
    readonly trouble: Handler[];
}

/** Serves POST /oauth/token of the fake; grants start with the refresh token `refresh-0`. */
export function serveTokens(fake: Fake, path = '/oauth/token'): Tokens {
    const tokens: Tokens = { asked: [], refreshToken: 'refresh-0', accessTokens: [], burnt: false, expiresIn: 3600, trouble: [] };
    const used = new Set<string>();
    let count = 0;

    fake.on('POST', path, async (request, response) => {
        tokens.asked.push(request);
        const trouble = tokens.trouble.shift();
        if (trouble) return trouble(request, response);
        const form = request.headers['content-type']?.includes('json') ? JSON.parse(request.body) : Object.fromEntries(new URLSearchParams(request.body));
        if (form.grant_type === 'refresh_token') {
            if (used.has(form.refresh_token)) tokens.burnt = true;
            if (tokens.burnt || form.refresh_token !== tokens.refreshToken) return json({ error: 'invalid_grant', error_description: `${form.refresh_token} is not valid` }, 400)(request, response);
            used.add(form.refresh_token);
        }
        count++;
        tokens.refreshToken = `refresh-${count}`;
        tokens.accessTokens.push(`access-${count}`);
        const expiry = tokens.expiresIn === undefined ? {} : { expires_in: tokens.expiresIn };
        return json({ access_token: `access-${count}`, refresh_token: tokens.refreshToken, token_type: 'bearer', ...expiry })(request, response);
    });
    return tokens;
}
