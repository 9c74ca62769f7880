import { createSync } from 'nango';
import { z } from 'zod';

const Project = z.object({
    id: z.string(),
    key: z.string(),
    name: z.string(),
    project_type_key: z.string(),
    simplified: z.boolean(),
    style: z.string(),
    is_private: z.boolean(),
    entity_id: z.string().optional(),
    uuid: z.string().optional(),
    avatar_urls: z.record(z.string(), z.string())
});

interface JiraProject {
    id: string;
    key: string;
    name: string;
    projectTypeKey: string;
    simplified: boolean;
    style: string;
    isPrivate: boolean;
    entityId?: string;
    uuid?: string;
    avatarUrls: Record<string, string>;
}

export default createSync({
    description: 'Projects of a Jira site',
    frequency: 'every hour',
    autoStart: true,
    models: { Project },
    metadata: z.object({ cloudId: z.string() }),

    exec: async (nango) => {
        const { cloudId } = await nango.getMetadata();

        await nango.trackDeletesStart('Project');
        const pages = nango.paginate<JiraProject>({
            endpoint: `/ex/jira/${cloudId}/rest/api/3/project/search`,
            paginate: {
                type: 'offset',
                offset_name_in_request: 'startAt',
                response_path: 'values',
                limit_name_in_request: 'maxResults',
                limit: 50
            },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(page.map(toProject), 'Project');
        }
        await nango.trackDeletesEnd('Project');
    }
});

function toProject(project: JiraProject): z.infer<typeof Project> {
    return {
        id: project.id,
        key: project.key,
        name: project.name,
        project_type_key: project.projectTypeKey,
        simplified: project.simplified,
        style: project.style,
        is_private: project.isPrivate,
        entity_id: project.entityId,
        uuid: project.uuid,
        avatar_urls: project.avatarUrls
    };
}
