/*
 * Databases for tests that run on PostgreSQL. TIDEMARK_TEST_POSTGRES is the URL of a cluster (tests/with-postgres makes
 * one): each server gets a database of its own there, which goes when the test process ends.
 */

import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

export const cluster = process.env['TIDEMARK_TEST_POSTGRES'];

/** Runs statements; the rows as `a|b` lines. */
export async function psql(url: string, sql: string): Promise<string[]> {
    const { stdout } = await promisify(execFile)('psql', ['-qAtX', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', sql], { maxBuffer: 1 << 30 });
    return stdout.split('\n').filter((line) => line !== '');
}

const made: string[] = [];

/** The URL of a new, empty database; of the cluster given, else of that of the test run. */
export async function createDatabase(where = cluster): Promise<string> {
    if (!where) throw new Error('no PostgreSQL cluster: run this under tests/with-postgres');
    const name = `tidemark_${randomBytes(8).toString('hex')}`;
    await psql(where, `CREATE DATABASE ${name}`);
    if (where === cluster) made.push(name);
    return Object.assign(new URL(where), { pathname: `/${name}` }).href;
}

process.on('exit', () => {
    if (!made.length) return;
    const drops = made.flatMap((name) => ['-c', `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]);
    try {
        execFileSync('psql', ['-qX', '-d', cluster!, ...drops], { stdio: 'ignore' });
    } catch {
        // The cluster itself goes at the end of the test run.
    }
});
