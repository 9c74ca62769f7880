/** OAuth 1.0a at the provider's side. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { Seen } from './fake.ts';

/** Checks an OAuth 1 header by the rules of RFC 5849, written down a second time. */
export function checkOAuth1(seen: Seen, url: string, secrets: string, hash = 'sha1', form = ''): Record<string, string> {
    const encode = (text: string) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    const header = Object.fromEntries([...seen.headers.authorization!.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, decodeURIComponent(value!)]));
    const { oauth_signature, realm, ...protocol } = header;
    const all = [...Object.entries(protocol), ...seen.query, ...new URLSearchParams(form)].map(([name, value]) => [encode(name), encode(value)] as const);
    all.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1));
    const base = [seen.method, url, all.map((pair) => pair.join('=')).join('&')].map(encode).join('&');
    assert.equal(oauth_signature, createHmac(hash, secrets).update(base).digest('base64'));
    return header;
}
