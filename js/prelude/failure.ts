/*
 * What a thrown value becomes in the result of a run (spec function-runtime 4.6). The value may be
 * hostile: a Proxy, getters that throw. Whatever goes wrong here yields a plain internal error.
 */
import { ActionError, RunError } from './errors.ts';
import { PAYLOAD, stableJson, tame } from './stable.ts';

export interface Failure {
	type: string;
	payload: unknown;
	status: number;
	name?: string;
	message?: string;
	code?: string;
	stack?: string;
	additional_properties?: object;
}

const MAX_FRAMES = 50;
const PRELUDE = 'tidemark:';

const text = (value: unknown, max = 10_000) =>
	typeof value === 'string' ? value.slice(0, max) : value === undefined ? undefined : String(value).slice(0, max);

function wrapped(value: unknown): unknown {
	const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
	return tame(isObject ? value : { message: value }, PAYLOAD);
}

/*
 * The frames of the function: without ours, and on the first line of the bundle without the width of
 * the wrapper that stands before it there.
 */
export function functionFrames(stack: unknown, file: string, wrapperWidth: number): string | undefined {
	if (typeof stack !== 'string')
		return undefined;
	const first = `@${file}:1:`;
	return stack
		.split('\n')
		.filter((line) => !line.includes(`@${PRELUDE}`) && line.includes('@'))
		.slice(0, MAX_FRAMES)
		.map((line) => {
			const at = line.lastIndexOf(first);
			return at < 0 ? line : line.slice(0, at) + first + (Number(line.slice(at + first.length)) - wrapperWidth);
		})
		.join('\n');
}

const UPSTREAM_HEADERS = /^(content-type|x-rate.*)$/i;

function upstream(response: any): object {
	const headers: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(response.headers ?? {}))
		if (UPSTREAM_HEADERS.test(name))
			headers[name] = value;
	return {
		upstream_response: { status: response.status, headers, body: tame(response.data, PAYLOAD) },
	};
}

function httpFailure(err: any): Failure {
	const { response } = err;
	if (!response)
		return { type: 'script_network_error', payload: errorPayload(err), status: 500 };
	return {
		type: 'script_http_error',
		payload: wrapped(response.data?.payload ?? response.data),
		status: 424,
		additional_properties: upstream(response),
	};
}

function errorPayload(err: any): object {
	return { name: text(err.name), code: text(err.code), message: text(err.message) };
}

function internal(err: any): Failure {
	if (typeof err === 'object' && err !== null) {
		const { name, code, message } = err;
		const payload = message === undefined ? { message: stableJson(err) } : { name, code, message };
		return { type: 'script_internal_error', payload: tame(payload), status: 500 };
	}
	const message = typeof err === 'string' ? err : (JSON.stringify(err) ?? String(err));
	return { type: 'script_internal_error', payload: { message }, status: 500 };
}

function classify(err: any): Failure {
	if (err instanceof ActionError)
		return { type: 'action_script_runtime_error', payload: wrapped(err.payload), status: 500 };
	if (err instanceof RunError)
		return { type: err.code, payload: err.payload, status: err.code === 'script_aborted' ? 410 : 500 };
	if (err?.isAxiosError)
		return httpFailure(err);
	if (err instanceof Error)
		return { type: 'script_internal_error', payload: errorPayload(err), status: 500 };
	return internal(err);
}

function describe(err: any, file: string, width: number): Failure {
	const failure = classify(err);
	if (typeof err !== 'object' || err === null)
		return { ...failure, message: text((failure.payload as any).message) };
	failure.name = text(err.name, 200);
	failure.message = text(err.message);
	failure.code = text(err.code, 200);
	failure.stack = functionFrames(err.stack, file, width);
	return failure;
}

export function failureOf(err: unknown, file: string, width: number): Failure {
	try {
		const failure = describe(err, file, width);
		JSON.stringify(failure);
		return failure;
	} catch {
		const message = 'the function threw a value that cannot be read';
		return { type: 'script_internal_error', payload: { message }, status: 500, message };
	}
}
