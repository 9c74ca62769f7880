/* The public CLI, unchanged, deploys and tries the example functions. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { App, copyDir, root, run, Server, serverWithApp, type Finished } from './harness.ts';

let server: Server;
let app: App;
let crm: string;
let stopCrm: () => void;

before(async () => {
    const child = spawn(process.execPath, [join(root, 'examples', 'provider', 'main.ts'), '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    stopCrm = () => void child.kill();
    process.on('exit', stopCrm);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    crm = line.match(/http:\S+/)![0];
    ({ server, app } = await serverWithApp());
    await server.ok('POST', '/integrations', { provider: 'private-api-bearer', unique_key: 'crm' });
});
after(async () => {
    await server.stop();
    stopCrm();
    app.close();
});

/** The example, as `npm install` would leave it. */
function example(): string {
    const dir = copyDir(join(root, 'examples', 'functions'));
    for (const made of ['build', '.nango/nango.json']) rmSync(join(dir, made), { recursive: true, force: true });
    mkdirSync(join(dir, '.nango'), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
    return dir;
}

function nango(dir: string, ...argv: string[]): Promise<Finished> {
    const bin = join(root, 'node_modules', '.bin');
    const env = { PATH: `${bin}:${process.env['PATH']}`, NANGO_HOSTPORT: server.url, NANGO_SECRET_KEY_DEV: server.key, NANGO_CLI_UPGRADE_MODE: 'ignore', CI: '1' };
    return run(join(bin, 'nango'), [...argv, '--no-interactive', '--no-dependency-update', '--no-telemetry'], env, dir);
}

const said = ({ stdout, stderr }: Finished) => stdout + stderr;
const deployed = async () => (await server.ok('GET', '/scripts/config')).flatMap(({ syncs }: any) => syncs.map((each: any) => [each.name, each.version]));

test('a connection that is there is synced by what is deployed', async () => {
    await server.ok('POST', '/connections', { provider_config_key: 'crm', connection_id: 'acme', credentials: { type: 'API_KEY', apiKey: 'acme-key' }, connection_config: { baseUrl: crm } });
    const result = await nango(example(), 'deploy', 'dev', '--auto-confirm');
    assert.equal(result.code, 0, said(result));
    assert.match(said(result), /Successfully deployed the functions/);
    for (const name of ['contacts', 'companies', 'tickets']) assert.match(said(result), new RegExp(`${name}@v1\\.0\\.0`));
    const hooks = await app.syncs(3);
    assert.deepEqual(hooks.map(({ model, success }) => [model, success]).sort(), [['Company', true], ['Contact', true], ['Ticket', true]]);
    assert.ok(hooks.every(({ responseResults }) => responseResults.added > 10), JSON.stringify(hooks));
});

test('again, a dry run, a compile error and a destructive change', async () => {
    const before = await deployed();
    const statuses = await server.status('acme', '*', 'crm');
    const smaller = example();
    writeFileSync(join(smaller, 'index.ts'), `import './crm/syncs/contacts.js';\n`);
    const broken = example();
    const source = join(broken, 'crm', 'syncs', 'contacts.ts');
    writeFileSync(source, readFileSync(source, 'utf8').replace(`frequency: 'every 30 seconds'`, `frequency: 'every now and then'`));

    const again = await nango(example(), 'deploy', 'dev', '--auto-confirm');
    assert.equal(again.code, 0, said(again));
    assert.deepEqual(await deployed(), before, 'the same code keeps its version');
    assert.deepEqual((await server.status('acme', '*', 'crm')).map(({ id }) => id).sort(), statuses.map(({ id }) => id).sort());

    // Each of them for itself: they change nothing.
    const dry = example();
    const [dryrun, destructive, wrong] = await Promise.all([
        nango(dry, 'compile').then(() => nango(dry, 'dryrun', 'contacts', 'acme', '-e', 'dev', '--integration-id', 'crm', '--auto-confirm')),
        nango(smaller, 'deploy', 'dev', '--auto-confirm'),
        nango(broken, 'deploy', 'dev', '--auto-confirm')
    ]);
    assert.equal(dryrun.code, 0, said(dryrun));
    assert.match(said(dryrun), /contacts/);
    assert.match(said(dryrun), /"email"|email:/);
    assert.equal(destructive.code, 11, said(destructive));
    assert.notEqual(wrong.code, 0);
    assert.deepEqual(await deployed(), before, 'nothing changed');
});

test('a wrong key, and a server that is not there', async () => {
    const dir = example();
    const key = server.key;
    const bin = join(root, 'node_modules', '.bin');
    const env = (url: string, secret: string) => ({ PATH: `${bin}:${process.env['PATH']}`, NANGO_HOSTPORT: url, NANGO_SECRET_KEY_DEV: secret, NANGO_CLI_UPGRADE_MODE: 'ignore', CI: '1' });
    const argv = ['deploy', 'dev', '--auto-confirm', '--no-interactive', '--no-dependency-update', '--no-telemetry'];
    const wrong = await run(join(bin, 'nango'), argv, env(server.url, key.replace(/^.{8}/, '00000000')), dir);
    assert.equal(wrong.code, 11, said(wrong));
    assert.match(said(wrong), /unknown_account/);
});
