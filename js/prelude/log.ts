/* Log lines of a function: nango.log, nango.setLogger and console (spec function-runtime 1.4). */
import { host, wireJson } from './host.ts';
import type { Run } from './run.ts';
import { share } from './shared.ts';
import { stableJson, tame } from './stable.ts';

const RANK: Record<string, number> = { debug: 0, info: 1, warn: 2, error: 3, off: 4 };
const LEGACY: Record<string, string> = { verbose: 'debug', silly: 'debug', http: 'info' };
const MAX_MESSAGE = 10_000;

const known = (level: unknown) => typeof level === 'string' && Object.hasOwn(RANK, level);

function levelOf(name: unknown): string {
	const text = String(name);
	return Object.hasOwn(LEGACY, text) ? (LEGACY[text] as string) : text;
}

export class RunLog {
	private threshold: string;
	private readonly run: Run;

	constructor(run: Run) {
		this.run = run;
		this.threshold = known(run.head.log_level) ? (run.head.log_level as string) : 'debug';
	}

	/* `off` is final. */
	setLevel(level: unknown): void {
		const name = levelOf(level);
		if (this.threshold !== 'off' && known(name))
			this.threshold = name;
	}

	get level(): string {
		return this.threshold;
	}

	/* A line of an unknown level vanishes, as it always did. */
	write(level: string, message: string, meta?: object): void {
		if (!known(level) || level === 'off' || (RANK[level] as number) < (RANK[this.threshold] as number))
			return;
		const line = { level, message: message.slice(0, MAX_MESSAGE), ...(meta && { meta }) };
		host.log(this.run.id, wireJson(line));
	}
}

function messageText(value: unknown): string {
	if (typeof value === 'string')
		return value;
	return value === null || value === undefined ? String(value) : stableJson(value);
}

const isOptions = (value: any) =>
	typeof value === 'object' && value !== null && Object.hasOwn(value, 'level');

/* Arrays become objects with index keys; the store takes nothing but objects. */
function metaOf(value: unknown): object | undefined {
	if (typeof value !== 'object' || value === null)
		return undefined;
	const plain = tame(value);
	return typeof plain === 'object' && plain !== null ? { ...plain } : undefined;
}

/* nango.log(message, payload?, {level}?) */
export function logLine(log: RunLog, args: unknown[]): void {
	const last = args.length > 1 ? args[args.length - 1] : undefined;
	const options: any = isOptions(last) ? args.pop() : undefined;
	const level = options ? levelOf(options.level) : 'info';
	log.write(level, messageText(args[0]), args.length > 1 ? metaOf(args[1]) : undefined);
}

const METHODS: Record<string, string> = {
	log: 'info',
	info: 'info',
	debug: 'debug',
	trace: 'debug',
	dir: 'info',
	warn: 'warn',
	error: 'error',
};
const SILENT = ['assert', 'clear', 'count', 'group', 'groupCollapsed', 'groupEnd', 'table', 'time',
	'timeEnd', 'timeLog'];

const silent = share(() => undefined);

/* A console that writes to the log of one run. */
export function consoleFor(run: Run, log: RunLog): object {
	const out: Record<string, unknown> = {};
	for (const [name, level] of Object.entries(METHODS))
		out[name] = (...args: unknown[]) => {
			if (run.alive)
				log.write(level, args.map(messageText).join(' '));
		};
	for (const name of SILENT)
		out[name] = silent;
	return out;
}
