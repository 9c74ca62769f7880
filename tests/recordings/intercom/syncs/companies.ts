import { createSync } from 'nango';
import { z } from 'zod';

const Company = z.object({
    id: z.string(),
    name: z.string().optional(),
    company_id: z.string().optional(),
    created_at: z.number(),
    updated_at: z.number(),
    session_count: z.number(),
    monthly_spend: z.number(),
    user_count: z.number()
});

export default createSync({
    description: 'Companies',
    frequency: 'every hour',
    autoStart: true,
    models: { Company },

    exec: async (nango) => {
        await nango.trackDeletesStart('Company');
        // A scroll keeps its parameter from page to page, and ends with an empty page.
        const pages = nango.paginate({
            endpoint: '/companies/scroll',
            headers: { 'Intercom-Version': '2.11' },
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'scroll_param',
                cursor_name_in_request: 'scroll_param',
                response_path: 'data',
                limit_name_in_request: 'per_page',
                limit: 100
            },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(Company.array().parse(page), 'Company');
        }
        await nango.trackDeletesEnd('Company');
    }
});
