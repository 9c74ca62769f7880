import { createSync } from 'nango';
import { z } from 'zod';

const Contact = z.object({
    id: z.string(),
    role: z.string(),
    created_at: z.number(),
    updated_at: z.number(),
    email: z.string().optional(),
    phone: z.string().optional(),
    name: z.string().optional(),
    owner_id: z.number().optional(),
    last_seen_at: z.number().optional(),
    signed_up_at: z.number().optional(),
    company_ids: z.array(z.string()).optional()
});

/** How far back the first run goes. */
const FIRST_DAY = Date.UTC(2024, 9, 3) / 1000;
const PER_PAGE = 150;

interface IntercomContact {
    id: string;
    role: string;
    created_at: number;
    updated_at: number;
    email: string | null;
    phone: string | null;
    name: string | null;
    owner_id: number | null;
    last_seen_at: number | null;
    signed_up_at: number | null;
    companies?: { data: { id: string }[] };
}

export default createSync({
    description: 'Users and leads',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Contact },
    checkpoint: z.object({ updated_after: z.number() }),

    exec: async (nango) => {
        const checkpoint = await nango.getCheckpoint();
        const after = checkpoint?.updated_after ?? FIRST_DAY;
        let newest = after;

        const pages = nango.paginate<IntercomContact>({
            method: 'POST',
            endpoint: '/contacts/search',
            headers: { 'Intercom-Version': '2.11' },
            data: {
                query: { operator: 'AND', value: [{ field: 'updated_at', operator: '>', value: after }] },
                pagination: { per_page: PER_PAGE }
            },
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'pages.next.starting_after',
                cursor_name_in_request: 'pagination.starting_after',
                response_path: 'data',
                limit_name_in_request: 'per_page',
                limit: PER_PAGE
            },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(page.map(toContact), 'Contact');
            newest = Math.max(newest, ...page.map((contact) => contact.updated_at));
        }
        // The search is in no order of time, so this holds only now that all pages were read. Less one second: it says
        // "after", and more may have happened within the last one.
        await nango.saveCheckpoint({ updated_after: Math.max(after, newest - 1) });
    }
});

function toContact(contact: IntercomContact): z.infer<typeof Contact> {
    const companies = contact.companies?.data.map(({ id }) => id);
    return {
        id: contact.id,
        role: contact.role,
        created_at: contact.created_at,
        updated_at: contact.updated_at,
        email: contact.email ?? undefined,
        phone: contact.phone ?? undefined,
        name: contact.name ?? undefined,
        owner_id: contact.owner_id ?? undefined,
        last_seen_at: contact.last_seen_at ?? undefined,
        signed_up_at: contact.signed_up_at ?? undefined,
        company_ids: companies?.length ? companies : undefined
    };
}
