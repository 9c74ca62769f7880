import { createSync } from 'nango';
import { z } from 'zod';

const Company = z.object({
    id: z.string(),
    name: z.string(),
    domain: z.string(),
    employees: z.number()
});

/**
 * Full refresh: the CRM can only list all companies, and says nothing of those that are gone.
 * Between trackDeletesStart and trackDeletesEnd every company is saved again; one that is not was deleted.
 * Companies that did not change cost nothing and are not reported to the app.
 */
export default createSync({
    description: 'Companies of the CRM',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    models: { Company },

    exec: async (nango) => {
        await nango.trackDeletesStart('Company');

        const pages = nango.paginate({
            endpoint: '/v1/companies',
            params: { limit: 100 },
            paginate: { type: 'link', link_rel_in_response_header: 'next' },
            retries: 5
        });
        for await (const page of pages) {
            await nango.batchSave(Company.array().parse(page), 'Company');
        }

        // Reached only when all pages were read: a run that fails half-way deletes nothing.
        await nango.trackDeletesEnd('Company');
    }
});
