/** AWS_SIGV4: keys that are given, roles that are assumed, and what is signed. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { checkSignature, serveSts, type Signed, type Sts } from '../fake/aws.ts';
import { startFake, type Fake, type Seen } from '../fake/fake.ts';
import { html, huge, json } from '../fake/replies.ts';
import { Server, tempDir } from './harness.ts';

let server: Server;
let fake: Fake;
let sts: Sts;
let id = '';
let count = 0;

const role_arn = 'arn:aws:iam::123456789012:role/reader';

before(async () => {
    fake = await startFake();
    sts = serveSts(fake, 'the external id');
    sts.secrets.set('AKIDSTATIC', 'static/secret+');
    const file = join(tempDir(), 'providers.yaml');
    writeFileSync(file, 'aws:\n  auth_mode: AWS_SIGV4\n  proxy: { headers: { x-of-provider: yes } }\naws-based:\n  auth_mode: AWS_SIGV4\n  service: execute-api\n  token_url: ' + fake.url + '/sts\n  proxy: { base_url: ' + fake.url + ' }\n');
    server = await Server.start({ args: ['--providers', file] });
    await server.ok('POST', '/integrations', { provider: 'aws', unique_key: 'aws', custom: { access_key_id: 'AKIDBASE', secret_access_key: 'base-secret', sts_url: `${fake.url}/sts` } });
    await server.ok('POST', '/integrations', { provider: 'aws-based', unique_key: 'keyless' });
});
after(async () => {
    await server.stop();
    await fake.close();
});
beforeEach(() => {
    id = `c-${++count}`;
    sts.xml = false;
    sts.expiresIn = 3600;
    for (const method of ['GET', 'POST', 'PUT']) fake.on(method, '/api/*', json({ ok: true }));
});

const connect = (credentials: object, config: object = {}, provider_config_key = 'aws') =>
    server.ok('POST', '/connections', { provider_config_key, connection_id: id, credentials: { type: 'AWS_SIGV4', ...credentials }, connection_config: { base_url: fake.url, ...config } });
const proxy = (path: string, method = 'GET', body?: string, headers: Record<string, string> = {}, key = 'aws') =>
    server.api(method, `/proxy${path}`, body, { 'connection-id': id, 'provider-config-key': key, ...headers });

/** What the provider gets, and whose signature it bears. */
async function sent(...args: Parameters<typeof proxy>): Promise<Signed & { seen: Seen }> {
    const mark = fake.requests.length;
    const answer = await proxy(...args);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const seen = fake.requests.slice(mark).find(({ path }) => path.startsWith('/api'))!;
    const who = checkSignature(seen, (key) => sts.secrets.get(key));
    if (typeof who === 'string') assert.fail(who);
    return { ...who, seen };
}

test('keys that are given sign everything that is sent', async () => {
    await connect({ access_key_id: 'AKIDSTATIC', secret_access_key: 'static/secret+', region: 'eu-central-1', service: 'execute-api' });
    const { accessKeyId, region, service, signedHeaders, seen } = await sent('/api/a%20b/%C3%A9?b=2&a=x%20y&a=%2B&empty=', 'GET', undefined, { 'nango-proxy-x-mine': '  a   b ' });
    assert.deepEqual([accessKeyId, region, service], ['AKIDSTATIC', 'eu-central-1', 'execute-api']);
    for (const name of ['host', 'accept', 'x-mine', 'x-of-provider', 'x-amz-date', 'x-amz-content-sha256']) assert.ok(signedHeaders.includes(name), name);
    assert.equal(seen.headers['x-amz-security-token'], undefined);
    await sent('/api/post', 'POST', '{"a":"é"}', { 'content-type': 'application/json' });
    await sent('/api/form', 'POST', 'a=1&b=%20', { 'content-type': 'application/x-www-form-urlencoded' });
    await sent('/api/empty', 'POST');
    /* Whatever a caller writes there, it is not what signs. */
    await sent('/api/x', 'GET', undefined, { 'nango-proxy-authorization': 'Bearer mine', 'nango-proxy-x-amz-date': '20000101T000000Z' });
});

test('S3: paths are encoded once, and a body can be left unsigned', async () => {
    await connect({ access_key_id: 'AKIDSTATIC', secret_access_key: 'static/secret+', session_token: 'a/session+token=' }, { service: 's3', region: 'us-west-2' });
    const { service, region, seen } = await sent('/api/my%20file%24(1).txt?list-type=2', 'PUT', 'text', { 'content-type': 'text/plain' });
    assert.deepEqual([service, region], ['s3', 'us-west-2']);
    assert.equal(seen.headers['x-amz-security-token'], 'a/session+token=');
    const unsigned = await sent('/api/big', 'PUT', 'text', { 'content-type': 'text/plain', 'nango-proxy-x-amz-content-sha256': 'UNSIGNED-PAYLOAD' });
    assert.equal(unsigned.seen.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
});

test('a role is assumed when it is needed, and again before it ends', async () => {
    await connect({ role_arn, external_id: 'the external id', region: 'eu-west-1', service: 'sqs' });
    const mark = sts.asked.length;
    sts.expiresIn = 600;
    const first = await sent('/api/1');
    assert.equal(first.region, 'eu-west-1');
    assert.deepEqual(sts.asked.slice(mark), [
        { Action: 'AssumeRole', Version: '2011-06-15', RoleArn: role_arn, RoleSessionName: 'tidemark', DurationSeconds: '3600', ExternalId: 'the external id' }
    ]);
    assert.equal(first.seen.headers['x-amz-security-token'], `role-session/+${mark + 1}=`);
    /* Kept while it is good. */
    assert.equal((await sent('/api/2')).accessKeyId, first.accessKeyId);
    sts.xml = true;
    sts.expiresIn = 3600;
    const { credentials } = await server.ok('GET', `/connections/${id}?provider_config_key=aws&force_refresh=true`);
    assert.equal(credentials.access_key_id, `ASIA${mark + 2}`);
    assert.equal(credentials.role_arn, role_arn);
    assert.ok(Math.abs(Date.parse(credentials.expires_at) - Date.now() - 3600_000) < 60_000, credentials.expires_at);
    assert.equal((await sent('/api/3')).accessKeyId, `ASIA${mark + 2}`);
});

test('keys that the service refuses are had again', async () => {
    await connect({ role_arn, external_id: 'the external id', service: 'sqs' });
    await sent('/api/1');
    const mark = sts.asked.length;
    fake.on('GET', '/api/refused', (request, response) => json({}, String(request.headers.authorization).includes(`ASIA${mark}/`) ? 403 : 200)(request, response));
    assert.equal((await proxy('/api/refused')).status, 403, 'AWS says 403, which may have any reason: it is passed on');
    await server.ok('GET', `/connections/${id}?provider_config_key=aws&force_refresh=true`);
    assert.equal((await sent('/api/refused')).accessKeyId, `ASIA${mark + 1}`);
});

test('customers give a role', async () => {
    const { data } = await server.ok('POST', '/connect/sessions', { end_user: { id: 'u' } });
    const made = await server.ok('POST', `/auth/aws-sigv4/aws?connect_session_token=${data.token}`, { role_arn, region: 'eu-west-3', external_id: 'the external id' });
    assert.equal(made.providerConfigKey, 'aws');
    const { credentials } = await server.ok('GET', `/connections/${made.connectionId}?provider_config_key=aws`);
    assert.equal(credentials.region, 'eu-west-3');
    assert.match(credentials.access_key_id, /^ASIA/);
});

test('what goes wrong is said without secrets', async () => {
    const get = async (key = 'aws') => (await server.api('GET', `/connections/${id}?provider_config_key=${key}`)).body.error;
    await connect({ role_arn, external_id: 'a wrong id', service: 'sqs' });
    assert.match((await get()).message, /answered 403, AccessDenied: you may not assume this role/);
    id += 'a';
    await connect({ role_arn, region: 'evil.example/', service: 'sqs' });
    assert.match((await get()).message, /is no AWS region/);
    id += 'b';
    await connect({ role_arn, service: 'sqs' }, {}, 'keyless');
    assert.match((await get('keyless')).message, /no keys to assume roles with/);
    id += 'c';
    await connect({ access_key_id: 'AKIDSTATIC', secret_access_key: 'static/secret+' });
    const { status, body } = await proxy('/api/1');
    assert.equal(status, 400);
    assert.match(body.error.message, /which AWS service/);
    for (const credentials of [{}, { access_key_id: 'x' }, { region: 'eu-west-1' }]) {
        const refused = await server.api('POST', '/connections', { provider_config_key: 'aws', connection_id: 'x', credentials: { type: 'AWS_SIGV4', ...credentials } });
        assert.equal(refused.status, 400);
        assert.match(refused.body.error.errors[0].message, /role_arn/);
    }
});

test('answers that are none', async () => {
    for (const [what, handler, message] of [
        ['a page', html, /something else than JSON/],
        ['a huge answer', huge(3 << 20), /could not be asked/],
        ['keys that are missing', json({ AssumeRoleResponse: { AssumeRoleResult: { Credentials: { AccessKeyId: 'x' } } } }), /holds no SecretAccessKey/],
        ['another thing', json([]), /holds no AccessKeyId/]
    ] as const) {
        id = `bad-${what.replaceAll(' ', '-')}`;
        const file = `/bad/${id}`;
        fake.on('POST', file, handler);
        await server.ok('POST', '/integrations', { provider: 'aws', unique_key: id, custom: { access_key_id: 'AKIDBASE', secret_access_key: 'base-secret', sts_url: fake.url + file } });
        await connect({ role_arn, service: 'sqs' }, {}, id);
        const { status, body } = await server.api('GET', `/connections/${id}?provider_config_key=${id}`);
        assert.equal(status, 400, what);
        assert.match(body.error.message, message, what);
    }
});

test('no secret is in the log of the server', async () => {
    assert.doesNotMatch(server.log.join('\n'), /base-secret|static\/secret|role-secret|role-session|a\/session/);
});

test('the server ends without complaint', async () => {
    assert.equal(await server.stop(), 0, server.log.slice(-30).join('\n'));
});
