import { createSync } from 'nango';
import { z } from 'zod';
import { obey, Page } from '../page.js';

const Item = z.object({ id: z.string(), count: z.number(), text: z.string() });

/** Incremental: what changed since the last checkpoint, whole records. */
export default createSync({
    description: 'soak: changes of items',
    version: '1.0.0',
    frequency: 'every 30 seconds',
    autoStart: true,
    models: { Item },
    checkpoint: z.object({ since: z.number() }),

    exec: async (nango) => {
        let since = (await nango.getCheckpoint())?.since ?? 0;
        for (let more = true; more; ) {
            const response = await nango.get({ endpoint: '/changes', params: { since: String(since), limit: '10' }, retries: 2 });
            const data = Page.parse(response.data);
            await nango.batchSave(data.items, 'Item');
            await obey(data.order);
            await nango.batchDelete(data.gone, 'Item');
            since = data.last;
            more = data.more;
            await nango.saveCheckpoint({ since });
        }
    }
});
