import { createSync } from 'nango';
import { z } from 'zod';

const Time = z.object({
    date: z.string().optional(),
    dateTime: z.string().optional(),
    timeZone: z.string().optional()
});

const CalendarEvent = z.object({
    id: z.string(),
    status: z.string().optional(),
    summary: z.string().optional(),
    description: z.string().optional(),
    location: z.string().optional(),
    htmlLink: z.string().optional(),
    start: Time,
    end: Time,
    attendees: z.array(z.object({ email: z.string().optional(), responseStatus: z.string().optional() })).optional(),
    created: z.string().optional(),
    updated: z.string().optional()
});

export default createSync({
    description: 'Events of the primary calendar from a day on, each occurrence of a series by itself',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { CalendarEvent },
    metadata: z.object({ timeMin: z.string() }),

    exec: async (nango) => {
        const { timeMin } = await nango.getMetadata();

        await nango.trackDeletesStart('CalendarEvent');
        const pages = nango.paginate({
            endpoint: '/calendar/v3/calendars/primary/events',
            params: { timeMin, singleEvents: 'true', orderBy: 'startTime' },
            paginate: {
                type: 'cursor',
                cursor_path_in_response: 'nextPageToken',
                cursor_name_in_request: 'pageToken',
                response_path: 'items',
                limit_name_in_request: 'maxResults',
                limit: 250
            },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(CalendarEvent.array().parse(page), 'CalendarEvent');
        }
        await nango.trackDeletesEnd('CalendarEvent');
    }
});
