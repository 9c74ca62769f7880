/*
 * The errors a function can observe (spec function-runtime 1.8). Everything here is shared by all
 * runs of a realm and frozen with it: classes hold no state.
 */
import type { RequestConfig, Response } from './response.ts';
import { share } from './shared.ts';

/* Thrown by functions: `throw new nango.ActionError({...})`. */
export class ActionError extends Error {
	type = 'action_script_runtime_error';
	payload: unknown;

	constructor(payload?: unknown) {
		super();
		this.payload = payload;
	}
}

/* Ends a run from outside: aborted, out of time, interrupted. */
export class RunError extends Error {
	code: string;
	payload = {};

	constructor(code: string, message?: string) {
		super(message);
		this.code = code;
	}
}

const axiosToJSON = share(function toJSON(this: any) {
	const { name, message, code, status } = this;
	return { name, message, code, status };
});

share(ActionError);
share(RunError);

/* The shape of an HTTP client error; `response` is absent when the network failed. */
export function axiosError(
	message: string,
	code: string | undefined,
	config: RequestConfig,
	response?: Response,
): Error {
	const err: any = new Error(message);
	err.name = 'AxiosError';
	err.isAxiosError = true;
	err.code = code;
	err.config = config;
	err.request = { method: config.method, path: config.url };
	if (response) {
		err.status = response.status;
		err.response = response;
	}
	Object.defineProperty(err, 'toJSON', { value: axiosToJSON });
	return err;
}

export function statusError(config: RequestConfig, response: Response): Error {
	const code = Math.floor(response.status / 100) === 4 ? 'ERR_BAD_REQUEST' : 'ERR_BAD_RESPONSE';
	const message = `Request failed with status code ${response.status}`;
	return axiosError(message, code, config, response);
}

/* The `error` member of a REPLY. */
export interface Refusal {
	kind: 'http' | 'network' | 'client' | 'control' | 'plain' | 'run';
	code?: string;
	message?: string;
	status?: number;
	[extra: string]: unknown;
}

/* Members of a refusal that the error keeps: what failed, where. */
const EXTRAS = ['name', 'url', 'hostname', 'isAxiosError'];

function clientError(refusal: Refusal): Error {
	const err: any = new Error(refusal.message ?? refusal.code);
	err.code = refusal.code;
	for (const key of EXTRAS)
		if (refusal[key] !== undefined)
			err[key] = refusal[key];
	return err;
}

function controlError(refusal: Refusal, config: RequestConfig): Error {
	const { code, message, payload, status = 500 } = refusal;
	const error = payload === undefined ? { code, message } : { code, message, payload };
	return statusError(config, {
		status,
		statusText: '',
		headers: {} as any,
		data: { error },
		config,
		request: {},
	});
}

function plainError(refusal: Refusal): Error {
	const cause = refusal.cause as object | undefined;
	return new Error(refusal.message ?? refusal.code, cause ? { cause } : undefined);
}

/* The error that a call rejects with when the server refused it. */
export function refusalError(refusal: Refusal, config: RequestConfig): Error {
	switch (refusal.kind) {
	case 'run':
		return new RunError(refusal.code ?? 'script_aborted');
	case 'network':
		return axiosError(refusal.message ?? '', refusal.code, config);
	case 'client':
		return clientError(refusal);
	case 'control':
	case 'http':
		return controlError(refusal, config);
	default:
		return plainError(refusal);
	}
}

/* Shows `err` as thrown where the function made the call: JSC keeps no frames across an await. */
export function blame(err: Error, callSite: Error): Error {
	err.stack = callSite.stack;
	return err;
}
