import { createSync } from 'nango';
import { z } from 'zod';

const Ticket = z.object({
    id: z.string(),
    subject: z.string(),
    status: z.string(),
    contact_id: z.string()
});

const TicketEvent = z.object({
    type: z.enum(['ticket.updated', 'ticket.deleted']),
    ticket: Ticket
});

/** Webhooks bring each change at once; the schedule makes up for any that were lost. */
export default createSync({
    description: 'Tickets of the CRM',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    models: { Ticket },
    webhookSubscriptions: ['ticket.updated', 'ticket.deleted'],

    exec: async (nango) => {
        // What a webhook saves while pages are being read is newer than the page: keep it.
        await nango.setMergingStrategy({ strategy: 'ignore_if_modified_after' }, 'Ticket');

        const pages = nango.paginate({
            endpoint: '/v1/tickets',
            paginate: {
                type: 'offset',
                offset_name_in_request: 'offset',
                response_path: 'tickets',
                limit_name_in_request: 'limit',
                limit: 100
            },
            retries: 5
        });
        for await (const page of pages) {
            await nango.batchSave(Ticket.array().parse(page), 'Ticket');
        }
    },

    onWebhook: async (nango, payload) => {
        const { type, ticket } = TicketEvent.parse(payload);
        if (type === 'ticket.deleted') {
            await nango.batchDelete([{ id: ticket.id }], 'Ticket');
        } else {
            await nango.batchSave([ticket], 'Ticket');
        }
    }
});
