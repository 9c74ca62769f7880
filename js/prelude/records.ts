/* What a sync writes and reads back (spec function-runtime 1.3). */
import type { RunLog } from './log.ts';
import { parseLoosely } from './response.ts';
import type { Run } from './run.ts';
import { host } from './host.ts';

type Rec = Record<string, any>;

const BATCH = 1000;
const IDS_PER_CALL = 100;
const PER_PAGE = 100;
const MAX_JSON = 100 * 1024 * 1024;
const STRATEGIES = ['override', 'ignore_if_modified_after'];

export const bodyJson = () => parseLoosely(host.bodyText());

function modelName(model: unknown): string {
	if (typeof model !== 'string' || model === '')
		throw new Error('a model name is needed');
	return model;
}

/* batch_save is what the server calls it; people write batchSave. */
const camel = (method: string) => method.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/* One JSON text per batch: the server splits it over the bytes. */
function batchText(records: Rec[], method: string): string {
	for (const record of records)
		if (record !== null && typeof record === 'object' && '_nango_metadata' in record)
			delete record._nango_metadata;
	const text = JSON.stringify(records);
	if (text.length > MAX_JSON)
		throw new Error(`${camel(method)}: ${records.length} records make ${text.length} characters of JSON, ` +
			`at most ${MAX_JSON} are accepted`);
	return text;
}

export function recordMethods(run: Run, log: RunLog) {
	let seq = 0;
	const strategies = new Set<string>();

	async function batch(method: string, records: Rec[] | null | undefined, model: string): Promise<true> {
		run.check();
		if (!records || records.length === 0)
			return true;
		if (!Array.isArray(records))
			throw new TypeError(`${camel(method)} takes an array of records`);
		for (let at = 0; at < records.length; at += BATCH) {
			const chunk = records.length > BATCH ? records.slice(at, at + BATCH) : records;
			const args = { model: modelName(model), seq: ++seq };
			await run.call(method, args, undefined, batchText(chunk, method));
		}
		return true;
	}

	const batchSave = (records: Rec[], model: string) => batch('batch_save', records, model);

	async function getRecordsByIds(ids: (string | number)[], model: string) {
		const out = new Map<string | number, Rec>();
		const given = new Map(ids.map((id) => [String(id), id]));
		const names = [...given.keys()];
		for (let at = 0; at < names.length; at += IDS_PER_CALL) {
			const args = { model: modelName(model), ids: names.slice(at, at + IDS_PER_CALL) };
			const { records } = await run.call('records_by_ids', args, bodyJson as () => any);
			for (const record of records)
				out.set(given.get(String(record.id)) ?? record.id, record);
		}
		return out;
	}

	async function* listRecords(model: string, options: { cursor?: string } = {}) {
		let cursor = options?.cursor;
		do {
			const args = { model: modelName(model), cursor, limit: PER_PAGE };
			const page: any = await run.call('records_list', args, bodyJson);
			yield* page.records;
			cursor = page.next_cursor ?? undefined;
		} while (cursor);
	}

	async function setMergingStrategy(options: { strategy: string }, model: string) {
		run.check();
		const strategy = options?.strategy;
		if (!STRATEGIES.includes(strategy))
			throw new Error(`Unsupported merging strategy: ${strategy}`);
		if (strategies.has(modelName(model))) {
			log.write('warn', `the merging strategy of ${model} is set already; ignored`);
			return;
		}
		strategies.add(model);
		await run.call('merging_set', { model, strategy });
	}

	const deletedKeys = (method: string) => async (model: string) =>
		run.call(method, { model: modelName(model) }, () => bodyJson() as { deletedKeys: string[] });

	return {
		batchSave,
		batchSend: batchSave,
		batchUpdate: (records: Rec[], model: string) => batch('batch_update', records, model),
		batchDelete: (records: Rec[], model: string) => batch('batch_delete', records, model),
		getRecordsByIds,
		listRecords,
		setMergingStrategy,
		trackDeletesStart: async (model: string) => run.call('track_start', { model: modelName(model) }),
		trackDeletesEnd: deletedKeys('track_end'),
		deleteRecordsFromPreviousExecutions: deletedKeys('delete_outdated'),
	};
}
