/* The next page of link pagination: from a Link header (RFC 8288) or from the body. */
import { getPath } from './path.ts';
import type { Response } from './response.ts';

/* `<target>; param="value"; ...` repeated; commas inside <> and "" separate nothing. */
const LINK = /<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^",;\s]*))?)*)/g;
const PARAM = /;\s*([^\s=;,]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",;\s]*)))?/g;

/* The first counts; what a quoted value of another parameter says does not. */
function rels(params: string): string[] {
	for (const [, name, quoted, plain] of params.matchAll(PARAM))
		if (name?.toLowerCase() === 'rel')
			return (quoted ?? plain ?? '').toLowerCase().split(/\s+/);
	return [];
}

export function linkWithRel(header: unknown, rel: string): string | undefined {
	if (typeof header !== 'string')
		return undefined;
	for (const [, target, params] of header.matchAll(LINK))
		if (rels(params as string).includes(rel.toLowerCase()))
			return target;
	return undefined;
}

export function nextLink(rules: Record<string, any>, response: Response): string | undefined {
	const rel = rules.link_rel_in_response_header;
	const inHeader = rel ? linkWithRel(response.headers.link, rel) : undefined;
	if (inHeader)
		return inHeader;
	const path = rules.link_path_in_response_body;
	const inBody = path ? getPath(response.data, path) : undefined;
	return typeof inBody === 'string' && inBody !== '' ? inBody : undefined;
}
