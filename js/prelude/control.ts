/*
 * Members that ask the server about itself: connection, metadata, integration, checkpoints, locks,
 * other functions (spec function-runtime 1.2, 1.5, 1.6).
 */
import { wireJson } from './host.ts';
import { bodyJson } from './records.ts';
import { headersOf, type ReplyHead, type RequestConfig, type Response } from './response.ts';
import type { Run } from './run.ts';

type Bag = Record<string, any>;

const CONNECTION_MS = 60_000;
const INTEGRATION_MS = 600_000;

/* Values kept for a while, by key; dates of the function's own clock do not matter here. */
class Kept<T> {
	private readonly entries = new Map<string, { until: number; value: T }>();
	private readonly forMs: number;

	constructor(forMs: number) {
		this.forMs = forMs;
	}

	get(key: string): T | undefined {
		const entry = this.entries.get(key);
		return entry && entry.until > Date.now() ? entry.value : undefined;
	}

	set(key: string, value: T): T {
		this.entries.set(key, { until: Date.now() + this.forMs, value });
		return value;
	}

	delete(key: string): void {
		this.entries.delete(key);
	}
}

/* The control plane answers in the shape of a response, with no headers to speak of. */
function controlResponse(head: ReplyHead, url: string): Response {
	const config: RequestConfig = { method: 'POST', url };
	return {
		status: head.status ?? 200,
		statusText: '',
		headers: headersOf([]),
		data: bodyJson(),
		config,
		request: {},
	};
}

export function connectionMethods(run: Run) {
	const kept = new Kept<Bag>(CONNECTION_MS);
	const { props } = run.head;

	function fetchConnection(providerConfigKey: string, connectionId: string, options: Bag = {}) {
		const args = {
			providerConfigKey,
			connectionId,
			refreshToken: Boolean(options?.refreshToken),
			forceRefresh: Boolean(options?.forceRefresh || options?.refreshGithubAppJwtToken),
		};
		return run.call('connection_get', args, () => bodyJson() as Bag);
	}

	async function getConnection(providerConfigKey?: string, connectionId?: string, options: Bag = {}) {
		run.check();
		const integration = providerConfigKey ?? props.providerConfigKey;
		const connection = connectionId ?? props.connectionId;
		const key = JSON.stringify([integration, connection]);
		const fresh = options?.refreshToken || options?.forceRefresh || options?.refreshGithubAppJwtToken;
		const old = fresh ? undefined : kept.get(key);
		if (old)
			return old;
		return kept.set(key, await fetchConnection(integration, connection, options));
	}

	const forget = () => kept.delete(JSON.stringify([props.providerConfigKey, props.connectionId]));

	const writeMetadata = (method: string) => async (metadata: Bag) => {
		run.check();
		if (!metadata)
			throw new Error('metadata must be an object');
		try {
			return await run.call(method, { metadata }, (head) => controlResponse(head, '/connections/metadata'));
		} finally {
			forget();
		}
	};

	const getMetadata = async () => (await getConnection()).metadata ?? null;
	const setMetadata = writeMetadata('metadata_set');

	return {
		getConnection,
		getMetadata,
		setMetadata,
		setFieldMapping: setMetadata,
		updateMetadata: writeMetadata('metadata_update'),
		getFieldMapping: async () => ((await getMetadata()) as Bag)?.fieldMapping ?? {},
		getToken: async () => tokenOf(await fetchConnection(props.providerConfigKey, props.connectionId)),
	};
}

function tokenOf({ credentials = {} }: Bag): unknown {
	switch (credentials.type) {
	case 'OAUTH2':
		return credentials.access_token;
	case 'OAUTH1':
		return {
			oAuthToken: credentials.oauth_token,
			oAuthTokenSecret: credentials.oauth_token_secret,
		};
	default:
		return credentials;
	}
}

export function integrationMethods(run: Run) {
	const kept = new Kept<Bag>(INTEGRATION_MS);

	async function getIntegration(options: { include?: string[] } = {}) {
		run.check();
		const include = [...(options?.include ?? [])].sort();
		const key = include.join(',');
		const old = kept.get(key);
		if (old)
			return old;
		return kept.set(key, await run.call('integration_get', { include }, () => bodyJson() as Bag));
	}

	return {
		getIntegration,
		getWebhookURL: async () => (await getIntegration({ include: ['webhook'] })).webhook_url,
		getEnvironmentVariables: async () => run.call('env_vars', {}, bodyJson),
		getFlowAttributes: () => {
			if (!run.head.props.syncJobId)
				throw new Error('there is no sync job here: only syncs have flow attributes');
			return run.head.props.syncConfig?.attributes ?? {};
		},
	};
}

export function checkpointMethods(run: Run) {
	return {
		getCheckpoint: async () => run.call('checkpoint_get', {}, (head) => head.checkpoint ?? null),
		saveCheckpoint: async (checkpoint: Bag) => run.call('checkpoint_save', { checkpoint }),
		clearCheckpoint: async () => run.call('checkpoint_clear', {}),
	};
}

export function lockMethods(run: Run) {
	return {
		tryAcquireLock: async ({ key, ttlMs }: Bag) =>
			run.call('lock_acquire', { key, ttlMs }, (head) => Boolean(head.acquired)),
		releaseLock: async ({ key }: Bag) =>
			run.call('lock_release', { key }, (head) => Boolean(head.released)),
		releaseAllLocks: async () => run.call('lock_release_all', {}),
	};
}

/* The options of triggerSync, in any of their historical forms. */
function resetOptions(options: unknown): { reset: boolean; emptyCache: boolean } {
	if (typeof options === 'object' && options !== null) {
		const { reset, emptyCache } = options as Bag;
		return { reset: Boolean(reset), emptyCache: Boolean(emptyCache) };
	}
	const full = options === true || options === 'full_refresh';
	const clear = options === 'full_refresh_and_clear_cache';
	return { reset: full || clear, emptyCache: clear };
}

export function triggerMethods(run: Run) {
	async function triggerAction(providerConfigKey: string, connectionId: string, name: string, input?: unknown) {
		const args = { providerConfigKey, connectionId, name };
		return run.call('trigger_action', args, bodyJson, input === undefined ? undefined : wireJson(input));
	}

	async function triggerSync(providerConfigKey: string, connectionId: string, sync: any, options?: unknown) {
		const { name, variant } = typeof sync === 'string' ? { name: sync, variant: undefined } : sync;
		const args = { providerConfigKey, connectionId, sync: name, variant, ...resetOptions(options) };
		return run.call('trigger_sync', args, (head) => controlResponse(head, '/sync/trigger'));
	}

	async function startSync(providerConfigKey: string, syncs: unknown[], connectionId?: string) {
		const args = { providerConfigKey, syncs, connectionId };
		return run.call('start_sync', args, (head) => controlResponse(head, '/sync/start'));
	}

	return { triggerAction, triggerSync, startSync };
}
