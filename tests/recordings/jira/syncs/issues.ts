import { createSync } from 'nango';
import { z } from 'zod';

const Issue = z.object({
    id: z.string(),
    key: z.string(),
    self: z.string(),
    web_url: z.string(),
    summary: z.string(),
    /** A document in Jira's own format. */
    description: z.unknown().optional(),
    status: z.string(),
    issue_type: z.string(),
    priority: z.string().optional(),
    project_id: z.string(),
    project_key: z.string(),
    reporter_id: z.string().optional(),
    assignee_id: z.string().optional(),
    creator_id: z.string().optional(),
    created_at: z.string(),
    updated_at: z.string(),
    labels: z.array(z.string())
});

const FIELDS = ['summary', 'description', 'status', 'issuetype', 'priority', 'project', 'reporter', 'assignee', 'creator', 'created', 'updated', 'labels'];

interface User {
    accountId: string;
}

interface JiraIssue {
    id: string;
    key: string;
    self: string;
    fields: {
        summary: string;
        description: unknown;
        status: { name: string };
        issuetype: { name: string };
        priority: { name: string } | null;
        project: { id: string; key: string };
        reporter: User | null;
        assignee: User | null;
        creator: User | null;
        created: string;
        updated: string;
        labels: string[];
    };
}

export default createSync({
    description: 'Issues of a Jira site',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Issue },
    metadata: z.object({ cloudId: z.string(), baseUrl: z.string() }),
    checkpoint: z.object({ updated_since: z.string() }),

    exec: async (nango) => {
        const { cloudId, baseUrl } = await nango.getMetadata();
        const checkpoint = await nango.getCheckpoint();

        const pages = nango.paginate<JiraIssue>({
            endpoint: `/ex/jira/${cloudId}/rest/api/3/search/jql`,
            params: {
                jql: `updated >= "${checkpoint?.updated_since ?? '1970-01-01'}" ORDER BY updated ASC`,
                fields: FIELDS.join(',')
            },
            headers: { 'X-Atlassian-Token': 'no-check' },
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'nextPageToken',
                cursor_name_in_request: 'nextPageToken',
                response_path: 'issues'
            },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(
                page.map((issue) => toIssue(baseUrl, issue)),
                'Issue'
            );
            const last = page.at(-1);
            if (last) {
                await nango.saveCheckpoint({ updated_since: toJqlTime(last.fields.updated) });
            }
        }
    }
});

/** JQL knows minutes at best, in the user's time zone, which is also the one Jira answers in. */
function toJqlTime(updated: string): string {
    return updated.slice(0, 16).replace('T', ' ');
}

function toIssue(baseUrl: string, { id, key, self, fields }: JiraIssue): z.infer<typeof Issue> {
    return {
        id,
        key,
        self,
        web_url: `${baseUrl}/browse/${key}`,
        summary: fields.summary,
        description: fields.description ?? undefined,
        status: fields.status.name,
        issue_type: fields.issuetype.name,
        priority: fields.priority?.name,
        project_id: fields.project.id,
        project_key: fields.project.key,
        reporter_id: fields.reporter?.accountId,
        assignee_id: fields.assignee?.accountId,
        creator_id: fields.creator?.accountId,
        created_at: fields.created,
        updated_at: fields.updated,
        labels: fields.labels
    };
}
