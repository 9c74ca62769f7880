// Compiled, never run: what must type-check does, and each line after @ts-expect-error does not.

import { createAction, createOnEvent, createSync, type NangoAction, type NangoSync, type ProxyConfiguration } from 'tidemark';
import { createSync as sameUnderItsOtherName } from 'nango';
import { z } from 'zod';

const Order = z.object({ id: z.uuid(), note: z.string().optional(), item: z.object({ sku: z.string(), sizes: z.array(z.number()) }) });
const Buyer = z.object({ id: z.string(), name: z.string().nullable() });

const sync = sameUnderItsOtherName({
    description: 'records, metadata and checkpoint have the types of their schemas',
    frequency: 'every hour',
    models: { Order, Buyer },
    metadata: z.object({ region: z.string() }),
    checkpoint: z.object({ since: z.string(), page: z.number().optional() }),

    exec: async (nango) => {
        await nango.batchSave([{ id: '1', item: { sku: 'a', sizes: [] } }], 'Order');
        // @ts-expect-error item is missing
        await nango.batchSave([{ id: '1' }], 'Order');
        // @ts-expect-error a buyer is no order
        await nango.batchSave([{ id: '1', name: null }], 'Order');
        // @ts-expect-error no such model
        await nango.batchSave([], 'Invoice');
        await nango.batchDelete([{ id: '1' }], 'Buyer');
        // @ts-expect-error ids are text
        await nango.batchDelete([{ id: 1 }], 'Buyer');
        await nango.batchUpdate([{ id: '1', item: { sizes: [1] } }], 'Order');
        // @ts-expect-error sizes are numbers
        await nango.batchUpdate([{ id: '1', item: { sizes: ['L'] } }], 'Order');

        const found = (await nango.getRecordsByIds(['1', 2], 'Order')).get(2);
        const action: 'ADDED' | 'UPDATED' | 'DELETED' | undefined = found?._nango_metadata.last_action;
        for await (const { name } of nango.listRecords('Buyer')) await nango.log(name, { action }, { level: 'warn' });

        const { region } = await nango.getMetadata();
        // @ts-expect-error no such metadata
        await nango.updateMetadata({ colour: region });
        const since: string | undefined = (await nango.getCheckpoint())?.since;
        await nango.saveCheckpoint({ since: since ?? region });
        // @ts-expect-error since is text
        await nango.saveCheckpoint({ since: 1 });

        await anySync(nango);
        await anyFunction(nango);
    },
    onWebhook: async (nango, payload) => {
        await nango.batchSave(Order.array().parse(payload), 'Order');
    }
});

export async function thisSync(nango: Parameters<(typeof sync)['exec']>[0]): Promise<void> {
    await nango.trackDeletesStart('Order');
}

async function anySync(nango: NangoSync): Promise<void> {
    await nango.batchSave([{ id: '1' }], 'Whatever');
}

async function anyFunction(nango: NangoAction): Promise<void> {
    const { get, paginate } = nango;
    const config: ProxyConfiguration = { endpoint: '/x', params: { a: 1, b: ['c'], d: undefined }, retries: 3, retryOn: [404] };
    await get(config);
    // @ts-expect-error get is always a GET
    await get({ endpoint: '/x', method: 'POST' });
    paginate<string>({ endpoint: '/x', paginate: { limit: 10 } });
    // @ts-expect-error a cursor needs names
    paginate({ endpoint: '/x', paginate: { type: 'cursor' } });

    const { credentials } = await nango.getConnection();
    if (credentials.type === 'API_KEY') await nango.log(credentials.apiKey.length);
    const message: string = new nango.ActionError({ message: 'no' }).payload.message;
    await nango.log(message);
}

// @ts-expect-error a record needs an id
createSync({ description: '', frequency: 'every hour', models: { A: z.object({ b: z.string() }) }, exec: async () => {} });
// @ts-expect-error that is text
createSync({ description: '', frequency: 'every hour', models: { A: z.object({ id: z.number() }) }, exec: async () => {} });

createAction({
    description: 'input and output have the types of their schemas',
    input: z.object({ word: z.string() }),
    output: z.object({ length: z.number() }),
    exec: async (nango, { word }) => {
        const { data } = await nango.zodValidateInput({ zodSchema: z.object({ word: z.string() }), input: { word } });
        return { length: data.word.length };
    }
});
// @ts-expect-error the output is no number
createAction({ description: '', input: z.void(), output: z.number(), exec: async () => 'one' });

createOnEvent({ description: '', event: 'validate-connection', exec: anyFunction });
// @ts-expect-error no such event
createOnEvent({ description: '', event: 'lunch', exec: anyFunction });
