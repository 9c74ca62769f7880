import { createSync, type ProxyConfiguration } from 'nango';
import { z } from 'zod';

const Issue = z.object({
    id: z.string(),
    project_id: z.number(),
    iid: z.number(),
    title: z.string(),
    description: z.string().optional(),
    state: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
    closed_at: z.string().optional(),
    author_id: z.number(),
    author_username: z.string(),
    labels: z.array(z.string()),
    due_date: z.string().optional(),
    web_url: z.string()
});

interface GitlabIssue {
    id: number;
    project_id: number;
    iid: number;
    title: string;
    description: string | null;
    state: string;
    created_at: string;
    updated_at: string;
    closed_at: string | null;
    author: { id: number; username: string };
    labels: string[];
    due_date: string | null;
    web_url: string;
}

function list(endpoint: string, params: Record<string, string>): ProxyConfiguration {
    return {
        endpoint,
        params,
        paginate: {
            type: 'offset',
            offset_name_in_request: 'page',
            offset_start_value: 1,
            offset_calculation_method: 'per-page',
            limit_name_in_request: 'per_page',
            limit: 100
        },
        retries: 3
    };
}

export default createSync({
    description: 'Issues of the projects the user is a member of',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Issue },
    checkpoint: z.object({ updated_after: z.string() }),

    exec: async (nango) => {
        const checkpoint = await nango.getCheckpoint();
        // A minute's margin, as GitLab's clock need not agree with ours.
        const updated_after = new Date(Date.now() - 60_000).toISOString();

        for await (const projects of nango.paginate<{ id: number }>(list('/api/v4/projects', { membership: 'true' }))) {
            for (const { id } of projects) {
                const issues = list(`/api/v4/projects/${id}/issues`, { state: 'all', order_by: 'updated_at', sort: 'asc', ...checkpoint });
                for await (const page of nango.paginate<GitlabIssue>(issues)) {
                    await nango.batchSave(page.map(toIssue), 'Issue');
                }
            }
        }
        await nango.saveCheckpoint({ updated_after });
    }
});

function toIssue(issue: GitlabIssue): z.infer<typeof Issue> {
    return {
        id: String(issue.id),
        project_id: issue.project_id,
        iid: issue.iid,
        title: issue.title,
        description: issue.description ?? undefined,
        state: issue.state,
        created_at: issue.created_at,
        updated_at: issue.updated_at,
        closed_at: issue.closed_at ?? undefined,
        author_id: issue.author.id,
        author_username: issue.author.username,
        labels: issue.labels,
        due_date: issue.due_date ?? undefined,
        web_url: issue.web_url
    };
}
