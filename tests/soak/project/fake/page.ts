import { z } from 'zod';

const Row = z.object({ id: z.string(), count: z.number(), text: z.string() });

/** What the provider of the soak test answers (tests/soak/provider.ts). */
export const Page = z.object({
    /** Saved as they are. */
    items: z.array(Row),
    /** What changed of records that were there before. */
    patches: z.array(Row.partial().required({ id: true })),
    gone: z.array(z.object({ id: z.string() })),
    /** Everything up to this change is in the page. */
    last: z.number(),
    more: z.boolean(),
    order: z.string().optional()
});

/** Does what the provider orders: all that a function can do wrong. */
export async function obey(order: string | undefined): Promise<void> {
    switch (order) {
        case 'loop':
            for (;;) {
                // Without end: ended by the limit of computing, or because the run is cancelled.
            }
        case 'allocate': {
            const all: unknown[] = [];
            for (;;) all.push({ text: String(Math.random()).repeat(100) });
        }
        case 'throw':
            throw new TypeError('as ordered');
        case 'never':
            await new Promise(() => {});
            break;
        case 'leave':
            setInterval(() => {}, 10);
            setTimeout(() => {}, 3_600_000);
            void new Promise(() => {});
            void Promise.reject(new Error('left behind'));
            break;
    }
}
