/*
 * Pages without end: a provider that ignores the paging parameter, or whose cursors lead back to
 * where they came from, would keep a walk going until the run is out of time.
 */
const SEEN_MAX = 100_000;

/* Tells pages apart well enough: one that differs by accident of the hash goes on, no more. */
function fingerprint(page: unknown): number {
	const text = JSON.stringify(page) ?? '';
	let hash = 0x811c9dc5;
	for (let i = 0; i < text.length; i++)
		hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
	return (hash >>> 0) + text.length * 0x100000000;
}

/* The places (cursors, links) that a walk came by. */
export class Places {
	private readonly seen = new Set<string | number>();
	private readonly pages = new Map<string | number, number>();

	/* Whether a walk that goes there has been there. */
	add(place: string | number): boolean {
		if (this.seen.has(place))
			return true;
		if (this.seen.size < SEEN_MAX)
			this.seen.add(place);
		return false;
	}

	/*
	 * Some APIs scroll with one cursor for all pages: only when the same page leads to the same
	 * cursor again it is a loop. Pages are looked at from the second time on.
	 */
	loops(place: string | number, page: unknown): boolean {
		if (!this.add(place))
			return false;
		const now = fingerprint(page);
		const before = this.pages.get(place);
		this.pages.set(place, now);
		return before === now;
	}
}

/* Pages that follow one another; equal ends are cheap to see, only then all of it is compared. */
export class Neighbours {
	private edge = '';
	private whole: number | undefined;

	/* Whether this page is the third of a row that are all the same. */
	repeats(page: any): boolean {
		const edge = `${page.length} ${JSON.stringify(page[0])} ${JSON.stringify(page[page.length - 1])}`;
		const same = edge === this.edge;
		this.edge = edge;
		if (!same) {
			this.whole = undefined;
			return false;
		}
		const whole = fingerprint(page);
		const again = whole === this.whole;
		this.whole = whole;
		return again;
	}
}
