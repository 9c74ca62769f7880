/* The provider catalogue: what is built in, files laid over it, and files that make no sense. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, run, Server, tempDir } from './harness.ts';

const FILE = `
parcels:
    display_name: Parcels
    auth_mode: API_KEY
    some_field_of_tomorrow: { deep: [1, { x: true }] }
    proxy:
        base_url: https://\${connectionConfig.region}.parcels.test
        headers:
            x-key: \${apiKey}
boxes:
    alias: parcels
    display_name: Boxes
github:
    alias: github
    proxy:
        base_url: https://github.acme.test/api/v3
`;

let server: Server;
before(async () => {
    const file = join(tempDir(), 'mine.yaml');
    writeFileSync(file, FILE);
    server = await Server.start({ args: ['--providers', file] });
});
after(() => server.stop());

const provider = async (name: string) => (await server.ok('GET', `/providers/${name}`)).data;

test('the built-in catalogue is there', async () => {
    const { data } = await server.ok('GET', '/providers');
    const names = new Set(data.map(({ name }: { name: string }) => name));
    assert.ok(names.size > 90, String(names.size));
    for (const name of ['hubspot', 'salesforce', 'notion', 'twilio', 'square', 'zoho-crm', 'private-api-bearer']) assert.ok(names.has(name), name);
});

test('a file adds entries, with fields that nobody knows yet', async () => {
    const parcels = await provider('parcels');
    assert.equal(parcels.proxy.base_url, 'https://${connectionConfig.region}.parcels.test');
    assert.deepEqual(parcels.some_field_of_tomorrow, { deep: [1, { x: true }] });
});

test('an alias takes over what it does not say, and changes an entry below', async () => {
    const boxes = await provider('boxes');
    assert.deepEqual([boxes.display_name, boxes.auth_mode, boxes.proxy.headers['x-key'], boxes.alias], ['Boxes', 'API_KEY', '${apiKey}', undefined]);
    const github = await provider('github');
    assert.equal(github.proxy.base_url, 'https://github.acme.test/api/v3');
    assert.equal(github.token_url, 'https://github.com/login/oauth/access_token');
});

for (const [what, text, said] of [
    ['no YAML', 'a: [1', /bad\.yaml:\d+:\d+: /],
    ['a wrong type', 'a:\n  auth_mode: NONE\n  proxy:\n    base_url: 7\n', /bad\.yaml:4: provider 'a': \$\.proxy\.base_url: expected string, got number/],
    ['an unknown alias', 'a:\n  alias: nobody\n', /bad\.yaml:2: provider 'a': \$\.alias: there is no provider 'nobody'/],
    ['aliases in a circle', 'a: { alias: b }\nb: { alias: a }\n', /bad\.yaml:1: provider 'a': \$\.alias: leads back to itself/],
    ['an entry twice', 'a: { auth_mode: NONE }\na: { auth_mode: NONE }\n', /bad\.yaml:2:1: duplicate key/],
    ['a broken template', 'a:\n  auth_mode: NONE\n  proxy:\n    base_url: "https://${x.test"\n', /bad\.yaml:4: provider 'a': \$\.proxy\.base_url: a '\$\{' is not closed/]
] as const)
    test(`a file with ${what} stops the start, with its place`, async () => {
        const file = join(tempDir(), 'bad.yaml');
        writeFileSync(file, text);
        const { code, stderr } = await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', tempDir(), '--providers', file]);
        assert.equal(code, 2, stderr);
        assert.match(stderr, said);
    });

test('a file that is not there', async () => {
    const { code, stderr } = await run(binary, ['serve', '--listen', '127.0.0.1:0', '--data', tempDir(), '--providers', '/no/such/file.yaml']);
    assert.equal(code, 1);
    assert.match(stderr, /cannot open \/no\/such\/file\.yaml/);
});
