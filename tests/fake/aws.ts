/** Amazon's side of Signature Version 4, written down a second time: checks signatures, and gives roles for an hour. */

import { createHash, createHmac } from 'node:crypto';
import type { Fake, Seen } from './fake.ts';
import { json, reply } from './replies.ts';

const encode = (text: string) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

export interface Signed {
    accessKeyId: string;
    region: string;
    service: string;
    signedHeaders: string[];
}

/** Who signed the request, for what; or why the signature is not good. */
export function checkSignature({ method, path, query, headers, body }: Seen, secretOf: (accessKeyId: string) => string | undefined): Signed | string {
    const found = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '');
    if (!found) return `no signature: ${headers.authorization}`;
    const [, accessKeyId, day, region, service, names, signature] = found as unknown as string[];
    const secret = secretOf(accessKeyId!);
    const date = String(headers['x-amz-date']);
    if (!secret) return `no such key: ${accessKeyId}`;
    if (!date.startsWith(day!) || Math.abs(Date.now() - Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'))) > 300_000) return `a wrong time: ${date}`;
    const signedHeaders = names!.split(';');
    for (const needed of ['host', 'x-amz-date', 'x-amz-content-sha256', ...(headers['x-amz-security-token'] ? ['x-amz-security-token'] : [])])
        if (!signedHeaders.includes(needed)) return `${needed} is not signed`;
    const hash = String(headers['x-amz-content-sha256']);
    if (hash !== 'UNSIGNED-PAYLOAD' && hash !== sha256(body)) return 'another body was signed';
    const uri = path.split('/').map((part) => encode(service === 's3' ? decodeURIComponent(part) : part)).join('/');
    const pairs = [...query].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort();
    const canonical = [method, uri, pairs.join('&'), ...signedHeaders.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`), '', names, hash].join('\n');
    const scope = `${day}/${region}/${service}/aws4_request`;
    const key = [region!, service!, 'aws4_request'].reduce(hmac, hmac(`AWS4${secret}`, day!));
    const right = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex');
    return right === signature ? { accessKeyId: accessKeyId!, region: region!, service: service!, signedHeaders } : `a wrong signature of\n${canonical}`;
}

export interface Sts {
    /** Secrets by access key id; those of roles are added. */
    readonly secrets: Map<string, string>;
    /** AssumeRole, as it was asked for. */
    readonly asked: Record<string, string>[];
    expiresIn: number;
    xml: boolean;
}

/** Serves AssumeRole at POST /sts of the fake: for anybody whose signature is good, and who knows the external id. */
export function serveSts(fake: Fake, externalId: string, path = '/sts'): Sts {
    const sts: Sts = { secrets: new Map([['AKIDBASE', 'base-secret']]), asked: [], expiresIn: 3600, xml: false };
    fake.on('POST', path, (request, response) => {
        const who = checkSignature(request, (id) => sts.secrets.get(id));
        const form = Object.fromEntries(new URLSearchParams(request.body));
        const fail = (code: string, message: string) =>
            reply(403, { 'content-type': 'text/xml' }, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`)(request, response);
        if (typeof who === 'string') return fail('SignatureDoesNotMatch', who);
        if (who.service !== 'sts') return fail('SignatureDoesNotMatch', 'another service');
        sts.asked.push(form);
        if (form['ExternalId'] !== externalId) return fail('AccessDenied', 'you may not assume this role');
        const AccessKeyId = `ASIA${sts.asked.length}`;
        const SecretAccessKey = `role-secret-${sts.asked.length}`;
        const SessionToken = `role-session/+${sts.asked.length}=`;
        sts.secrets.set(AccessKeyId, SecretAccessKey);
        const until = Date.now() + sts.expiresIn * 1000;
        if (!sts.xml) return json({ AssumeRoleResponse: { AssumeRoleResult: { Credentials: { AccessKeyId, SecretAccessKey, SessionToken, Expiration: until / 1000 } } } })(request, response);
        const xml = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <AssumeRoleResult>\n    <Credentials>\n      <AccessKeyId>${AccessKeyId}</AccessKeyId>
      <SecretAccessKey>${SecretAccessKey}</SecretAccessKey>\n      <SessionToken>${SessionToken}</SessionToken>\n      <Expiration>${new Date(until).toISOString()}</Expiration>\n    </Credentials>\n  </AssumeRoleResult>\n</AssumeRoleResponse>`;
        return reply(200, { 'content-type': 'text/xml' }, xml)(request, response);
    });
    return sts;
}
