/*
 * The nango object of one run: data, bound methods, and a guard around them. Everything internal
 * lives in closures, so the guard only has to refuse the names that old code might try.
 */
import {
	checkpointMethods, connectionMethods, integrationMethods, lockMethods, triggerMethods,
} from './control.ts';
import { ActionError } from './errors.ts';
import { fetchMethods } from './fetch.ts';
import { httpFor, httpMethods, type ProxyConfig } from './http.ts';
import { logLine, type RunLog } from './log.ts';
import { paginate } from './paginate.ts';
import { recordMethods } from './records.ts';
import type { Run } from './run.ts';
import { validateInput } from './validate.ts';

const INTERNAL = ['nango', 'telemetryBag', 'integrationConfig', 'abortSignal', 'lifecycle', 'constructor',
	'__proto__', 'memoizedConnections', 'memoizedIntegration', 'persistClient', 'batchSize',
	'getConnectionCached', 'sendLogToPersist', 'throwIfAborted', 'isAborted', 'axios'];

const internal = new Set<PropertyKey>(INTERNAL);

function refuse(key: PropertyKey): never {
	throw new Error(`nango.${String(key)} is internal and not for functions`);
}

const guard: ProxyHandler<any> = {
	get(target, key) {
		return internal.has(key) ? refuse(key) : target[key];
	},
	set(target, key, value) {
		if (internal.has(key))
			refuse(key);
		return Reflect.set(target, key, value);
	},
	defineProperty(target, key, descriptor) {
		if (internal.has(key))
			refuse(key);
		return Reflect.defineProperty(target, key, descriptor);
	},
	setPrototypeOf: () => false,
};

const COPIED = ['connectionId', 'providerConfigKey', 'provider', 'environmentId', 'environmentName',
	'accountId', 'activityLogId', 'nangoConnectionId', 'syncId', 'syncJobId', 'syncConfig'];

function dataOf(run: Run, log: RunLog): Record<string, unknown> {
	const { props, kind } = run.head;
	const data: Record<string, unknown> = {};
	for (const name of COPIED)
		data[name] = props[name];
	Object.assign(data, {
		scriptType: kind,
		runnerFlags: props.runnerFlags ?? {},
		logger: { level: log.level },
		isCLI: Boolean(run.head.dry_run),
		ActionError,
	});
	if (kind === 'sync' || kind === 'webhook')
		Object.assign(data, {
			variant: props.variant ?? 'base',
			lastSyncDate: props.lastSyncDate ? new Date(props.lastSyncDate) : undefined,
			track_deletes: Boolean(props.track_deletes),
			emptyCache: Boolean(props.emptyCache),
		});
	return data;
}

function logMethods(run: Run, log: RunLog, logger: { level: string }) {
	return {
		async log(...args: unknown[]): Promise<void> {
			run.check();
			logLine(log, args);
		},
		setLogger(options: { level?: string }): void {
			log.setLevel(options?.level);
			logger.level = log.level;
		},
	};
}

export function nangoFor(run: Run, log: RunLog): object {
	const http = httpFor(run, log);
	const data = dataOf(run, log);
	const { kind, paginate: defaults } = run.head;
	const api = Object.assign(
		Object.create(null),
		data,
		httpMethods(http),
		{ paginate: (config: ProxyConfig) => paginate(http, log, defaults, config) },
		logMethods(run, log, data.logger as { level: string }),
		connectionMethods(run),
		integrationMethods(run),
		checkpointMethods(run),
		lockMethods(run),
		triggerMethods(run),
		fetchMethods(run),
		{ zodValidateInput: validateInput(log) },
		kind === 'sync' || kind === 'webhook' ? recordMethods(run, log) : undefined,
	);
	return new Proxy(api, guard);
}
