/*
 * The only ways into the realm. The C side calls each of them with the clock running, and drains
 * microtasks before the call returns; so at any moment exactly one run executes: `current`.
 *
 * A run is created by trusted code alone, so that the C side holds it before the function's first
 * line, and ended by exactly one of finish, fail and kill.
 */
import { RunError } from './errors.ts';
import { failureOf } from './failure.ts';
import { host, wireJson } from './host.ts';
import { describeFunction } from './inspect.ts';
import { RunLog } from './log.ts';
import { nangoFor } from './nango.ts';
import { Run, type StartHead } from './run.ts';
import { PARAMETERS, variablesFor } from './sandbox.ts';

type Wrapper = (...variables: unknown[]) => void;

let current: Run | null = null;
let wrapperWidth = 0;

/* The beginning of the wrapper around every bundle. Its width is what stands before line 1. */
export function wrapperPrefix(): string {
	const prefix = `(function(${PARAMETERS.join(',')}){"use strict";`;
	wrapperWidth = prefix.length;
	return prefix;
}

export function create(id: number, head: string, file: string): Run {
	return new Run(id, { ...(JSON.parse(head) as StartHead), file });
}

export function fail(run: Run, err: unknown): void {
	if (!run.alive)
		return;
	const error = failureOf(err, run.head.file, wrapperWidth);
	run.end();
	host.done(run.id, wireJson({ ok: false, error }));
}

const MAX_OUTPUT = 10 * 1024 * 1024;

/* `output` is text already: the function's own toJSON ran while the run was alive. */
function finish(run: Run, output: string): void {
	if (!run.alive)
		return;
	if (output.length > MAX_OUTPUT)
		throw new RunError('script_output_too_large', `the output is ${output.length} characters long, ` +
			`at most ${MAX_OUTPUT} are accepted: return a part of it, or save records`);
	run.end();
	host.done(run.id, '{"ok":true}', output);
}

function load(run: Run, log: RunLog, wrapper: Wrapper): any {
	const module: { exports: any } = { exports: {} };
	const variables = variablesFor(run, log, module);
	wrapper(...PARAMETERS.map((name) => variables[name]));
	const { exports } = module;
	return exports?.default?.default ?? exports?.default ?? exports;
}

const TYPES: Record<string, string> = { sync: 'sync', webhook: 'sync', action: 'action', 'on-event': 'onEvent' };

function handlerOf(def: any, kind: string): Function {
	if (typeof def === 'function')
		return def;
	const fits = def?.type === TYPES[kind] || (def?.type === 'function' && kind === 'action');
	if (def?.type !== undefined && !fits)
		throw new Error(`this function is a ${def.type} and cannot run as ${kind}`);
	const name = kind === 'webhook' ? 'onWebhook' : 'exec';
	if (typeof def?.[name] !== 'function')
		throw new Error(`the default export has no ${name} function`);
	return def[name].bind(def);
}

async function execute(run: Run, wrapper: Wrapper, input: string): Promise<void> {
	try {
		const log = new RunLog(run);
		const { kind } = run.head;
		const handler = handlerOf(load(run, log, wrapper), kind);
		const given = input === '' ? undefined : JSON.parse(input);
		const args = kind === 'action' ? [given || {}] : kind === 'webhook' ? [given] : [];
		const result = await handler(nangoFor(run, log), ...args);
		finish(run, kind === 'action' ? wireJson(result) : '');
	} catch (err) {
		fail(run, err);
	}
}

export function start(run: Run, wrapper: Wrapper, input: string): void {
	current = run;
	void execute(run, wrapper, input);
}

export function inspect(run: Run, wrapper: Wrapper, head: string): void {
	current = run;
	try {
		const described = describeFunction(load(run, new RunLog(run), wrapper), JSON.parse(head));
		finish(run, wireJson(described));
	} catch (err) {
		fail(run, err);
	}
}

export function reply(run: Run, call: number, head: string): void {
	current = run;
	run.reply(call, JSON.parse(head));
}

export function fire(run: Run, id: number): void {
	current = run;
	try {
		run.fire(id);
	} catch (err) {
		fail(run, err);
	}
}

/* The promise machinery calls this at the end of an entry. It is reported, not fatal. */
export function unhandled(_promise: unknown, reason: unknown): void {
	const run = current;
	if (!run)
		return;
	const { message, type } = failureOf(reason, run.head.file, wrapperWidth);
	const text = `unhandled promise rejection: ${message || type}`;
	host.log(run.id, wireJson({ level: 'error', message: text.slice(0, 1000) }));
}

/* After each entry: fails a run that waits for what can never come. */
export function settle(run: Run): void {
	if (run.stuck)
		fail(run, new Error('the function waits for a promise that nothing can resolve any more: ' +
			'no request is under way and no timer is set'));
}

/* The C side ends the run by itself and reports why. Runs no code of the function. */
export function kill(run: Run): void {
	run.end();
}

/* Absorbs a termination that is still pending; see src/js/entry.c. */
export function nothing(): void {}
