import { createSync } from 'nango';
import { z } from 'zod';
import { obey, Page } from '../page.js';

const Note = z.object({ id: z.string(), count: z.number(), text: z.string() });

/**
 * Incremental: of records that are there only what changed, for batchUpdate. `base` is where this crawl began: what changed
 * before it is stored, while what changed since may be on a later page. Nothing is tried again.
 */
export default createSync({
    description: 'soak: patches of notes',
    version: '1.0.0',
    frequency: 'every minute',
    autoStart: true,
    models: { Note },
    checkpoint: z.object({ base: z.number(), since: z.number() }),

    exec: async (nango) => {
        let { base, since } = (await nango.getCheckpoint()) ?? { base: 0, since: 0 };
        for (let more = true; more; ) {
            const response = await nango.get({ endpoint: '/patches', params: { base: String(base), since: String(since), limit: '20' } });
            const data = Page.parse(response.data);
            await nango.batchSave(data.items, 'Note');
            await nango.batchUpdate(data.patches as any, 'Note');
            await obey(data.order);
            await nango.batchDelete(data.gone, 'Note');
            since = data.last;
            more = data.more;
            if (!more) base = since;
            await nango.saveCheckpoint({ base, since });
        }
    }
});
