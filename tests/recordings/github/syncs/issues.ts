import { createSync } from 'nango';
import { z } from 'zod';

const Label = z.object({
    id: z.number(),
    name: z.string(),
    color: z.string(),
    description: z.string().optional()
});

const Issue = z.object({
    id: z.string(),
    node_id: z.string(),
    number: z.number(),
    state: z.string(),
    state_reason: z.string().optional(),
    title: z.string(),
    body: z.string().optional(),
    html_url: z.string(),
    repository_url: z.string(),
    user_id: z.number().optional(),
    user_login: z.string().optional(),
    labels: z.array(Label),
    assignee_id: z.number().optional(),
    assignee_login: z.string().optional(),
    assignees: z.array(z.object({ id: z.number(), login: z.string() })),
    comments_count: z.number(),
    locked: z.boolean(),
    created_at: z.string(),
    updated_at: z.string(),
    closed_at: z.string().optional(),
    closed_by_id: z.number().optional(),
    closed_by_login: z.string().optional()
});

interface User {
    id: number;
    login: string;
}

interface GithubIssue {
    id: number;
    node_id: string;
    number: number;
    state: string;
    state_reason: string | null;
    title: string;
    body: string | null;
    html_url: string;
    repository_url: string;
    user: User | null;
    labels: { id: number; name: string; color: string; description: string | null }[];
    assignee: User | null;
    assignees: User[];
    comments: number;
    locked: boolean;
    created_at: string;
    updated_at: string;
    closed_at: string | null;
    closed_by: User | null;
    pull_request?: object;
}

export default createSync({
    description: 'Issues of all repositories the user can see',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Issue },
    checkpoint: z.object({ since: z.string() }),

    exec: async (nango) => {
        const checkpoint = await nango.getCheckpoint();
        // A minute's margin, as GitHub's clock need not agree with ours.
        const since = new Date(Date.now() - 60_000).toISOString();

        const repositories = nango.paginate<{ full_name: string }>({
            endpoint: '/user/repos',
            paginate: {
                type: 'offset',
                offset_name_in_request: 'page',
                offset_start_value: 1,
                offset_calculation_method: 'per-page',
                limit_name_in_request: 'per_page',
                limit: 100
            },
            retries: 3
        });
        for await (const page of repositories) {
            for (const { full_name } of page) {
                const issues = nango.paginate<GithubIssue>({
                    endpoint: `/repos/${full_name}/issues`,
                    params: { state: 'all', sort: 'updated', direction: 'asc', ...checkpoint },
                    paginate: {
                        type: 'link',
                        link_rel_in_response_header: 'next',
                        limit_name_in_request: 'per_page',
                        limit: 100
                    },
                    retries: 3
                });
                for await (const batch of issues) {
                    // To this API a pull request is an issue too.
                    await nango.batchSave(batch.filter((issue) => !issue.pull_request).map(toIssue), 'Issue');
                }
            }
        }
        await nango.saveCheckpoint({ since });
    }
});

function toIssue(issue: GithubIssue): z.infer<typeof Issue> {
    return {
        id: String(issue.id),
        node_id: issue.node_id,
        number: issue.number,
        state: issue.state,
        state_reason: issue.state_reason ?? undefined,
        title: issue.title,
        body: issue.body ?? undefined,
        html_url: issue.html_url,
        repository_url: issue.repository_url,
        user_id: issue.user?.id,
        user_login: issue.user?.login,
        labels: issue.labels.map(({ id, name, color, description }) => ({ id, name, color, description: description ?? undefined })),
        assignee_id: issue.assignee?.id,
        assignee_login: issue.assignee?.login,
        assignees: issue.assignees.map(({ id, login }) => ({ id, login })),
        comments_count: issue.comments,
        locked: issue.locked,
        created_at: issue.created_at,
        updated_at: issue.updated_at,
        closed_at: issue.closed_at ?? undefined,
        closed_by_id: issue.closed_by?.id,
        closed_by_login: issue.closed_by?.login
    };
}
