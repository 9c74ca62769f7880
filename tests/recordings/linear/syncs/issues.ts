import { createSync } from 'nango';
import { z } from 'zod';

const Named = z.object({ id: z.string(), name: z.string() });
const Coloured = Named.extend({ color: z.string() });

const Issue = z.object({
    id: z.string(),
    identifier: z.string(),
    title: z.string(),
    description: z.string().optional(),
    state: Coloured,
    assignee: Named.optional(),
    labels: z.array(Coloured),
    project: Named.optional(),
    cycle: z.object({ id: z.string(), number: z.number() }).optional(),
    updatedAt: z.string(),
    createdAt: z.string(),
    url: z.string(),
    priority: z.number()
});

const QUERY = `query Issues($after: String, $filter: IssueFilter) {
    issues(first: 100, after: $after, filter: $filter, orderBy: updatedAt) {
        nodes {
            id identifier title description url priority createdAt updatedAt
            state { id name color }
            assignee { id name }
            labels { nodes { id name color } }
            project { id name }
            cycle { id number }
        }
        pageInfo { hasNextPage endCursor }
    }
}`;

type Model = z.infer<typeof Issue>;

type LinearIssue = Omit<Model, 'description' | 'assignee' | 'labels' | 'project' | 'cycle'> & {
    description: string | null;
    assignee: z.infer<typeof Named> | null;
    labels: { nodes: Model['labels'] };
    project: z.infer<typeof Named> | null;
    cycle: { id: string; number: number } | null;
};

interface PageInfo {
    hasNextPage: boolean;
    endCursor: string | null;
}

interface Page {
    data: { issues: { nodes: LinearIssue[]; pageInfo: PageInfo } };
}

export default createSync({
    description: 'Issues of the workspace',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Issue },
    checkpoint: z.object({ updatedSince: z.string() }),

    exec: async (nango) => {
        const checkpoint = await nango.getCheckpoint();
        const filter = checkpoint ? { updatedAt: { gte: checkpoint.updatedSince } } : null;
        let newest = '';

        let page: PageInfo = { hasNextPage: true, endCursor: null };
        while (page.hasNextPage) {
            const response = await nango.post<Page>({
                endpoint: '/graphql',
                data: { query: QUERY, variables: { after: page.endCursor, filter } },
                retries: 3
            });
            const { nodes, pageInfo } = response.data.data.issues;
            await nango.batchSave(nodes.map(toIssue), 'Issue');
            // Linear lists the latest change first, so the checkpoint is on the first page but holds only after the last.
            newest ||= nodes[0]?.updatedAt ?? '';
            page = pageInfo;
        }
        if (newest) {
            await nango.saveCheckpoint({ updatedSince: newest });
        }
    }
});

function toIssue(issue: LinearIssue): Model {
    return {
        ...issue,
        description: issue.description ?? undefined,
        assignee: issue.assignee ?? undefined,
        labels: issue.labels.nodes,
        project: issue.project ?? undefined,
        cycle: issue.cycle ?? undefined
    };
}
