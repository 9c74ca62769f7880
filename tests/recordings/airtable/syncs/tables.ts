import { createSync } from 'nango';
import { z } from 'zod';

const Table = z.object({
    id: z.string(),
    name: z.string(),
    baseId: z.string(),
    baseName: z.string(),
    primaryFieldId: z.string(),
    fields: z.array(
        z.object({
            id: z.string(),
            name: z.string(),
            type: z.string(),
            description: z.string().optional(),
            options: z.unknown().optional()
        })
    ),
    views: z.array(z.object({ id: z.string(), name: z.string(), type: z.string() }))
});

type AirtableTable = Omit<z.infer<typeof Table>, 'baseId' | 'baseName'>;

export default createSync({
    description: 'Tables of all bases, with their fields and views',
    frequency: 'every hour',
    autoStart: true,
    models: { Table },

    exec: async (nango) => {
        await nango.trackDeletesStart('Table');
        const bases = nango.paginate<{ id: string; name: string }>({
            endpoint: '/v0/meta/bases',
            paginate: { type: 'cursor', cursor_path_in_response: 'offset', cursor_name_in_request: 'offset', response_path: 'bases' },
            retries: 3
        });
        for await (const page of bases) {
            for (const base of page) {
                const { data } = await nango.get<{ tables: AirtableTable[] }>({ endpoint: `/v0/meta/bases/${base.id}/tables`, retries: 3 });
                const tables = data.tables.map((table) => ({ ...table, baseId: base.id, baseName: base.name }));
                await nango.batchSave(Table.array().parse(tables), 'Table');
            }
        }
        await nango.trackDeletesEnd('Table');
    }
});
