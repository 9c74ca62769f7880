/**
 * What a function file imports: `import { createSync } from 'tidemark'`, or from `nango`, which is the same.
 * Syncs copy a provider's data, actions do one thing on demand, on-event functions run when a connection comes or goes.
 */

import type * as z from 'zod';
import type { NangoAction, NangoSync, ZodCheckpoint, ZodMetadata, ZodModel } from './nango.js';

export type * from './connection.js';
export type * from './http.js';
export type * from './nango.js';

interface Described {
    description: string;
    /** Shown in the logs. Default: counted up by each deployment. */
    version?: string;
    /** OAuth scopes the function needs. Documentation only. */
    scopes?: string[];
}

export interface SyncDefinition<
    Models extends Record<string, ZodModel> = Record<string, ZodModel>,
    Metadata extends ZodMetadata | undefined = undefined,
    Checkpoint extends ZodCheckpoint | undefined = undefined
> extends Described {
    /** `every 5 minutes`, `every hour`, `every day`, … or a cron expression of five fields. */
    frequency: string;
    /** The records this sync saves, by name: `Contact: z.object({ id: z.string(), … })`. Names begin with a capital letter. */
    models: Models;
    /** Start the schedule as soon as there is a connection. Default false: the app starts it. */
    autoStart?: boolean;
    /** What the sync remembers between runs. */
    checkpoint?: Checkpoint;
    /** What the app stores with a connection for this sync. */
    metadata?: Metadata;
    /** Event types to hand to `onWebhook`; `*` for all. */
    webhookSubscriptions?: string[];
    /** @deprecated Use a checkpoint. */
    syncType?: 'full' | 'incremental';
    /** @deprecated Use `nango.trackDeletesStart` and `trackDeletesEnd`. */
    trackDeletes?: boolean;
    /** @deprecated Has no effect but to be checked: one per model. */
    endpoints?: Endpoint[];
    exec: (nango: NangoSync<Models, Metadata, Checkpoint>) => Promise<void> | void;
    /** Called with the body of each webhook the provider sends for a connection. */
    onWebhook?: (nango: NangoSync<Models, Metadata, Checkpoint>, payload: unknown) => Promise<void> | void;
}

export interface ActionDefinition<
    Input extends z.ZodType = z.ZodType,
    Output extends z.ZodType = z.ZodType,
    Metadata extends ZodMetadata | undefined = undefined,
    Checkpoint extends ZodCheckpoint | undefined = undefined
> extends Described {
    input: Input;
    output: Output;
    checkpoint?: Checkpoint;
    metadata?: Metadata;
    /** @deprecated */
    endpoint?: Endpoint;
    exec: (nango: NangoAction<Metadata, Checkpoint>, input: z.infer<Input>) => Promise<z.infer<Output>> | z.infer<Output>;
}

export interface OnEventDefinition<
    Metadata extends ZodMetadata | undefined = undefined,
    Checkpoint extends ZodCheckpoint | undefined = undefined
> extends Described {
    /** `validate-connection` refuses the connection by throwing. */
    event: 'post-connection-creation' | 'pre-connection-deletion' | 'validate-connection';
    checkpoint?: Checkpoint;
    metadata?: Metadata;
    exec: (nango: NangoAction<Metadata, Checkpoint>) => Promise<void> | void;
}

export interface Endpoint {
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
    path: string;
    group?: string;
}

export declare function createSync<
    Models extends Record<string, ZodModel>,
    Metadata extends ZodMetadata | undefined = undefined,
    Checkpoint extends ZodCheckpoint | undefined = undefined
>(definition: SyncDefinition<Models, Metadata, Checkpoint>): SyncDefinition<Models, Metadata, Checkpoint> & { type: 'sync' };

export declare function createAction<
    Input extends z.ZodType,
    Output extends z.ZodType,
    Metadata extends ZodMetadata | undefined = undefined,
    Checkpoint extends ZodCheckpoint | undefined = undefined
>(definition: ActionDefinition<Input, Output, Metadata, Checkpoint>): ActionDefinition<Input, Output, Metadata, Checkpoint> & { type: 'action' };

export declare function createOnEvent<Metadata extends ZodMetadata | undefined = undefined, Checkpoint extends ZodCheckpoint | undefined = undefined>(
    definition: OnEventDefinition<Metadata, Checkpoint>
): OnEventDefinition<Metadata, Checkpoint> & { type: 'onEvent' };
