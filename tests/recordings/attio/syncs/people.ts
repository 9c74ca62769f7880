import { createSync } from 'nango';
import { z } from 'zod';

const Person = z.object({
    id: z.string(),
    created_at: z.string(),
    web_url: z.string()
});

const LIMIT = 100;

interface AttioRecord {
    id: { record_id: string };
    created_at: string;
    web_url: string;
}

export default createSync({
    description: 'People of the workspace',
    frequency: 'every hour',
    autoStart: true,
    models: { Person },

    exec: async (nango) => {
        await nango.trackDeletesStart('Person');
        const pages = nango.paginate<AttioRecord>({
            method: 'POST',
            endpoint: '/v2/objects/people/records/query',
            // The oldest first: what is added meanwhile comes last and moves nothing.
            data: { limit: LIMIT, offset: 0, sorts: [{ direction: 'asc', attribute: 'created_at' }] },
            paginate: {
                type: 'offset',
                offset_name_in_request: 'offset',
                response_path: 'data',
                limit_name_in_request: 'limit',
                limit: LIMIT
            },
            retries: 3
        });
        for await (const page of pages) {
            const people = page.map(({ id, created_at, web_url }) => ({ id: id.record_id, created_at, web_url }));
            await nango.batchSave(people, 'Person');
        }
        await nango.trackDeletesEnd('Person');
    }
});
