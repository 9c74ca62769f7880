/*
 * zod as functions see it. Its namespaces become plain objects, because the freeze walk sees values,
 * not what a getter would return.
 */
import * as namespace from 'zod';
import { share } from './shared.ts';

function plain(source: any): any {
	const out: any = {};
	for (const key of Object.keys(source)) {
		const value = source[key];
		out[key] = isNamespace(value) ? plain(value) : value;
	}
	return out;
}

/* esbuild makes a namespace from an object whose members are all getters. */
function isNamespace(value: any): boolean {
	if (typeof value !== 'object' || value === null || Array.isArray(value))
		return false;
	const all = Object.values(Object.getOwnPropertyDescriptors(value));
	return all.length > 0 && all.every((d: any) => typeof d.get === 'function' && d.set === undefined);
}

const library = plain(namespace);

library.z = library;
library.default = library;
Object.defineProperty(library, '__esModule', { value: true });

// Errors are made by a class inside of the class that is exported.
for (const make of [library.ZodError, library.ZodRealError, library.core.$ZodError, library.core.$ZodRealError])
	share(Object.getPrototypeOf(new make([])));

export const zod = library;
