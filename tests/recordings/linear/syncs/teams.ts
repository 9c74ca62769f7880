import { createSync } from 'nango';
import { z } from 'zod';

const Team = z.object({
    id: z.string(),
    name: z.string(),
    key: z.string(),
    description: z.string().optional(),
    color: z.string().optional(),
    icon: z.string().optional(),
    private: z.boolean(),
    createdAt: z.string(),
    updatedAt: z.string(),
    archivedAt: z.string().optional()
});

const QUERY = `query Teams($after: String) {
    teams(first: 100, after: $after) {
        nodes { id name key description color icon private createdAt updatedAt archivedAt }
        pageInfo { hasNextPage endCursor }
    }
}`;

interface LinearTeam {
    id: string;
    name: string;
    key: string;
    description: string | null;
    color: string | null;
    icon: string | null;
    private: boolean;
    createdAt: string;
    updatedAt: string;
    archivedAt: string | null;
}

interface PageInfo {
    hasNextPage: boolean;
    endCursor: string | null;
}

interface Page {
    data: { teams: { nodes: LinearTeam[]; pageInfo: PageInfo } };
}

export default createSync({
    description: 'Teams of the workspace',
    frequency: 'every hour',
    autoStart: true,
    models: { Team },

    exec: async (nango) => {
        await nango.trackDeletesStart('Team');
        // Not nango.paginate: the last page has an endCursor as well, and only hasNextPage says that it is the last.
        let page: PageInfo = { hasNextPage: true, endCursor: null };
        while (page.hasNextPage) {
            const response = await nango.post<Page>({
                endpoint: '/graphql',
                data: { query: QUERY, variables: { after: page.endCursor } },
                retries: 3
            });
            const { nodes, pageInfo } = response.data.data.teams;
            await nango.batchSave(nodes.map(toTeam), 'Team');
            page = pageInfo;
        }
        await nango.trackDeletesEnd('Team');
    }
});

function toTeam(team: LinearTeam): z.infer<typeof Team> {
    return {
        ...team,
        description: team.description ?? undefined,
        color: team.color ?? undefined,
        icon: team.icon ?? undefined,
        archivedAt: team.archivedAt ?? undefined
    };
}
