import { createSync, type ProxyConfiguration } from 'nango';
import { z } from 'zod';

const Branch = z.object({
    id: z.string(),
    name: z.string(),
    project_id: z.string(),
    merged: z.boolean(),
    protected: z.boolean(),
    default: z.boolean(),
    developers_can_push: z.boolean(),
    developers_can_merge: z.boolean(),
    can_push: z.boolean(),
    web_url: z.string(),
    commit_id: z.string(),
    commit_short_id: z.string(),
    commit_created_at: z.string(),
    commit_title: z.string(),
    commit_message: z.string(),
    commit_author_name: z.string(),
    commit_author_email: z.string(),
    commit_authored_date: z.string(),
    commit_committer_name: z.string(),
    commit_committer_email: z.string(),
    commit_committed_date: z.string(),
    commit_web_url: z.string()
});

interface GitlabBranch {
    name: string;
    merged: boolean;
    protected: boolean;
    default: boolean;
    developers_can_push: boolean;
    developers_can_merge: boolean;
    can_push: boolean;
    web_url: string;
    commit: Record<
        | 'id'
        | 'short_id'
        | 'created_at'
        | 'title'
        | 'message'
        | 'author_name'
        | 'author_email'
        | 'authored_date'
        | 'committer_name'
        | 'committer_email'
        | 'committed_date'
        | 'web_url',
        string
    >;
}

function list(endpoint: string, limit: number, params = {}): ProxyConfiguration {
    return {
        endpoint,
        params,
        paginate: {
            type: 'offset',
            offset_name_in_request: 'page',
            offset_start_value: 1,
            offset_calculation_method: 'per-page',
            limit_name_in_request: 'per_page',
            limit
        },
        retries: 3
    };
}

export default createSync({
    description: 'Branches of the projects the user is a member of',
    frequency: 'every hour',
    autoStart: true,
    models: { Branch },

    exec: async (nango) => {
        await nango.trackDeletesStart('Branch');
        // Few per page: each project brings requests of its own, and a page is out of date by the time its last one is reached.
        for await (const projects of nango.paginate<{ id: number }>(list('/api/v4/projects', 10, { membership: 'true' }))) {
            for (const { id } of projects) {
                for await (const page of nango.paginate<GitlabBranch>(list(`/api/v4/projects/${id}/repository/branches`, 100))) {
                    await nango.batchSave(
                        page.map((branch) => toBranch(String(id), branch)),
                        'Branch'
                    );
                }
            }
        }
        await nango.trackDeletesEnd('Branch');
    }
});

function toBranch(project: string, { commit, ...branch }: GitlabBranch): z.infer<typeof Branch> {
    return {
        id: `${project}/${branch.name}`,
        name: branch.name,
        project_id: project,
        merged: branch.merged,
        protected: branch.protected,
        default: branch.default,
        developers_can_push: branch.developers_can_push,
        developers_can_merge: branch.developers_can_merge,
        can_push: branch.can_push,
        web_url: branch.web_url,
        commit_id: commit.id,
        commit_short_id: commit.short_id,
        commit_created_at: commit.created_at,
        commit_title: commit.title,
        commit_message: commit.message,
        commit_author_name: commit.author_name,
        commit_author_email: commit.author_email,
        commit_authored_date: commit.authored_date,
        commit_committer_name: commit.committer_name,
        commit_committer_email: commit.committer_email,
        commit_committed_date: commit.committed_date,
        commit_web_url: commit.web_url
    };
}
