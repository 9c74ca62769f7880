import { createSync } from 'nango';
import { z } from 'zod';

const Contact = z.object({
    id: z.string(),
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    email: z.string().optional(),
    phone: z.string().optional(),
    jobTitle: z.string().optional(),
    company: z.string().optional(),
    createdAt: z.string(),
    updatedAt: z.string()
});

interface HubspotContact {
    id: string;
    createdAt: string;
    updatedAt: string;
    properties: Record<'firstname' | 'lastname' | 'email' | 'phone' | 'jobtitle' | 'company', string | null>;
}

export default createSync({
    description: 'Contacts',
    frequency: 'every hour',
    autoStart: true,
    models: { Contact },

    exec: async (nango) => {
        await nango.trackDeletesStart('Contact');
        const pages = nango.paginate<HubspotContact>({
            endpoint: '/crm/v3/objects/contacts',
            params: { properties: 'firstname,lastname,email,phone,jobtitle,company,createdate,lastmodifieddate' },
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
            await nango.batchSave(page.map(toContact), 'Contact');
        }
        await nango.trackDeletesEnd('Contact');
    }
});

function toContact({ id, properties, createdAt, updatedAt }: HubspotContact): z.infer<typeof Contact> {
    return {
        id,
        firstName: properties.firstname ?? undefined,
        lastName: properties.lastname ?? undefined,
        email: properties.email ?? undefined,
        phone: properties.phone ?? undefined,
        jobTitle: properties.jobtitle ?? undefined,
        company: properties.company ?? undefined,
        createdAt,
        updatedAt
    };
}
