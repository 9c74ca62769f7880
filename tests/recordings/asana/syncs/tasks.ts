import { createSync, type ProxyConfiguration } from 'nango';
import { z } from 'zod';

const Task = z.object({
    id: z.string(),
    gid: z.string(),
    name: z.string(),
    resource_type: z.string(),
    resource_subtype: z.string(),
    modified_at: z.string(),
    created_at: z.string(),
    completed: z.boolean(),
    assignee_gid: z.string().optional(),
    assignee_name: z.string().optional(),
    due_on: z.string().optional(),
    due_at: z.string().optional(),
    workspace_gid: z.string(),
    workspace_name: z.string()
});

interface Named {
    gid: string;
    name: string;
}

interface AsanaTask extends Named {
    resource_type: string;
    resource_subtype: string;
    modified_at: string;
    created_at: string;
    completed: boolean;
    assignee: Named | null;
    due_on: string | null;
    due_at: string | null;
    workspace: Named;
}

const FIELDS = 'gid,name,resource_type,resource_subtype,modified_at,created_at,completed,assignee,due_on,due_at,workspace';

function list(endpoint: string, params: Record<string, string>): ProxyConfiguration {
    return {
        endpoint,
        params,
        paginate: {
            type: 'cursor',
            cursor_path_in_response: 'next_page.offset',
            cursor_name_in_request: 'offset',
            response_path: 'data',
            limit_name_in_request: 'limit',
            limit: 100
        },
        retries: 3
    };
}

export default createSync({
    description: 'Tasks of all projects',
    frequency: 'every hour',
    autoStart: true,
    models: { Task },

    exec: async (nango) => {
        const workspaces = await nango.get<{ data: Named[] }>({
            endpoint: '/api/1.0/workspaces',
            params: { opt_fields: 'gid,name' },
            retries: 3
        });

        await nango.trackDeletesStart('Task');
        for (const workspace of workspaces.data.data) {
            const projects = nango.paginate<Named>(list(`/api/1.0/workspaces/${workspace.gid}/projects`, { opt_fields: 'gid,name' }));
            for await (const page of projects) {
                for (const project of page) {
                    for await (const tasks of nango.paginate<AsanaTask>(list('/api/1.0/tasks', { project: project.gid, opt_fields: FIELDS }))) {
                        await nango.batchSave(tasks.map(toTask), 'Task');
                    }
                }
            }
        }
        await nango.trackDeletesEnd('Task');
    }
});

function toTask(task: AsanaTask): z.infer<typeof Task> {
    return {
        id: task.gid,
        gid: task.gid,
        name: task.name,
        resource_type: task.resource_type,
        resource_subtype: task.resource_subtype,
        modified_at: task.modified_at,
        created_at: task.created_at,
        completed: task.completed,
        assignee_gid: task.assignee?.gid,
        assignee_name: task.assignee?.name,
        due_on: task.due_on ?? undefined,
        due_at: task.due_at ?? undefined,
        workspace_gid: task.workspace.gid,
        workspace_name: task.workspace.name
    };
}
