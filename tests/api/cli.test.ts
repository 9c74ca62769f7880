/* Our own command line: compile, deploy, dryrun, test. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Collection } from '../fake/collection.ts';
import { startFake, type Fake } from '../fake/fake.ts';
import { App, binary, copyDir, project, root, run, Server, serverWithApp, sync, type Finished } from './harness.ts';

let server: Server;
let app: App;
let fake: Fake;
const items = new Collection(3);
before(async () => {
    ({ server, app } = await serverWithApp());
    fake = await startFake();
    fake.on('GET', '/items', items.byCursor);
    await server.integration();
    await server.integration('crm');
});
after(async () => {
    await server.stop();
    await fake.close();
    app.close();
});

/** In the folder of a project, with the keys of the server. */
function tidemark(dir: string, ...argv: string[]): Promise<Finished> {
    return run(binary, argv, { TIDEMARK_HOST: server.url, TIDEMARK_SECRET_KEY_DEV: server.key, PATH: `${join(root, 'node_modules', '.bin')}:${process.env['PATH']}` }, dir);
}

/** A project of one function, changed. */
const one = (source: string) => project({ 'fake/syncs/items': source });

test('compile makes the files that the public CLI makes', async () => {
    const dir = copyDir(join(root, 'examples', 'functions'));
    rmSync(join(dir, 'build'), { recursive: true, force: true });
    const { code, stdout, stderr } = await tidemark(dir, 'compile');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /3 functions compiled/);
    for (const name of ['contacts', 'companies', 'tickets']) assert.ok(existsSync(join(dir, 'build', `crm_syncs_${name}.cjs`)), name);
    const bundle = readFileSync(join(dir, 'build', 'crm_syncs_contacts.cjs'), 'utf8');
    assert.match(bundle, /require\("zod"\)/);
});

test('compile says what is wrong and where', async () => {
    const good = sync(`await nango.batchSave([], 'Item');`);
    const wrong: [string, string, RegExp][] = [
        ['syntax', good.replace('await nango.batchSave', 'await await) nango.batchSave'), /fake\/syncs\/items\.ts:\d+:\d+/],
        ['import', good.replace(`import { z }`, `import fs from 'node:fs';\nimport { z }`).replace(`await nango.`, `fs.readdirSync('.'); await nango.`), /fs.*not allowed|disallowed|fs/],
        ['missing file', good.replace(`import { z }`, `import x from './missing.js';\nimport { z }`).replace(`await nango.`, `x(); await nango.`), /items\.ts:\d+:\d+/],
        ['no default export', good.replace('export default', 'export const it ='), /default|export/],
        ['frequency', good.replace('every hour', 'every now and then'), /frequency/],
        ['short frequency', good.replace('every hour', 'every 2 seconds'), /15 seconds/],
        ['model name', good.replace('Item:', 'item:'), /model/],
        ['no models', good.replace(/models: .*,/, 'models: {},'), /model/],
        ['throws at load', `${good}\nthrow new Error('at load');`, /at load/]
    ];
    for (const [name, source, message] of wrong) {
        const { code, stderr } = await tidemark(one(source), 'compile');
        assert.equal(code, 1, name);
        assert.match(stderr, message, name);
        assert.match(stderr, /^tidemark: compile failed: /m, name);
    }
    const missing = project({ 'fake/syncs/items': good });
    writeFileSync(join(missing, 'index.ts'), `import './fake/syncs/items.js';\nimport './fake/syncs/other.js';\n`);
    assert.match((await tidemark(missing, 'compile')).stderr, /other/);
    assert.match((await tidemark(copyDir(join(root, 'docs')), 'compile')).stderr, /index\.ts/);
});

test('deploy tells what changes, and asks before it destroys', async () => {
    const source = sync(`await nango.batchSave([{ id: '1' }], 'Item');`, { autoStart: false });
    const both = project({ 'fake/syncs/items': source, 'fake/syncs/others': source.replaceAll('Item', 'Other') });
    const first = await tidemark(both, 'deploy', 'dev');
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /\+ sync fake\/items/);
    assert.match(first.stdout, /deployed fake\/others@v1\.0\.0/);
    assert.match(first.stdout, /2 functions deployed/);
    await server.connection('c1', fake.url);

    const again = await tidemark(both, 'deploy', 'dev', '.');
    assert.equal(again.code, 0, again.stderr);
    assert.doesNotMatch(again.stdout, /[+-] sync/);

    const fewer = project({ 'fake/syncs/items': source });
    for (const argv of [[], ['--auto-confirm'], ['--allow-destructive']]) {
        const refused = await tidemark(fewer, 'deploy', 'dev', ...argv);
        assert.equal(refused.code, 1, argv.join(' '));
        assert.match(refused.stdout, /- sync fake\/others \(1 connections?\)/);
        assert.match(refused.stderr, /--allow-destructive/);
    }
    assert.equal((await server.status('c1')).length, 2);
    const only = await tidemark(fewer, 'deploy', 'dev', '--sync', 'items');
    assert.equal(only.code, 0, 'one function alone deletes no other');
    assert.equal((await server.status('c1')).length, 2);
    const allowed = await tidemark(fewer, 'deploy', 'dev', '--auto-confirm', '--allow-destructive');
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.deepEqual((await server.status('c1')).map(({ name }) => name), ['items']);

    const dropped = await tidemark(one(source.replaceAll('Item', 'Renamed')), 'deploy', 'dev', '--auto-confirm');
    assert.equal(dropped.code, 1);
    assert.match(dropped.stdout, /- model Item/);
});

test('deploy refuses what cannot be, with the server\'s reason', async () => {
    const source = sync('');
    const unknown = await tidemark(project({ 'nowhere/syncs/items': source }), 'deploy', 'dev', '--auto-confirm', '--allow-destructive');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /nowhere|unknown_provider_config/);
    const dir = one(source);
    const env = { TIDEMARK_HOST: server.url, TIDEMARK_SECRET_KEY_DEV: server.key.replace(/^.{8}/, '00000000') };
    assert.match((await run(binary, ['deploy', 'dev'], env, dir)).stderr, /^tidemark: deploy failed: .*(unknown_account|secret key)/m);
    assert.match((await run(binary, ['deploy', 'staging'], { TIDEMARK_HOST: server.url }, dir)).stderr, /TIDEMARK_SECRET_KEY_STAGING/);
    const away = await run(binary, ['deploy', 'dev'], { TIDEMARK_HOST: 'http://127.0.0.1:1', TIDEMARK_SECRET_KEY_DEV: server.key }, dir);
    assert.equal(away.code, 1);
    assert.match(away.stderr, /127\.0\.0\.1/);
    assert.equal((await tidemark(dir, 'deploy')).code, 2);
    assert.match((await tidemark(dir, 'deploy', 'dev', '--sync', 'nothing')).stderr, /nothing/);
});

test('a dry run asks the real API and stores nothing', async () => {
    const dir = one(
        sync(`
        const { data } = await nango.get({ endpoint: '/items' });
        await nango.log('got ' + data.items.length);
        await nango.batchSave([...data.items, { id: 'extra', of: await nango.getCheckpoint(), metadata: await nango.getMetadata(), variant: nango.variant }], 'Item');
        await nango.batchDelete([{ id: 'old' }], 'Item');
        await nango.saveCheckpoint({ page: 1 });`)
    );
    await server.connection('dry', fake.url);
    const { code, stdout, stderr } = await tidemark(dir, 'dryrun', 'items', 'dry', '-e', 'dev', '--checkpoint', '{"page":7}', '--metadata', '{"team":"x"}', '--variant', 'v1', '--diagnostics');
    assert.equal(code, 0, stderr);
    for (const text of ['item-0000003', '"extra"', '"page":7', '"team":"x"', '"v1"', '"old"']) assert.ok((stdout + stderr).replace(/": /g, '":').includes(text), `${text} in ${stdout}${stderr}`);
    assert.match(stderr, /got 3/);
    assert.match(stderr, /memory: average .*peak .*MB.*\nCPU: average /);
    assert.deepEqual(await server.records('dry', 'Item'), []);

    const fails = await tidemark(one(sync(`throw new Error('in line');`)), 'dryrun', 'items', 'dry');
    assert.equal(fails.code, 1);
    assert.match(fails.stderr, /in line/);
    assert.match(fails.stderr, /items\.ts:7/);
    assert.match((await tidemark(dir, 'dryrun', 'items', 'nobody')).stderr, /nobody/);
    assert.match((await tidemark(dir, 'dryrun', 'nothing', 'dry')).stderr, /no function 'nothing'/);
    assert.equal((await tidemark(dir, 'dryrun', 'items')).code, 2);
});

test('a dry run checks records when it is told to', async () => {
    const dir = one(sync(`await nango.batchSave([{ id: 1 } as any], 'Item');`));
    await server.connection('valid', fake.url);
    assert.equal((await tidemark(dir, 'dryrun', 'items', 'valid')).code, 0);
    const checked = await tidemark(dir, 'dryrun', 'items', 'valid', '--validate');
    assert.equal(checked.code, 1);
    assert.match(checked.stderr, /id/);
});

test('what a saved dry run read, when it ran and how it failed is in the recording', async () => {
    const dir = project({
        'fake/actions/reads': `
import { createAction } from 'nango';
import { z } from 'zod';
export default createAction({
    description: 'x', version: '1.0.0', input: z.any(), output: z.any(),
    exec: async (nango: any, input: any) => {
        const { connection_config, credentials } = await nango.getConnection();
        const answer = await nango.get({ endpoint: '/items', params: { at: String(Math.floor(Date.now() / 60_000)) } });
        if (input.fail) throw new nango.ActionError({ message: 'told to', why: input.fail });
        return { config: Object.keys(connection_config), type: credentials.type, count: answer.data.items.length, seen: await nango.getCheckpoint() };
    }
});`
    });
    await server.connection('reader', fake.url);
    const file = join(dir, 'fake', 'tests', 'reads.test.json');
    const saved = await tidemark(dir, 'dryrun', 'reads', 'reader', '--save', '--input', '{"a":1}', '--checkpoint', '{"page":3}', '--diagnostics');
    assert.equal(saved.code, 0, saved.stderr);
    assert.match(saved.stderr, /^memory: average [\d.]+ MB, peak [\d.]+ MB/m);
    const recording = JSON.parse(readFileSync(file, 'utf8'));
    assert.deepEqual(recording.nango.getCheckpoint, { page: 3 });
    assert.doesNotMatch(readFileSync(file, 'utf8'), new RegExp(server.key));
    for (const value of Object.values(recording.nango.getConnection.credentials)) assert.ok(value === 'REDACTED' || /^[A-Z0-9_]+$/.test(value as string), String(value));
    const again = await run(binary, ['test', dir, '--diagnostics']);
    assert.equal(again.code, 0, again.stdout);
    assert.match(again.stderr, /^CPU: average [\d.]+ ms, peak [\d.]+ ms/m);

    const failed = await tidemark(dir, 'dryrun', 'reads', 'reader', '--save', '--input', '{"fail":"because"}');
    assert.equal(failed.code, 1);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).error, { type: 'action_script_runtime_error', payload: { message: 'told to', why: 'because' } });
    assert.equal((await run(binary, ['test', dir])).code, 0);
});

test('a dry run triggers actions of the server and fetches, and its recording has both', async () => {
    const action = (exec: string) => `
import { createAction } from 'nango';
import { z } from 'zod';
export default createAction({ description: 'x', version: '1.0.0', input: z.any(), output: z.any(), exec: async (nango: any, input: any) => { ${exec} } });`;
    const double = action(`if (input.n === 13) throw new nango.ActionError({ why: 13 }); return { n: 2 * input.n };`);
    await server.connection('other', fake.url);
    await server.deploy({ 'fake/actions/double': double });
    const dir = project({
        'fake/actions/calls': action(`
            const said = [];
            const note = (error: any) => [error.status ?? error.payload?.code ?? error.cause?.code ?? error.code, error.response?.data.error.payload];
            for (const [name, n] of [['double', 4], ['double', 13], ['nothing', 1]]) said.push(await nango.triggerAction('fake', 'other', name, { n }).catch(note));
            const fetched = await nango.uncontrolledFetch({ url: new URL(input.url + '/items?x=1'), headers: { 'X-Way': 'a' } });
            said.push([fetched.status, fetched.url.endsWith('/items?x=1'), (await fetched.json()).items.length]);
            if (input.away) said.push(await nango.uncontrolledFetch({ url: new URL(input.away) }).catch(note));
            return said;`)
    });
    const { code, stdout, stderr } = await tidemark(dir, 'dryrun', 'calls', 'other', '--save', '--input', JSON.stringify({ url: fake.url }));
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout).output, [{ n: 8 }, [500, { why: 13 }], [404, null], [200, true, 3]]);
    const { nango, api } = JSON.parse(readFileSync(join(dir, 'fake', 'tests', 'calls.test.json'), 'utf8'));
    assert.deepEqual(nango.triggerAction.map(({ name, input, output, error }: any) => [name, input.n, output ?? error.status]), [['double', 4, { n: 8 }], ['double', 13, 500], ['nothing', 1, 404]]);
    assert.deepEqual(Object.keys(api.get), ['/items?x=1']);
    assert.deepEqual(api.get['/items?x=1'][0].request.headers, { 'x-way': 'a' });
    assert.equal((await run(binary, ['test', dir])).code, 0);
    const refused = await tidemark(dir, 'dryrun', 'calls', 'other', '--input', JSON.stringify({ url: fake.url, away: 'http://127.0.0.1:1/' }));
    assert.deepEqual(JSON.parse(refused.stdout).output.at(-1), ['ECONNREFUSED', null]);
});

test('a dry run that is saved is a test that passes, until the function changes', async () => {
    const source = sync(`
        const { data } = await nango.get({ endpoint: '/items' });
        const ids = data.items.map(({ id }) => ({ id }));
        await nango.batchSave(ids, 'Item');`);
    const dir = one(source);
    await server.connection('saved', fake.url);
    const saved = await tidemark(dir, 'dryrun', 'items', 'saved', '--save');
    assert.equal(saved.code, 0, saved.stderr);
    assert.ok(existsSync(join(dir, 'fake', 'tests', 'items.test.json')));
    const passed = await run(binary, ['test', dir]);
    assert.equal(passed.code, 0, passed.stdout + passed.stderr);
    assert.match(passed.stdout, /1 passed, 0 failed, 0 skipped\n$/);
    writeFileSync(join(dir, 'fake', 'syncs', 'items.ts'), source.replace('(ids,', '(ids.slice(1),'));
    const failed = await run(binary, ['test', dir]);
    assert.equal(failed.code, 1);
    assert.match(failed.stdout, /^FAIL\s+fake\/items: /m);
});
