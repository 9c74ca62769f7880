/*
 * What a function says about itself, for deployment: its definition, with zod schemas as JSON Schema
 * (spec function-runtime 0.1, api-cli 3.3). Values may be computed at module load, so this runs the
 * module like a run does.
 */
import { zod } from './zod.ts';

type Bag = Record<string, any>;

const KINDS: Record<string, string> = { sync: 'Sync', action: 'Action', onEvent: 'OnEvent', function: 'Function' };

const isSchema = (value: any) => typeof value === 'object' && value !== null && '_zod' in value;

/* Dates travel as text; void is what JSON has no word for. */
function override({ zodSchema, jsonSchema }: Bag): void {
	const { type } = zodSchema._zod.def;
	if (type === 'date')
		Object.assign(jsonSchema, { type: 'string', format: 'date-time' });
	else if (type === 'void' || type === 'undefined')
		jsonSchema.type = 'null';
}

function jsonSchema(schema: unknown): object {
	const out = zod.toJSONSchema(schema, { target: 'draft-7', unrepresentable: 'any', override });
	delete out.$schema;
	return out;
}

/* Puts a schema under its name, its own shared parts beside it, and returns the name. */
function define(definitions: Bag, name: string, schema: unknown): string | undefined {
	if (!isSchema(schema))
		return undefined;
	const { definitions: parts, ...rest } = jsonSchema(schema) as Bag;
	Object.assign(definitions, parts);
	definitions[name] = rest;
	return name;
}

function named(kind: string, role: string, names: { integration: string; name: string }): string {
	const integration = names.integration.replace(/[^a-zA-Z0-9]/g, '_');
	const name = names.name.replace(/[^a-zA-Z0-9]/g, '');
	return `${KINDS[kind] ?? 'Function'}${role}_${integration}_${name}`;
}

function endpointsOf(def: Bag): object[] {
	return def.endpoints ?? (def.endpoint ? [def.endpoint] : []);
}

/* Members of the nango object that need the server to keep checkpoints. */
const CHECKPOINTS = /\b(getCheckpoint|saveCheckpoint|clearCheckpoint)\b/;

function featuresOf(def: Bag): string[] {
	const source = [def.exec, def.onWebhook].filter((f) => typeof f === 'function').map(String).join('\n');
	return def.checkpoint || CHECKPOINTS.test(source) ? ['checkpoints'] : [];
}

export function describeFunction(def: Bag, names: { integration: string; name: string }): object {
	if (typeof def !== 'object' || def === null || typeof def.exec !== 'function')
		throw new Error('the default export must be createSync({...}), createAction({...}) or createOnEvent({...})');
	const definitions: Bag = {};
	const kind = String(def.type);
	const role = (what: string, schema: unknown) => define(definitions, named(kind, what, names), schema);
	const models = Object.entries(def.models ?? {}).map(([name, schema]) => define(definitions, name, schema) ?? name);
	const described = {
		type: kind,
		description: def.description ?? '',
		version: def.version ?? '',
		frequency: def.frequency ?? null,
		models,
		autoStart: def.autoStart === true,
		syncType: def.syncType ?? 'full',
		trackDeletes: Boolean(def.trackDeletes),
		webhookSubscriptions: def.webhookSubscriptions ?? [],
		hasOnWebhook: typeof def.onWebhook === 'function',
		event: def.event ?? null,
		scopes: def.scopes ?? [],
		endpoints: endpointsOf(def),
		features: featuresOf(def),
		input: role('Input', def.input),
		output: role('Output', def.output),
		metadata: role('Metadata', def.metadata),
		checkpoint: role('Checkpoint', def.checkpoint),
	};
	return { ...described, json_schema: { definitions } };
}
