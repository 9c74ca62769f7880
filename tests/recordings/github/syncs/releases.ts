import { createSync, type ProxyConfiguration } from 'nango';
import { z } from 'zod';

const Release = z.object({
    id: z.string(),
    repo_owner: z.string(),
    repo_name: z.string(),
    release_id: z.number(),
    node_id: z.string(),
    tag_name: z.string(),
    target_commitish: z.string(),
    name: z.string().optional(),
    body: z.string().optional(),
    draft: z.boolean(),
    prerelease: z.boolean(),
    created_at: z.string(),
    published_at: z.string().optional(),
    author_login: z.string(),
    author_id: z.number()
});

interface GithubRepository {
    name: string;
    owner: { login: string };
}

interface GithubRelease {
    id: number;
    node_id: string;
    tag_name: string;
    target_commitish: string;
    name: string | null;
    body: string | null;
    draft: boolean;
    prerelease: boolean;
    created_at: string;
    published_at: string | null;
    author: { login: string; id: number };
}

function list(endpoint: string): ProxyConfiguration {
    return {
        endpoint,
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
    description: 'Releases of all repositories the user can see',
    frequency: 'every hour',
    autoStart: true,
    models: { Release },

    exec: async (nango) => {
        await nango.trackDeletesStart('Release');
        for await (const repositories of nango.paginate<GithubRepository>(list('/user/repos'))) {
            for (const { owner, name } of repositories) {
                for await (const page of nango.paginate<GithubRelease>(list(`/repos/${owner.login}/${name}/releases`))) {
                    await nango.batchSave(
                        page.map((release) => toRelease(owner.login, name, release)),
                        'Release'
                    );
                }
            }
        }
        await nango.trackDeletesEnd('Release');
    }
});

function toRelease(owner: string, repo: string, release: GithubRelease): z.infer<typeof Release> {
    return {
        id: `${owner}/${repo}/${release.id}`,
        repo_owner: owner,
        repo_name: repo,
        release_id: release.id,
        node_id: release.node_id,
        tag_name: release.tag_name,
        target_commitish: release.target_commitish,
        name: release.name ?? undefined,
        body: release.body ?? undefined,
        draft: release.draft,
        prerelease: release.prerelease,
        created_at: release.created_at,
        published_at: release.published_at ?? undefined,
        author_login: release.author.login,
        author_id: release.author.id
    };
}
