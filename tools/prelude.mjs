/*
 * Bundles js/prelude into the one script that every JavaScript realm of a runner evaluates first.
 *
 *	node tools/prelude.mjs OUT_DIR [DEPFILE]
 *
 * Writes prelude.js and, to link it into the binary, prelude.S.
 *
 * zod is changed on the way (why: js/README.md): a realm is shared by many runs and frozen after
 * the prelude, so zod may keep no state that a run can reach. Each change names the text that it
 * replaces and how often it occurs, so that an upgrade of zod fails here and not in production.
 */
import { build } from 'esbuild';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/* [file under zod/v4, [[old text, new text, occurrences]...]] */
const ZOD_PATCHES = {
	// A shared regexp is frozen: lastIndex may be written only where it is used at all.
	'core/checks.js': [
		[
			'def.pattern.lastIndex = 0;',
			'if (def.pattern.global || def.pattern.sticky) def.pattern.lastIndex = 0;',
			2,
		],
	],
	'core/schemas.js': [
		[
			'def.hostname.lastIndex = 0;',
			'if (def.hostname.global || def.hostname.sticky) def.hostname.lastIndex = 0;',
			1,
		],
		[
			'def.protocol.lastIndex = 0;',
			'if (def.protocol.global || def.protocol.sticky) def.protocol.lastIndex = 0;',
			1,
		],
		// Built by zod itself without flags: never global.
		['inst._zod.pattern.lastIndex = 0;', '', 1],
	],
	// The registry would carry data between runs under any shared key.
	'core/registries.js': [
		[
			'(_a = globalThis).__zod_globalRegistry ?? (_a.__zod_globalRegistry = registry());\n' +
				'export const globalRegistry = globalThis.__zod_globalRegistry;',
			`class GlobalRegistry extends $ZodRegistry {
	add(schema, ...meta) {
		if (!Object.hasOwn(schema, '_zod'))
			throw new TypeError('only a schema can be registered');
		this._map.set(schema, meta[0]);
		return this;
	}
	clear() {
		throw new TypeError('the global registry cannot be cleared');
	}
	remove(schema) {
		this._map.delete(schema);
		return this;
	}
}
const GLOBAL = new GlobalRegistry();
const GLOBAL_MAP = GLOBAL._map;
delete GLOBAL._idmap;
Object.defineProperty(GLOBAL, '_map', { value: {
	get: (k) => GLOBAL_MAP.get(k),
	has: (k) => GLOBAL_MAP.has(k),
	set: (k, v) => {
		if (!Object.hasOwn(k, '_zod'))
			throw new TypeError('only a schema can be registered');
		GLOBAL_MAP.set(k, v);
	},
	delete: (k) => GLOBAL_MAP.delete(k),
} });
export const globalRegistry = GLOBAL;`,
			1,
		],
	],
	'core/util.js': [
		[
			'export const propertyKeyTypes = new Set(["string", "number", "symbol"]);',
			'const TYPES = (...t) => Object.freeze({ has: Object.freeze((k) => t.includes(k)) });\n' +
				'export const propertyKeyTypes = TYPES("string", "number", "symbol");',
			1,
		],
		[
			'export const primitiveTypes = new Set(["string", "number", "bigint", "boolean", "symbol", "undefined"]);',
			'export const primitiveTypes = TYPES("string", "number", "bigint", "boolean", "symbol", "undefined");',
			1,
		],
		// Its lazy cache would be written after the freeze.
		[
			'export const allowsEval = cached(() => {',
			'export const allowsEval = { value: true };\nvoid (() => {',
			1,
		],
	],
	// The one place that may still compile code: the functions zod generates for object schemas.
	'core/doc.js': [
		['export class Doc {', 'const PrivateFunction = Function;\nexport class Doc {', 1],
		['const F = Function;', 'const F = PrivateFunction;', 1],
	],
};

function patched(file, text) {
	for (const [old, now, times] of ZOD_PATCHES[file]) {
		const found = text.split(old).length - 1;
		if (found !== times)
			throw new Error(
				`zod/v4/${file}: expected ${times} times, found ${found} times: ${old}\n` +
					'(this release of zod differs from the one that tools/prelude.mjs knows)',
			);
		text = text.replaceAll(old, () => now);
	}
	return text;
}

const applied = new Set();

const zodPlugin = {
	name: 'zod',
	setup(b) {
		b.onLoad({ filter: /zod\/v4\/core\/[a-z-]+\.js$/ }, async ({ path }) => {
			const file = path.slice(path.lastIndexOf('zod/v4/') + 'zod/v4/'.length);
			if (!ZOD_PATCHES[file])
				return undefined;
			applied.add(file);
			return { contents: patched(file, await readFile(path, 'utf8')), loader: 'js' };
		});
		// All languages but English: 190 KB that no function asked for.
		b.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
			contents: 'export { default as en } from "./en.js";',
			loader: 'js',
		}));
	},
};

const [outDir, depfile] = process.argv.slice(2);
if (!outDir) {
	console.error('usage: node tools/prelude.mjs OUT_DIR [DEPFILE]');
	process.exit(2);
}
const out = join(outDir, 'prelude.js');
const result = await build({
	absWorkingDir: ROOT,
	entryPoints: ['js/prelude/main.ts'],
	bundle: true,
	format: 'iife',
	platform: 'neutral',
	mainFields: ['module', 'main'],
	target: 'es2023',
	banner: { js: '"use strict";' },
	minifyWhitespace: true,
	minifySyntax: true,
	legalComments: 'none',
	charset: 'ascii',
	outfile: out,
	write: false,
	metafile: true,
	plugins: [zodPlugin],
	logLevel: 'warning',
});
for (const file of Object.keys(ZOD_PATCHES))
	if (!applied.has(file))
		throw new Error(`zod/v4/${file} is no part of the bundle: a patch went unused`);

/* Read-only data between two symbols, for ELF and Mach-O; its path is relative to the build. */
const assembly = `#ifdef __APPLE__
#define SYMBOL(name) _##name
	.section __TEXT,__const
#else
#define SYMBOL(name) name
	.section .rodata
#endif
	.globl SYMBOL(prelude_js), SYMBOL(prelude_js_end)
#ifdef __ELF__
	.hidden prelude_js, prelude_js_end
#endif
SYMBOL(prelude_js):
	.incbin "${out}"
SYMBOL(prelude_js_end):
	.byte 0
#ifdef __ELF__
	.section .note.GNU-stack,"",%progbits
#endif
`;

await writeFile(out, result.outputFiles[0].contents);
await writeFile(join(outDir, 'prelude.S'), assembly);
if (depfile) {
	const inputs = Object.keys(result.metafile.inputs).map((f) => relative(process.cwd(), join(ROOT, f)));
	await writeFile(depfile, `${out} ${join(outDir, 'prelude.S')}: ${inputs.join(' ')}\n`);
}
