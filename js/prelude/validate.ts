/* nango.zodValidateInput */
import { ActionError } from './errors.ts';
import type { RunLog } from './log.ts';

interface Checked {
	success: boolean;
	data?: unknown;
	error?: { issues: { message: string; path: PropertyKey[] }[] };
}

interface Args {
	zodSchema: { safeParse(input: unknown): Checked };
	input: unknown;
}

export function validateInput(log: RunLog) {
	return async function zodValidateInput({ zodSchema, input }: Args) {
		const checked = zodSchema.safeParse(input);
		if (checked.success)
			return { success: true, data: checked.data };
		for (const { message, path } of checked.error?.issues ?? [])
			log.write('error', `Invalid input: ${message} at path ${path.map(String).join('.')}`);
		throw new ActionError({ message: 'Invalid input: the log of this run says what is wrong with it' });
	};
}
