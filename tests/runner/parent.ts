/*
 * A small parent for one runner process, speaking protocol/messages.def: what the server's pool does,
 * without the server. Calls of functions are answered by handlers that a test gives.
 *
 * Node's 'pipe' is a socket pair, so descriptor 3 is what the pool would pass; descriptor 4 is an
 * ordinary file of one page that both sides map or read.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const BINARY = process.env.TIDEMARK_BIN ?? join(ROOT, 'build/test/src/js/js_runner');

const TYPE = {
	INIT: 1, CODE: 2, START: 3, REPLY: 4, ABORT: 5, INSPECT: 6, PING: 7, EXIT: 8,
	READY: 65, CALL: 66, LOG: 67, DONE: 68, PONG: 69,
};

export interface Frame {
	type: number;
	run: number;
	call: number;
	head: any;
	body: Buffer;
}

export interface Result {
	head: any;
	body: Buffer;
	logs: any[];
	calls: { m: string; head: any; body: Buffer }[];
}

/* What a call is answered with; undefined = not at all. */
export interface Answer {
	head?: object;
	body?: string | Buffer;
}
export type Handlers = Record<string, (head: any, body: Buffer, run: number) => Answer | undefined | Promise<Answer | undefined>>;

export interface Options {
	env?: number;
	kind?: string;
	isolation?: string;
	deadline_ms?: number;
	input?: unknown;
	props?: object;
	handlers?: Handlers;
	extra?: object;
}

interface Running {
	resolve(result: Result): void;
	reject(err: Error): void;
	handlers: Handlers;
	logs: any[];
	calls: Result['calls'];
}

export class Runner {
	child: ChildProcess;
	nextRun = 1;
	private socket: Duplex;
	private page: number;
	private dir: string;
	private input = Buffer.alloc(0);
	private runs = new Map<number, Running>();
	private codes = new Set<string>();
	private pongs: (() => void)[] = [];
	private readyPromise: Promise<void>;
	private ready!: () => void;
	ended: Promise<{ code: number | null; signal: string | null }>;

	constructor(init: object = {}) {
		this.dir = mkdtempSync(join(tmpdir(), 'runner-'));
		this.page = openSync(join(this.dir, 'page'), 'w+');
		ftruncateSync(this.page, 4096);
		this.readyPromise = new Promise((resolve) => (this.ready = resolve));
		this.child = spawn(BINARY, ['runner'], { stdio: ['ignore', 'inherit', 'inherit', 'pipe', this.page] });
		this.socket = this.child.stdio[3] as Duplex;
		this.socket.on('data', (data: Buffer) => this.onData(data));
		this.socket.on('error', () => undefined);
		this.ended = new Promise((resolve) =>
			this.child.on('exit', (code, signal) => {
				for (const run of this.runs.values())
					run.reject(new Error(`the runner ended: ${code ?? signal}`));
				this.runs.clear();
				resolve({ code, signal });
			}),
		);
		this.send(TYPE.INIT, 0, 0, { memory_limit: 512 << 20, tick_ms: 20, ...init });
	}

	started(): Promise<void> {
		return this.readyPromise;
	}

	send(type: number, run: number, call: number, head: object, body: string | Buffer = ''): void {
		const headBytes = Buffer.from(JSON.stringify(head));
		const bodyBytes = Buffer.from(body as string);
		const header = Buffer.alloc(20);
		header.writeUInt32LE(headBytes.length + bodyBytes.length, 0);
		header.writeUInt16LE(type, 4);
		header.writeUInt32LE(run, 8);
		header.writeUInt32LE(call, 12);
		header.writeUInt32LE(headBytes.length, 16);
		this.socket.write(Buffer.concat([header, headBytes, bodyBytes]));
	}

	private onData(data: Buffer): void {
		this.input = Buffer.concat([this.input, data]);
		while (this.input.length >= 20) {
			const len = this.input.readUInt32LE(0);
			if (this.input.length < 20 + len)
				return;
			const headLen = this.input.readUInt32LE(16);
			const frame: Frame = {
				type: this.input.readUInt16LE(4),
				run: this.input.readUInt32LE(8),
				call: this.input.readUInt32LE(12),
				head: headLen ? JSON.parse(this.input.toString('utf8', 20, 20 + headLen)) : undefined,
				body: this.input.subarray(20 + headLen, 20 + len),
			};
			this.input = this.input.subarray(20 + len);
			void this.onFrame(frame);
		}
	}

	private async onFrame({ type, run: id, call, head, body }: Frame): Promise<void> {
		const run = this.runs.get(id);
		if (type === TYPE.READY)
			this.ready();
		else if (type === TYPE.PONG)
			this.pongs.shift()?.();
		else if (type === TYPE.LOG)
			run?.logs.push(head);
		else if (type === TYPE.CALL && run)
			await this.onCall(run, id, call, head, body);
		else if (type === TYPE.DONE && run) {
			this.runs.delete(id);
			run.resolve({ head, body, logs: run.logs, calls: run.calls });
		}
	}

	/* Runs a function that is known to succeed, and gives what it returned. */
	async value(source: string, options: Options = {}): Promise<any> {
		const { head, body } = await this.run(action(source), { kind: 'action', ...options });
		if (!head.ok)
			throw new Error(`${head.error.message}\n${head.error.stack}`);
		return body.length > 0 ? JSON.parse(body.toString()) : undefined;
	}

	private async onCall(run: Running, id: number, call: number, head: any, body: Buffer): Promise<void> {
		run.calls.push({ m: head.m, head, body });
		const handler = run.handlers[head.m];
		const answer = handler ? await handler(head, body, id) : {};
		if (answer)
			this.send(TYPE.REPLY, id, call, { ok: true, ...answer.head }, answer.body);
	}

	/* A bundle is known by its text. */
	code(source: string, file = 'crm/syncs/test'): string {
		const key = `${file}:${source}`;
		if (!this.codes.has(key))
			this.send(TYPE.CODE, 0, 0, { fn: key, file }, source);
		this.codes.add(key);
		return key;
	}

	private launch(type: number, head: object, body: string, handlers: Handlers): { id: number; result: Promise<Result> } {
		const id = this.nextRun++;
		const result = new Promise<Result>((resolve, reject) =>
			this.runs.set(id, { resolve, reject, handlers, logs: [], calls: [] }),
		);
		this.send(type, id, 0, head, body);
		return { id, result };
	}

	start(source: string, options: Options = {}, file?: string): { id: number; result: Promise<Result> } {
		const { env = 1, kind = 'sync', isolation = 'shared', deadline_ms = 0, input, props, handlers = {}, extra } = options;
		const head = {
			fn: this.code(source, file), env, kind, isolation, deadline_ms, paginate: null, models: [],
			log_level: 'debug', dry_run: false,
			props: {
				connectionId: 'conn-1', providerConfigKey: 'crm', provider: 'acme', environmentId: env,
				environmentName: 'dev', syncId: 's', syncJobId: 7, variant: 'base', ...props,
			},
			...extra,
		};
		return this.launch(TYPE.START, head, input === undefined ? '' : JSON.stringify(input), handlers);
	}

	run(source: string, options: Options = {}, file?: string): Promise<Result> {
		return this.start(source, options, file).result;
	}

	inspect(source: string, integration: string, name: string): Promise<Result> {
		const head = { fn: this.code(source, `${integration}/syncs/${name}`), integration, name };
		return this.launch(TYPE.INSPECT, head, '', {}).result;
	}

	abort(run: number, code = 'script_aborted'): void {
		this.send(TYPE.ABORT, run, 0, { code });
	}

	ping(): Promise<void> {
		return new Promise((resolve) => {
			this.pongs.push(resolve);
			this.send(TYPE.PING, 0, 0, {});
		});
	}

	/* The run that the runner says it executes. */
	executing(): number {
		const bytes = Buffer.alloc(16);
		readSync(this.page, bytes, 0, 16, 0);
		return bytes.readUInt32LE(0);
	}

	async close(): Promise<void> {
		this.send(TYPE.EXIT, 0, 0, {});
		await this.ended;
		closeSync(this.page);
		rmSync(this.dir, { recursive: true });
	}
}

/* A bundle as our compiler makes them: CommonJS with one default export. */
export function sync(body: string, extra = ''): string {
	return `${REQUIRES}module.exports.default = { type: 'sync', models: {}, exec: async (nango) => {${body}}, ${extra} };`;
}

export function action(body: string): string {
	return `${REQUIRES}module.exports.default = { type: 'action', exec: async (nango, input) => {${body}} };`;
}

export const REQUIRES = "'use strict'; const { z } = require('zod'); const crypto = require('node:crypto');\n";
