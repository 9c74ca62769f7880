import { createSync } from 'tidemark';
import { z } from 'zod';

const Repository = z.object({
    id: z.string(),
    name: z.string(),
    stars: z.number()
});

/** What we need of GitHub's answer; the rest is left out. */
const GithubRepository = z.object({
    id: z.number(),
    full_name: z.string(),
    stargazers_count: z.number()
});

export default createSync({
    description: 'Repositories that the user can see',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    models: { Repository },

    exec: async (nango) => {
        await nango.trackDeletesStart('Repository');
        const pages = nango.paginate({
            // https://docs.github.com/en/rest/repos/repos#list-repositories-for-the-authenticated-user
            endpoint: '/user/repos',
            paginate: { type: 'link', link_rel_in_response_header: 'next', limit_name_in_request: 'per_page', limit: 100 },
            retries: 3
        });
        for await (const page of pages) {
            const repositories = z.array(GithubRepository).parse(page);
            await nango.batchSave(
                repositories.map((r) => ({ id: String(r.id), name: r.full_name, stars: r.stargazers_count })),
                'Repository'
            );
        }
        await nango.trackDeletesEnd('Repository');
    }
});
