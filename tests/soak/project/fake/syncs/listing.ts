import { createSync } from 'nango';
import { z } from 'zod';
import { obey } from '../page.js';

const Doc = z.object({ id: z.string(), count: z.number(), text: z.string() });

/** Full: everything there is, page by page; what is not in it any more was deleted. */
export default createSync({
    description: 'soak: all documents',
    version: '1.0.0',
    frequency: 'every 2 minutes',
    autoStart: true,
    models: { Doc },

    exec: async (nango) => {
        await nango.trackDeletesStart('Doc');
        const pages = nango.paginate<z.infer<typeof Doc>>({
            endpoint: '/listing',
            retries: 2,
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'next',
                cursor_name_in_request: 'after',
                response_path: 'items',
                limit_name_in_request: 'limit',
                limit: 20,
                on_page: async ({ response }) => obey(response.data.order)
            }
        });
        for await (const page of pages) await nango.batchSave(Doc.array().parse(page), 'Doc');
        await nango.trackDeletesEnd('Doc');
    }
});
