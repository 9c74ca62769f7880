/* The prelude calls what the protocol names, all of it and nothing else. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

test('calls.def and the prelude name the same methods', () => {
	const named = [...read('src/protocol/calls.def').matchAll(/^CALL\((\w+),/gm)].map((m) => m[1] as string);
	const prelude = readdirSync(new URL('js/prelude/', ROOT)).map((file) => read(`js/prelude/${file}`)).join('\n');
	const called = [...prelude.matchAll(/(?:run\.call(?:<\w+>)?|batch|deletedKeys|writeMetadata)\('(\w+)'/g)].map((m) => m[1] as string);
	assert.deepEqual([...new Set(called)].sort(), named.sort());
});

test('the wrapper and the host agree on the natives', () => {
	const offered = [...read('src/js/native.c').matchAll(/^\tN\((\w+)\)/gm)].map((m) => m[1] as string);
	const wanted = [...read('js/prelude/host.ts').matchAll(/^\t(\w+)\(/gm)].map((m) => m[1] as string);
	assert.deepEqual(offered.sort(), wanted.sort());
});
