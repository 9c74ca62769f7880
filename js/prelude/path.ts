/* Reading and writing members by path text: `a.b`, `a[0].b`. */

type Bag = Record<string, any>;

const steps = (path: string) => path.split(/[.[\]]+/).filter((step) => step !== '');

/* A member whose name is the whole text wins, hence `@odata.nextLink` works. */
export function getPath(root: unknown, path: string): unknown {
	if (typeof root !== 'object' || root === null)
		return undefined;
	if (Object.hasOwn(root, path))
		return (root as Bag)[path];
	let at: any = root;
	for (const step of steps(path)) {
		if (at === null || at === undefined)
			return undefined;
		at = at[step];
	}
	return at;
}

const put = (target: Bag, key: string, value: unknown) =>
	Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });

/* A list that takes the step as an item, the next at most; else it is copied as an object. */
const isList = (target: unknown, step: string | undefined): target is unknown[] =>
	Array.isArray(target) && (step === undefined || (/^(0|[1-9]\d*)$/.test(step) && Number(step) <= target.length));

/* A copy of `target` with the member set; only what lies on the path is copied. */
export function withPath(target: unknown, path: string, value: unknown): Bag {
	const [first, ...rest] = steps(path);
	const copy: Bag = isList(target, first)
		? [...target]
		: { ...(typeof target === 'object' && target !== null ? target : {}) };
	if (first === undefined)
		return copy;
	const old = Object.hasOwn(copy, first) ? copy[first] : undefined;
	put(copy, first, rest.length === 0 ? value : withPath(old, rest.join('.'), value));
	return copy;
}

/* A copy in which dotted keys have become nested objects. */
export function expandDots(flat: Bag): Bag {
	let out: Bag = {};
	for (const [key, value] of Object.entries(flat))
		if (key.includes('.'))
			out = withPath(out, key, value);
		else
			put(out, key, value);
	return out;
}
