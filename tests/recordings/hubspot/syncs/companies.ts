import { createSync } from 'nango';
import { z } from 'zod';

const Company = z.object({
    id: z.string(),
    name: z.string().optional(),
    domain: z.string().optional(),
    industry: z.string().optional(),
    city: z.string().optional(),
    state: z.string().optional(),
    country: z.string().optional(),
    phone: z.string().optional(),
    website: z.string().optional(),
    description: z.string().optional(),
    createdAt: z.string(),
    updatedAt: z.string()
});

interface HubspotCompany {
    id: string;
    createdAt: string;
    updatedAt: string;
    properties: Record<'name' | 'domain' | 'industry' | 'city' | 'state' | 'country' | 'phone' | 'website' | 'description', string | null>;
}

export default createSync({
    description: 'Companies',
    frequency: 'every hour',
    autoStart: true,
    models: { Company },

    exec: async (nango) => {
        await nango.trackDeletesStart('Company');
        const pages = nango.paginate<HubspotCompany>({
            endpoint: '/crm/v3/objects/companies',
            params: { properties: 'name,domain,industry,city,state,country,phone,website,description,createdate,hs_lastmodifieddate' },
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
            await nango.batchSave(page.map(toCompany), 'Company');
        }
        await nango.trackDeletesEnd('Company');
    }
});

function toCompany({ id, properties, createdAt, updatedAt }: HubspotCompany): z.infer<typeof Company> {
    return {
        id,
        name: properties.name ?? undefined,
        domain: properties.domain ?? undefined,
        industry: properties.industry ?? undefined,
        city: properties.city ?? undefined,
        state: properties.state ?? undefined,
        country: properties.country ?? undefined,
        phone: properties.phone ?? undefined,
        website: properties.website ?? undefined,
        description: properties.description ?? undefined,
        createdAt,
        updatedAt
    };
}
