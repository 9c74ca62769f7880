import { createSync } from 'nango';
import { z } from 'zod';

const Owner = z.object({
    id: z.string(),
    email: z.string().optional(),
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    userId: z.number().optional(),
    archived: z.boolean(),
    createdAt: z.string(),
    updatedAt: z.string()
});

export default createSync({
    description: 'Users that can own CRM records',
    frequency: 'every hour',
    autoStart: true,
    models: { Owner },

    exec: async (nango) => {
        await nango.trackDeletesStart('Owner');
        const pages = nango.paginate({
            endpoint: '/crm/v3/owners',
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'paging.next.after',
                cursor_name_in_request: 'after',
                response_path: 'results',
                limit_name_in_request: 'limit',
                limit: 100
            },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(Owner.array().parse(page), 'Owner');
        }
        await nango.trackDeletesEnd('Owner');
    }
});
