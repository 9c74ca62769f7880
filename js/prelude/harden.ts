/*
 * Freezes everything that two runs of a realm can both reach (spec hardened-realm, recipe 6 to 8).
 *
 * Freezing alone would break ordinary code: assigning `this.message = x` fails where a frozen
 * prototype has a `message`. So the properties that code does override on instances first become
 * accessors whose setter defines an own property.
 */
import { functionPrototypes, hiddenIntrinsics } from './intrinsics.ts';

const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError];

const OVERRIDABLE: [object, PropertyKey[] | 'all'][] = [
	[Object.prototype, 'all'],
	...ERRORS.map((e) => [e.prototype, 'all'] as [object, 'all']),
	[Function.prototype, ['constructor', 'toString', 'name', 'call', 'apply', 'bind']],
	[Array.prototype, ['constructor', 'toString', 'toLocaleString', 'push', 'concat', 'join']],
	[Promise.prototype, ['constructor', 'then', 'catch', 'finally']],
	[Date.prototype, ['constructor', 'toString', 'toJSON', 'toISOString', 'valueOf']],
	[RegExp.prototype, ['constructor', 'toString']],
	[Map.prototype, ['constructor', 'toString']],
	[Set.prototype, ['constructor', 'toString']],
	[Object.getPrototypeOf(Uint8Array.prototype), ['constructor', 'toString', 'set', 'slice']],
];

/* Returns the value, which from now on only the getter's closure holds: the walk cannot see it. */
function enableOverride(target: object, key: PropertyKey): unknown {
	const old = Object.getOwnPropertyDescriptor(target, key);
	if (!old || !('value' in old) || !old.configurable)
		return undefined;
	const { value } = old;
	const accessor = {
		get: () => value,
		set(this: object, now: unknown) {
			if (this === target)
				throw new TypeError(`cannot assign to read only property '${String(key)}'`);
			if (Object.hasOwn(this, key))
				(this as any)[key] = now;
			else
				Object.defineProperty(this, key, {
					value: now,
					writable: true,
					enumerable: true,
					configurable: true,
				});
		},
	};
	Object.defineProperty(target, key, {
		get: accessor.get,
		set: accessor.set,
		enumerable: old.enumerable,
		configurable: false,
	});
	return value;
}

const isObject = (value: unknown): value is object =>
	(typeof value === 'object' && value !== null) || typeof value === 'function';

/* Every object that can be reached from the roots, without running a getter. */
function reachable(roots: unknown[]): Set<object> {
	const seen = new Set<object>();
	const todo: unknown[] = [...roots];
	while (todo.length > 0) {
		const at = todo.pop();
		if (!isObject(at) || seen.has(at))
			continue;
		seen.add(at);
		todo.push(Object.getPrototypeOf(at));
		for (const key of Reflect.ownKeys(at)) {
			const d = Object.getOwnPropertyDescriptor(at, key) as PropertyDescriptor;
			todo.push(d.value, d.get, d.set);
		}
	}
	return seen;
}

export function hardenRealm(shared: object[]): void {
	const roots: unknown[] = [globalThis, ...hiddenIntrinsics(), ...functionPrototypes, ...shared];
	for (const [target, keys] of OVERRIDABLE)
		for (const key of keys === 'all' ? Reflect.ownKeys(target) : keys)
			if (key !== '__proto__')
				roots.push(enableOverride(target, key));
	for (const object of reachable(roots))
		Object.freeze(object);
}
