/** The `nango` object that every function receives. */

import type * as z from 'zod';
import type { Connection, Credentials, GetConnectionOptions, Integration } from './connection.js';
import type { ProxyConfiguration, ProxyResponse, RequestConfiguration } from './http.js';

/** A record: an object schema with a text `id`, unique within the connection. */
export type ZodModel = z.ZodObject<{ id: z.ZodType<string> }>;

/** What a sync remembers between runs: a flat object of at most 16 texts, numbers or booleans. */
export type ZodCheckpoint = z.ZodObject<Record<string, z.ZodType<string | number | boolean | null | undefined>>>;

export type ZodMetadata = z.ZodObject | z.ZodVoid;

type MaybeInfer<Schema, Otherwise> = Schema extends z.ZodType ? z.infer<Schema> : Otherwise;

type AnyObject = Record<string, any>;

/** What is left of a record to give when only some of its fields change. Lists are replaced as a whole. */
type DeepPartial<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: DeepPartial<T[K]> | undefined } : T;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
    level?: LogLevel | undefined;
}

/**
 * Ends a run with a message meant for whoever started it: `throw new nango.ActionError({ message: 'No such contact' })`.
 * The payload is handed over as it is.
 */
export interface ActionError<T = AnyObject> extends Error {
    type: string;
    payload: T;
}

/** What functions of every kind can do. */
export interface NangoAction<Metadata extends ZodMetadata | undefined = undefined, Checkpoint extends ZodCheckpoint | undefined = undefined> {
    readonly connectionId: string;
    /** The integration's id. */
    readonly providerConfigKey: string;
    /** The name in the provider catalogue. */
    readonly provider?: string | undefined;
    readonly environmentId: number;
    readonly environmentName?: string | undefined;
    /** The id of this run, as shown in the logs. */
    readonly activityLogId?: string | undefined;
    readonly syncId?: string | undefined;
    readonly syncJobId?: number | undefined;
    readonly scriptType: 'sync' | 'action' | 'webhook' | 'on-event';
    readonly isCLI?: boolean | undefined;

    readonly ActionError: new <T = AnyObject>(payload?: T) => ActionError<T>;

    /** Sends a request with the connection's credentials. Rejects with an `HttpError` on any status but 200 to 299. */
    proxy<T = any>(config: ProxyConfiguration): Promise<ProxyResponse<T>>;
    get<T = any>(config: RequestConfiguration): Promise<ProxyResponse<T>>;
    post<T = any>(config: RequestConfiguration): Promise<ProxyResponse<T>>;
    put<T = any>(config: RequestConfiguration): Promise<ProxyResponse<T>>;
    patch<T = any>(config: RequestConfiguration): Promise<ProxyResponse<T>>;
    delete<T = any>(config: RequestConfiguration): Promise<ProxyResponse<T>>;

    /**
     * All pages of a list, one at a time: `for await (const page of nango.paginate<Contact>({ … }))`.
     * The next page is asked for only when the loop comes back for it.
     */
    paginate<T = any>(config: ProxyConfiguration): AsyncGenerator<T[], undefined, void>;

    /** The connection with credentials that are valid now. Without ids: the run's own. Remembered for a minute. */
    getConnection(providerConfigKey?: string, connectionId?: string, options?: GetConnectionOptions): Promise<Connection>;
    /** The access token where there is one, otherwise the whole credentials. */
    getToken(): Promise<string | { oAuthToken: string; oAuthTokenSecret: string } | Credentials>;
    /** What the app stored with the connection. */
    getMetadata<T = MaybeInfer<Metadata, AnyObject>>(): Promise<T>;
    /** Replaces the metadata. */
    setMetadata(metadata: MaybeInfer<Metadata, AnyObject>): Promise<ProxyResponse>;
    /** Replaces the fields given and keeps the others. */
    updateMetadata(metadata: Partial<MaybeInfer<Metadata, AnyObject>>): Promise<ProxyResponse>;
    /** @deprecated Use `setMetadata`. */
    setFieldMapping(mapping: Record<string, string>): Promise<ProxyResponse>;
    /** @deprecated Use `getMetadata`. */
    getFieldMapping(): Promise<AnyObject>;

    getIntegration(options?: { include?: ('webhook' | 'credentials')[] | undefined }): Promise<Integration>;
    /** Where the provider should send this integration's webhooks. */
    getWebhookURL(): Promise<string | null | undefined>;
    getEnvironmentVariables(): Promise<{ name: string; value: string }[]>;
    getFlowAttributes<A = object>(): A | null;

    /** A line in the run's log: a message, then perhaps data, then perhaps `{ level }`. */
    log(message: unknown, ...rest: unknown[]): Promise<void>;
    /** Drops lines below this level for the rest of the run. */
    setLogger(logger: { level: LogLevel | 'off' }): void;

    /** Runs an action to its end and resolves to its output. */
    triggerAction<In = unknown, Out = any>(providerConfigKey: string, connectionId: string, name: string, input?: In): Promise<Out>;
    /** Starts a run of a sync and returns without waiting for it. `reset` forgets its checkpoint, `emptyCache` its records too. */
    triggerSync(
        providerConfigKey: string,
        connectionId: string,
        sync: string | { name: string; variant: string },
        options?: { reset?: boolean; emptyCache?: boolean } | 'incremental' | 'full_refresh' | 'full_refresh_and_clear_cache' | boolean
    ): Promise<unknown>;
    /** Starts the schedules of paused syncs. */
    startSync(providerConfigKey: string, syncs: (string | { name: string; variant: string })[], connectionId?: string): Promise<void>;

    /** True if the lock is now this run's; it is given up after `ttlMs`, at the latest when the run ends. */
    tryAcquireLock(lock: { key: string; ttlMs: number }): Promise<boolean>;
    /** True if the lock was this run's. */
    releaseLock(lock: { key: string }): Promise<boolean>;
    releaseAllLocks(): Promise<void>;

    /** What the last `saveCheckpoint` saved, `null` before the first one and after a reset. */
    getCheckpoint(): Promise<MaybeInfer<Checkpoint, AnyObject> | null>;
    /** Remembers how far the sync has come. An interrupted or failed run goes on from here. */
    saveCheckpoint(checkpoint: MaybeInfer<Checkpoint, AnyObject>): Promise<void>;
    clearCheckpoint(): Promise<void>;

    /** A request without credentials, retries or logging, to any address that is allowed. */
    uncontrolledFetch(request: { url: URL; method?: HttpVerb; headers?: Record<string, string>; body?: string | null }): Promise<FetchResponse>;

    /** Checks an input against a schema; what is wrong is logged and thrown as an `ActionError`. */
    zodValidateInput<Schema extends z.ZodType>(check: { zodSchema: Schema; input: unknown }): Promise<{ success: true; data: z.infer<Schema> }>;
}

type HttpVerb = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

/** The part of a Fetch API response that is there. */
export interface FetchResponse {
    readonly ok: boolean;
    readonly status: number;
    readonly statusText: string;
    readonly url: string;
    readonly headers: { get(name: string): string | null };
    json(): Promise<any>;
    text(): Promise<string>;
    arrayBuffer(): Promise<ArrayBuffer>;
}

/** What the store knows of a record, next to its own fields. */
export interface RecordMetadata {
    first_seen_at: string;
    last_modified_at: string;
    last_action: 'ADDED' | 'UPDATED' | 'DELETED';
    deleted_at: string | null;
    pruned_at: string | null;
    cursor: string;
}

type Stored<Model extends ZodModel> = z.infer<Model> & { _nango_metadata: RecordMetadata };

/** What syncs and their webhook handlers can do besides: save records. */
export interface NangoSync<
    Models extends Record<string, ZodModel> = Record<string, ZodModel>,
    Metadata extends ZodMetadata | undefined = undefined,
    Checkpoint extends ZodCheckpoint | undefined = undefined
> extends NangoAction<Metadata, Checkpoint> {
    readonly variant: string;
    /** @deprecated Keep a checkpoint instead. Start of the last successful run. */
    readonly lastSyncDate?: Date | undefined;
    readonly track_deletes: boolean;

    /** Adds the records that are new, updates those that differ, leaves the others alone. */
    batchSave<Name extends keyof Models & string>(records: z.infer<Models[Name]>[], model: Name): Promise<boolean>;
    /** @deprecated The old name of `batchSave`. */
    batchSend<Name extends keyof Models & string>(records: z.infer<Models[Name]>[], model: Name): Promise<boolean>;
    /** Marks records as deleted. Ids that are unknown or already deleted do no harm. */
    batchDelete<Name extends keyof Models & string>(records: { id: string; deletedAt?: string | Date }[], model: Name): Promise<boolean>;
    /** Merges the fields given into records that exist; unknown ids are passed over. */
    batchUpdate<Name extends keyof Models & string>(records: (DeepPartial<z.infer<Models[Name]>> & { id: string })[], model: Name): Promise<boolean>;

    getRecordsByIds<Id extends string | number, Name extends keyof Models & string>(ids: Id[], model: Name): Promise<Map<Id, Stored<Models[Name]>>>;
    /** Every record of the model, deleted ones included, one at a time. */
    listRecords<Name extends keyof Models & string>(model: Name, options?: { cursor?: string | undefined }): AsyncGenerator<Stored<Models[Name]>, void, void>;

    /** From here on, remember which records are saved: those not saved by `trackDeletesEnd` are gone at the provider. */
    trackDeletesStart(model: keyof Models & string): Promise<void>;
    /** Deletes what was not saved since `trackDeletesStart`, also if that was in an earlier run that was cut short. */
    trackDeletesEnd(model: keyof Models & string): Promise<{ deletedKeys: string[] }>;
    /** @deprecated Use `trackDeletesStart` and `trackDeletesEnd`. */
    deleteRecordsFromPreviousExecutions(model: keyof Models & string): Promise<{ deletedKeys: string[] }>;

    /** Whether this run's data wins over records that were changed, say by a webhook, while it was fetching. Default `override`. */
    setMergingStrategy(merging: { strategy: 'override' | 'ignore_if_modified_after' }, model: keyof Models & string): Promise<void>;
}
