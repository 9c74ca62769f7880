/* What a function says about itself when it is deployed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { REQUIRES, Runner } from './parent.ts';

let runner: Runner;
before(async () => {
	runner = new Runner({ entry_ms: 500 });
	await runner.started();
});
after(() => runner.close());

async function inspect(definition: string, integration = 'my-crm', name = 'all-contacts') {
	const { head, body } = await runner.inspect(`${REQUIRES}const shared = z.object({ n: z.number() });\nmodule.exports.default = ${definition};`, integration, name);
	assert.equal(head.ok, true, JSON.stringify(head.error));
	return JSON.parse(body.toString());
}

test('a sync', async () => {
	const got = await inspect(`{ type: 'sync', description: 'd', version: '1.0.0', frequency: 'every hour', autoStart: true,
		syncType: 'incremental', trackDeletes: false, scopes: ['a'], endpoints: [{ method: 'GET', path: '/c' }],
		models: { Contact: z.object({ id: z.string(), at: z.date().nullable(), tags: z.array(z.string()).optional(), any: z.bigint() }), Other: shared.extend({ id: z.string() }) },
		metadata: z.object({ region: z.string() }), checkpoint: z.object({ at: z.string() }), webhookSubscriptions: ['*'],
		exec: async (nango) => {}, onWebhook: async () => {} }`);
	const { json_schema, ...rest } = got;
	assert.deepEqual(rest, {
		type: 'sync', description: 'd', version: '1.0.0', frequency: 'every hour', models: ['Contact', 'Other'], autoStart: true,
		syncType: 'incremental', trackDeletes: false, webhookSubscriptions: ['*'], hasOnWebhook: true, event: null, scopes: ['a'],
		endpoints: [{ method: 'GET', path: '/c' }], features: ['checkpoints'],
		metadata: 'SyncMetadata_my_crm_allcontacts', checkpoint: 'SyncCheckpoint_my_crm_allcontacts',
	});
	const { Contact } = json_schema.definitions;
	assert.equal(Contact.$schema, undefined);
	assert.equal(Contact.additionalProperties, false);
	assert.deepEqual(Contact.properties.at, { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] });
	assert.deepEqual(Contact.properties.any, {});
	assert.deepEqual(Contact.required, ['id', 'at', 'any']);
	assert.deepEqual(Object.keys(json_schema.definitions).sort(), ['Contact', 'Other', 'SyncCheckpoint_my_crm_allcontacts', 'SyncMetadata_my_crm_allcontacts']);
});

test('an action, with nothing as output', async () => {
	const got = await inspect(`{ type: 'action', description: 'd', input: z.object({ a: z.string() }), output: z.void(), endpoint: { method: 'POST', path: '/x' }, exec: async () => {} }`);
	assert.deepEqual([got.input, got.output, got.models, got.endpoints.length, got.features], ['ActionInput_my_crm_allcontacts', 'ActionOutput_my_crm_allcontacts', [], 1, []]);
	assert.deepEqual(got.json_schema.definitions.ActionOutput_my_crm_allcontacts, { type: 'null' });
});

test('an event handler; values are computed as the module loads', async () => {
	const got = await inspect(`{ type: 'onEvent', event: ['post', 'connection', 'creation'].join('-'), description: 'd', exec: async () => {} }`);
	assert.deepEqual([got.type, got.event], ['onEvent', 'post-connection-creation']);
});

test('what is no function is refused with a reason', async () => {
	for (const [source, text] of [['module.exports = 1', /must be createSync/], ['throw new Error("top")', /^top$/], ['for (;;) ;', /endless loop/]] as [string, RegExp][]) {
		const { head } = await runner.inspect(source, 'a', 'b');
		assert.match(head.error.message, text);
	}
});
