/* The connection to PostgreSQL over TLS: a certificate that cannot be verified is refused, with what to do. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, root, run, Server, tempDir } from './harness.ts';
import { createDatabase, psql } from './postgres.ts';

const dir = tempDir();
const certificate = join(dir, 'data', 'server.crt');
const stranger = join(tempDir(), 'stranger.crt');
let database: string;

/** A certificate for 127.0.0.1 with its own root. */
function signItself(out: string, key: string): void {
    const argv = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=database'];
    execFileSync('openssl', [...argv, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', out], { stdio: 'ignore' });
}

const withPostgres = (...argv: string[]) => execFileSync(join(root, 'tests/with-postgres'), argv, { encoding: 'utf8' }).trim();

/** A cluster of its own that speaks TLS. */
before(async () => {
    withPostgres('--start', dir);
    const key = join(dir, 'data', 'server.key');
    signItself(certificate, key);
    signItself(stranger, join(tempDir(), 'key'));
    chmodSync(key, 0o600);
    if (process.getuid?.() === 0) execFileSync('chown', ['postgres', key, certificate]);
    appendFileSync(join(dir, 'data', 'postgresql.conf'), 'ssl = on\n');
    withPostgres('--stop', dir, 'fast');
    database = await createDatabase(withPostgres('--start', dir));
});
after(() => {
    withPostgres('--stop', dir);
});

test('a certificate nobody vouches for is refused', async () => {
    const said = await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', tempDir(), '--database', `${database}?sslmode=verify-full&sslrootcert=${stranger}`], {
        TIDEMARK_ENCRYPTION_KEY: randomBytes(32).toString('base64')
    });
    assert.equal(said.code, 2);
    assert.match(said.stderr, /the database's certificate cannot be verified: .*\(put sslrootcert=FILE in the URL/);
});

test('with its root given the server works, over TLS', async () => {
    const server = await Server.start({ database: `${database}?sslmode=verify-full&sslrootcert=${certificate}` });
    await server.ok('GET', '/ready');
    const sessions = await psql(database, `SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'tidemark'`);
    assert.deepEqual(sessions, ['t']);
    await server.stop();
});
