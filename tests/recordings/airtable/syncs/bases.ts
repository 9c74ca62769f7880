import { createSync } from 'nango';
import { z } from 'zod';

const Base = z.object({
    id: z.string(),
    name: z.string(),
    permissionLevel: z.string()
});

export default createSync({
    description: 'Bases the user can see',
    frequency: 'every hour',
    autoStart: true,
    models: { Base },

    exec: async (nango) => {
        await nango.trackDeletesStart('Base');
        const pages = nango.paginate({
            endpoint: '/v0/meta/bases',
            paginate: { type: 'cursor', cursor_path_in_response: 'offset', cursor_name_in_request: 'offset', response_path: 'bases' },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(Base.array().parse(page), 'Base');
        }
        await nango.trackDeletesEnd('Base');
    }
});
