import { createSync } from 'nango';
import { z } from 'zod';

const Workspace = z.object({
    id: z.string(),
    gid: z.string(),
    name: z.string(),
    is_organization: z.boolean(),
    email_domains: z.array(z.string()),
    resource_type: z.string()
});

type AsanaWorkspace = Omit<z.infer<typeof Workspace>, 'id'>;

export default createSync({
    description: 'Workspaces and organizations of the user',
    frequency: 'every hour',
    autoStart: true,
    models: { Workspace },

    exec: async (nango) => {
        await nango.trackDeletesStart('Workspace');
        const pages = nango.paginate<AsanaWorkspace>({
            endpoint: '/api/1.0/workspaces',
            params: { opt_fields: 'gid,name,is_organization,email_domains,resource_type' },
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'next_page.offset',
                cursor_name_in_request: 'offset',
                response_path: 'data',
                limit_name_in_request: 'limit',
                limit: 100
            },
            retries: 3
        });
        for await (const page of pages) {
            const workspaces = page.map((workspace) => ({ ...workspace, id: workspace.gid }));
            await nango.batchSave(Workspace.array().parse(workspaces), 'Workspace');
        }
        await nango.trackDeletesEnd('Workspace');
    }
});
