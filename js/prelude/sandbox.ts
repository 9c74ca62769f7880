/*
 * The variables that differ from run to run, passed to the module wrapper as parameters. They shadow
 * the realm's frozen globals; everything else a function sees is shared and frozen.
 */
import type { RunLog } from './log.ts';
import { consoleFor } from './log.ts';
import { require } from './modules.ts';
import type { Run } from './run.ts';
import { share } from './shared.ts';

/* Parameters of the wrapper, in order. src/js/module.c writes them into the source. */
export const PARAMETERS = ['require', 'module', 'exports', 'globalThis', 'self', 'global', 'window',
	'process', 'console', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate',
	'queueMicrotask', 'Date'] as const;

type Variables = Record<(typeof PARAMETERS)[number], unknown>;

function timersFor(run: Run) {
	const microtask = (fn: () => unknown) => {
		run.check();
		Promise.resolve().then(() => fn());
	};
	const clear = (id: unknown) => run.clearTimer(id);
	const atLeast1 = (ms: unknown) => Math.max(Number(ms) || 0, 1);
	return {
		setTimeout: (fn: unknown, ms?: unknown, ...args: unknown[]) => run.setTimer(fn, atLeast1(ms), args, false),
		setInterval: (fn: unknown, ms?: unknown, ...args: unknown[]) => run.setTimer(fn, atLeast1(ms), args, true),
		setImmediate: (fn: unknown, ...args: unknown[]) => run.setTimer(fn, 0, args, false),
		clearTimeout: clear,
		clearInterval: clear,
		queueMicrotask: microtask,
	};
}

/* Date whose present starts at `start` and moves with real time: for replaying recorded runs. */
function dateFrom(start: number): DateConstructor {
	const skew = start - Date.now();
	const now = () => Date.now() + skew;
	function VirtualDate(this: unknown, ...args: unknown[]): unknown {
		if (!new.target)
			return new Date(now()).toString();
		const target: Function = new.target === VirtualDate ? Date : new.target;
		return Reflect.construct(Date, args.length === 0 ? [now()] : args, target);
	}
	Object.defineProperty(VirtualDate, 'name', { value: 'Date' });
	return Object.assign(VirtualDate, { now, parse: Date.parse, UTC: Date.UTC, prototype: Date.prototype }) as any;
}

/* What `globalThis.x` finds; own writes of a run stay on its own object in front of this one. */
function globalFacade(): object {
	const facade = Object.create(null);
	for (const key of Reflect.ownKeys(globalThis))
		facade[key] = (globalThis as any)[key];
	return facade;
}

let facade: object;

/* Once, when the realm's globals are complete. */
export function prepareFacade(): void {
	facade = share(globalFacade());
}

export function variablesFor(run: Run, log: RunLog, module: { exports: object }): Variables {
	const own: any = Object.create(facade);
	const timers = timersFor(run);
	const console = consoleFor(run, log);
	const date = run.head.now_ms === undefined ? Date : dateFrom(run.head.now_ms);
	for (const [key, value] of Object.entries({ ...timers, console, Date: date, globalThis: own }))
		Object.defineProperty(own, key, { value, writable: true, configurable: true, enumerable: false });
	return {
		require,
		module,
		exports: module.exports,
		globalThis: own,
		self: own,
		global: own,
		window: undefined,
		process: undefined,
		console,
		...timers,
		Date: date,
	};
}
