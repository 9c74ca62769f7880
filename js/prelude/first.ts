/*
 * Runs before every other module of the prelude, zod included, because they keep references.
 *
 * Error.captureStackTrace writes a property even on frozen objects, which would make any shared
 * object a mailbox between runs; the replacement refuses those. Errors made by a shared function
 * carry no frames of other runs, so the rest of stack capturing is harmless.
 */
const capture = (Error as any).captureStackTrace;

(Error as any).captureStackTrace = {
	captureStackTrace(target: object, above?: unknown): void {
		if (!Object.isExtensible(target))
			throw new TypeError('captureStackTrace needs an extensible object');
		capture(target, above);
	},
}.captureStackTrace;
