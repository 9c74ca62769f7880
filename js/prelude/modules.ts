/* What a function can require, shared by all runs. */
import { crypto } from './crypto.ts';
import { share } from './shared.ts';
import { unzipper } from './unzipper.ts';
import { zod } from './zod.ts';

const withType = (type: string) => (definition: object) => ({ type, ...definition });

const nango = {
	createSync: withType('sync'),
	createAction: withType('action'),
	createOnEvent: withType('onEvent'),
};

/* Functions without a kind: they can be run and tested here, not deployed yet. */
const experimental = { ...nango, createFunction: withType('function') };

const url = { URL, URLSearchParams };

const MODULES: Record<string, object> = {
	nango, tidemark: nango, 'nango/experimental': experimental, zod, url, crypto, unzipper,
};

const KNOWN_ELSEWHERE = ['soap', 'botbuilder'];

/* A plain function, shared: it holds nothing of any run. */
export function require(name: string): object {
	const bare = String(name).replace(/^node:/, '');
	if (Object.hasOwn(MODULES, bare))
		return MODULES[bare] as object;
	const have = Object.keys(MODULES).join(', ');
	if (KNOWN_ELSEWHERE.includes(bare))
		throw new Error(`Module '${bare}' is not available in this release (available: ${have})`);
	throw new Error(`Module '${bare}' is not allowed (available: ${have}; other packages must be bundled)`);
}

share(MODULES);
share(require);
