/* Objects of the language that no global variable names, yet every function can reach. */

const protoOf = (value: object) => Object.getPrototypeOf(value) as object;

const generator = function* () {};
const asyncGenerator = async function* () {};
const asyncFunction = async () => {};
const arrow = () => {};

/* [prototype, thrower-to-be]: the four constructors that turn text into code. */
export const functionPrototypes = [arrow, generator, asyncFunction, asyncGenerator].map(protoOf);

function segmenterObjects(): object[] {
	if (typeof Intl !== 'object' || !('Segmenter' in Intl))
		return [];
	const segments = new (Intl as any).Segmenter('en').segment('a');
	return [protoOf(segments), protoOf(segments[Symbol.iterator]())];
}

function iteratorHelpers(): object[] {
	const { Iterator } = globalThis as any;
	if (!Iterator)
		return [];
	return [Iterator.prototype, protoOf([].values().map(arrow as any)), protoOf(Iterator.from({ next: arrow }))];
}

function throwTypeError(): object[] {
	const strict = (function () {
		return arguments;
	})();
	const callee = Object.getOwnPropertyDescriptor(strict, 'callee');
	return [callee?.get, callee?.set].filter((f) => f !== undefined) as object[];
}

export function hiddenIntrinsics(): object[] {
	return [
		...functionPrototypes,
		protoOf(generator.prototype),
		protoOf(asyncGenerator.prototype),
		protoOf(protoOf(asyncGenerator.prototype)),
		protoOf(protoOf(generator.prototype)),
		protoOf(Uint8Array),
		protoOf(Uint8Array.prototype),
		protoOf([].values()),
		protoOf(new Map().values()),
		protoOf(new Set().values()),
		protoOf(''[Symbol.iterator]()),
		protoOf('a'.matchAll(/a/g)),
		...segmenterObjects(),
		...iteratorHelpers(),
		...throwTypeError(),
	];
}
