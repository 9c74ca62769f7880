/*
 * One run of a function: its calls in flight, its timers, and whether it is still alive.
 *
 * A Run is held by the closures of that run's nango object and by the C side, and by nothing else:
 * when both let go, everything the run made is garbage. User code must never get hold of it.
 */
import { blame, refusalError, RunError, type Refusal } from './errors.ts';
import { host, wireJson } from './host.ts';
import type { ReplyHead, RequestConfig } from './response.ts';

export type Kind = 'sync' | 'action' | 'webhook' | 'on-event';

/* The head of a START message, and the name that the code has in stack traces. */
export interface StartHead {
	fn: string;
	file: string;
	kind: Kind;
	props: Record<string, any>;
	paginate?: Record<string, any> | null;
	models?: string[];
	log_level?: string;
	dry_run?: boolean;
	now_ms?: number;
}

interface Pending {
	resolve(value: unknown): void;
	reject(reason: unknown): void;
	read(head: ReplyHead): unknown;
	config: RequestConfig;
	callSite: Error;
}

interface Timer {
	fn: (...args: unknown[]) => unknown;
	args: unknown[];
	every: number | null;
}

/* Each has a counterpart in the server, which ends the process of a run that goes beyond. */
const MAX_CALLS = 5000;
const MAX_TIMERS = 10_000;
const MAX_HEAD = 4 * 1024 * 1024;

const nothing = () => undefined;

export class Run {
	readonly id: number;
	readonly head: StartHead;
	alive = true;
	private nextId = 1;
	private readonly pending = new Map<number, Pending>();
	private readonly timers = new Map<number, Timer>();

	constructor(id: number, head: StartHead) {
		this.id = id;
		this.head = head;
	}

	/* Entry of every method of the nango object: code of a run that is over goes no further. */
	check(): void {
		if (!this.alive)
			throw new RunError('script_aborted');
	}

	/* Asks the server; `read` makes the result from the reply while its body is at hand. */
	call<T = void>(
		method: string,
		args: object,
		read: (head: ReplyHead) => T = nothing as () => T,
		body?: string | Uint8Array,
		config: RequestConfig = { method: 'POST', url: method },
	): Promise<T> {
		this.check();
		const callSite = new Error();
		return new Promise<T>((resolve, reject) => {
			const head = wireJson({ m: method, ...args });
			if (head.length > MAX_HEAD)
				throw new RangeError(`${method}: the arguments are ${head.length} characters long, ` +
					`at most ${MAX_HEAD} are accepted`);
			if (this.pending.size >= MAX_CALLS)
				throw new RangeError(`${MAX_CALLS} calls of nango are under way: await some of them first`);
			const id = this.nextId++;
			host.send(this.id, id, head, body);
			this.pending.set(id, { resolve, reject, read, config, callSite } as Pending);
		});
	}

	reply(id: number, head: ReplyHead): void {
		const call = this.pending.get(id);
		if (!call)
			return;
		this.pending.delete(id);
		try {
			if (head.error)
				throw refusalError(head.error as Refusal, call.config);
			call.resolve(call.read(head));
		} catch (err) {
			call.reject(blame(err as Error, call.callSite));
		}
	}

	setTimer(fn: unknown, ms: number, args: unknown[], repeat: boolean): number {
		if (typeof fn !== 'function')
			throw new TypeError('a timer needs a function');
		if (this.timers.size >= MAX_TIMERS)
			throw new RangeError(`${MAX_TIMERS} timers are set: clear some of them first`);
		const id = this.nextId++;
		const delay = Math.min(ms, 0x7fffffff);
		if (!this.alive)
			return id;
		this.timers.set(id, { fn: fn as Timer['fn'], args, every: repeat ? delay : null });
		host.timer(this.id, id, delay);
		return id;
	}

	clearTimer(id: unknown): void {
		if (this.timers.delete(Number(id)))
			host.untimer(this.id, Number(id));
	}

	fire(id: number): void {
		const timer = this.timers.get(id);
		if (!timer)
			return;
		if (timer.every === null)
			this.timers.delete(id);
		else
			host.timer(this.id, id, timer.every);
		timer.fn(...timer.args);
	}

	/* Nothing outside can wake the function any more. Only true between two entries. */
	get stuck(): boolean {
		return this.alive && this.pending.size === 0 && this.timers.size === 0;
	}

	end(): void {
		this.alive = false;
		this.pending.clear();
		this.timers.clear();
	}
}
