import { createSync } from 'nango';
import { z } from 'zod';

const Repository = z.object({
    id: z.string(),
    name: z.string(),
    full_name: z.string(),
    owner_login: z.string(),
    owner_id: z.string(),
    owner_type: z.string(),
    private: z.boolean(),
    visibility: z.string(),
    html_url: z.string(),
    description: z.string().optional(),
    fork: z.boolean(),
    default_branch: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
    pushed_at: z.string(),
    language: z.string().optional(),
    size: z.number(),
    forks_count: z.number(),
    stargazers_count: z.number(),
    open_issues_count: z.number(),
    archived: z.boolean(),
    disabled: z.boolean()
});

type GithubRepository = Omit<z.infer<typeof Repository>, 'id' | 'description' | 'language'> & {
    id: number;
    owner: { login: string; id: number; type: string };
    description: string | null;
    language: string | null;
};

export default createSync({
    description: 'Repositories the user can see',
    frequency: 'every hour',
    autoStart: true,
    models: { Repository },

    exec: async (nango) => {
        await nango.trackDeletesStart('Repository');
        const pages = nango.paginate<GithubRepository>({
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
        for await (const page of pages) {
            await nango.batchSave(page.map(toRepository), 'Repository');
        }
        await nango.trackDeletesEnd('Repository');
    }
});

function toRepository(repo: GithubRepository): z.infer<typeof Repository> {
    return {
        id: String(repo.id),
        name: repo.name,
        full_name: repo.full_name,
        owner_login: repo.owner.login,
        owner_id: String(repo.owner.id),
        owner_type: repo.owner.type,
        private: repo.private,
        visibility: repo.visibility,
        html_url: repo.html_url,
        description: repo.description ?? undefined,
        fork: repo.fork,
        default_branch: repo.default_branch,
        created_at: repo.created_at,
        updated_at: repo.updated_at,
        pushed_at: repo.pushed_at,
        language: repo.language ?? undefined,
        size: repo.size,
        forks_count: repo.forks_count,
        stargazers_count: repo.stargazers_count,
        open_issues_count: repo.open_issues_count,
        archived: repo.archived,
        disabled: repo.disabled
    };
}
