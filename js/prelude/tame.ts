/*
 * Takes from the realm what would let runs reach each other or make code from text, and replaces
 * what hides shared state (spec hardened-realm, recipe 4 and 5). Runs after every library has
 * loaded and before the freeze. Each line closes a hole that was demonstrated.
 */
import { host } from './host.ts';
import { functionPrototypes } from './intrinsics.ts';

const GONE = ['WeakRef', 'FinalizationRegistry', 'Atomics', 'SharedArrayBuffer', 'WebAssembly', 'eval',
	'ShadowRealm', '__core-js_shared__', 'Loader', '$vm'];

/* RegExp.$1, RegExp.input, ...: the last match of any run. */
const REGEXP_STATICS = ['input', '$_', 'lastMatch', '$&', 'lastParen', '$+', 'leftContext', '$`',
	'rightContext', "$'", 'multiline', '$*', '$1', '$2', '$3', '$4', '$5', '$6', '$7', '$8', '$9'];

function remove(target: object, key: PropertyKey): void {
	if (Object.hasOwn(target, key) && !Reflect.deleteProperty(target, key))
		throw new Error(`prelude: ${String(key)} cannot be removed`);
}

function refuseCode(): never {
	throw new EvalError('Code generation from strings disallowed for this context');
}

/* Stands for Function and its three kin: same prototype, so instanceof goes on working. */
function thrower(prototype: object, name: string): object {
	const f = { [name]: function () { return refuseCode(); } }[name] as object;
	Object.defineProperty(f, 'prototype', { value: prototype, writable: false });
	return f;
}

function replaceFunctionConstructors(): void {
	for (const prototype of functionPrototypes) {
		const old = (prototype as any).constructor;
		const now = thrower(prototype, old.name);
		Object.defineProperty(prototype, 'constructor', { value: now });
		if (old === Function)
			Object.defineProperty(globalThis, 'Function', { value: now });
	}
}

const silentConsole = () => {
	const names = ['log', 'info', 'debug', 'warn', 'error', 'trace', 'dir', 'table', 'time', 'timeEnd'];
	return Object.fromEntries(names.map((name) => [name, () => undefined]));
};

export function tameIntrinsics(): void {
	for (const name of GONE)
		remove(globalThis, name);
	for (const name of REGEXP_STATICS)
		remove(RegExp, name);
	remove(Function.prototype, 'caller');
	remove(Function.prototype, 'arguments');
	replaceFunctionConstructors();
	// Rewrites even a frozen regexp.
	(RegExp.prototype as any).compile = { compile() { throw new TypeError('RegExp.compile is not available'); } }
		.compile;
	// The engine's generator is state that all runs share.
	Math.random = { random: () => host.random() }.random;
	(globalThis as any).console = silentConsole();
}
