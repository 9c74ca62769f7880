import { createSync } from 'nango';
import { z } from 'zod';

// What the app gets. Every record needs an id, unique within the connection.
const Contact = z.object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    title: z.string(),
    company_id: z.string()
});

// What the CRM sends. Checked on arrival, so that a surprise fails here and not in the app.
const CrmContact = Contact.extend({ updated_at: z.string(), deleted: z.boolean() });

/** Incremental: the CRM can list what changed since a moment, deletions included. */
export default createSync({
    description: 'Contacts of the CRM',
    version: '1.0.0',
    frequency: 'every 30 seconds',
    autoStart: true,
    models: { Contact },
    checkpoint: z.object({ modified_since: z.string() }),

    exec: async (nango) => {
        const checkpoint = await nango.getCheckpoint();
        const pages = nango.paginate({
            endpoint: '/v1/contacts',
            params: checkpoint ? { modified_since: checkpoint.modified_since } : {},
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'next_cursor',
                cursor_name_in_request: 'cursor',
                response_path: 'data',
                limit_name_in_request: 'limit',
                limit: 100
            },
            retries: 5
        });

        for await (const page of pages) {
            const contacts = CrmContact.array().parse(page);
            const live = contacts.filter((contact) => !contact.deleted);
            const gone = contacts.filter((contact) => contact.deleted);

            await nango.batchSave(Contact.array().parse(live), 'Contact');
            await nango.batchDelete(gone.map(({ id }) => ({ id })), 'Contact');

            // The list is in order of change: if the run is cut short, the next one goes on from this page.
            const last = contacts.at(-1);
            if (last) {
                await nango.saveCheckpoint({ modified_since: last.updated_at });
            }
        }
    }
});
