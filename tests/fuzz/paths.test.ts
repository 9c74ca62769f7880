/*
 * Pagination paths and links with made-up values: `./run fuzz SECONDS paths` goes on for so long, an
 * ordinary test for a moment. A failure names the seed that repeats it (FUZZ_SEED).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkWithRel, nextLink } from '../../js/prelude/link.ts';
import { paginate } from '../../js/prelude/paginate.ts';
import { expandDots, getPath, withPath } from '../../js/prelude/path.ts';

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 1);
const firstSeed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);

/* mulberry32: small, seeded, good enough to choose with. */
class Dice {
    private state: number;
    constructor(seed: number) {
        this.state = seed;
    }
    below(n: number): number {
        this.state = (this.state + 0x6d2b79f5) | 0;
        let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) % n;
    }
    of<T>(list: readonly T[]): T {
        return list[this.below(list.length)]!;
    }
    list<T>(most: number, make: () => T): T[] {
        return Array.from({ length: this.below(most + 1) }, make);
    }
    text(most = 12): string {
        const letters = ['a', 'b', '.', '[', ']', '0', '1', '-', ' ', '"', '<', '>', ';', ',', '=', '@', '\\', 'é', '😀', '\0', '\n', 'rel', 'next', 'length'];
        return this.list(most, () => this.of(letters)).join('');
    }
}

const NAMES = ['a', 'b', 'id', 'nextLink', '@odata.nextLink', 'a.b', '0', 'length', '__proto__', 'constructor', 'é', ''];

function value(dice: Dice, depth = 0): unknown {
    const kind = dice.below(depth > 3 ? 5 : 8);
    if (kind < 5) return [null, true, dice.below(100), dice.text(), undefined][kind];
    if (kind === 5) return dice.list(4, () => value(dice, depth + 1));
    return Object.fromEntries(dice.list(4, () => [dice.of(NAMES), value(dice, depth + 1)]));
}

function frozen<T>(v: T): T {
    if (typeof v === 'object' && v !== null) {
        Object.values(v).forEach(frozen);
        Object.freeze(v);
    }
    return v;
}

/* Steps that any spelling of a path can name. */
const step = (dice: Dice) => dice.of(['a', 'b', 'id', 'é', '0', '1', 'x-y', '@t']);

function spelled(dice: Dice, steps: string[]): string {
    return steps.map((name, i) => (/^\d+$/.test(name) && dice.below(2) ? `[${name}]` : i ? `.${name}` : name)).join('');
}

/* What is put at a path is found there, and nothing else has changed. */
function putAndGet(dice: Dice): void {
    const root = frozen(Object.fromEntries(dice.list(4, () => [dice.of(NAMES.filter((n) => !/[.[]/.test(n))), value(dice)])));
    const before = JSON.stringify(root);
    const steps = [step(dice), ...dice.list(4, () => step(dice))];
    const path = spelled(dice, steps);
    const mark = { mark: dice.below(1000) };
    const changed = withPath(root, path, mark);
    assert.equal(getPath(changed, path), mark, `${before} at ${path}`);
    assert.equal(JSON.stringify(root), before);
    for (const [name, old] of Object.entries(root)) if (name !== steps[0]) assert.equal(changed[name], old);
}

/* Any text for a path and any value: an answer or undefined, in no time, and prototypes stay as they are. */
function anything(dice: Dice): void {
    const root = frozen(value(dice));
    const path = dice.below(2) ? dice.text() : dice.list(4, () => dice.of(NAMES)).join('.');
    getPath(root, path);
    const copy = withPath(root, path, 1);
    assert.ok(typeof copy === 'object' && copy !== root);
    if (root !== null && typeof root === 'object') expandDots(root as Record<string, unknown>);
    const rules = { link_rel_in_response_header: dice.of(['next', path, '']), link_path_in_response_body: path };
    const link = nextLink(rules, { data: root, headers: { link: dice.text(60) } } as never);
    assert.ok(link === undefined || typeof link === 'string');
}

/* A header that is put together from parts comes apart into them. */
function links(dice: Dice): void {
    const target = () => `https://api.example/${dice.text().replace(/[<>\n\0]/g, '')}`;
    const parts = dice.list(4, () => ({ target: target(), rel: dice.of(['next', 'prev', 'NEXT', 'last first', 'nextish']) }));
    const header = parts.map((p) => `<${p.target}>${dice.of(['', '; title="a, <b>; rel=next"'])}; rel="${p.rel}"`).join(dice.of([',', ', ', ' ,\t']));
    const want = parts.find((p) => p.rel.toLowerCase() === 'next');
    assert.equal(linkWithRel(header, 'next'), want?.target, header);
}

/* Whatever a provider answers, a walk ends: its answers repeat. (By offset only when they do so at once.) */
async function walks(dice: Dice): Promise<void> {
    const type = dice.of(['cursor', 'link', 'offset']);
    const answers = Array.from({ length: type === 'offset' ? 1 : 3 }, () => value(dice));
    let sent = 0;
    const http = async () => {
        if (++sent > 5000) throw new Error('the walk does not end');
        return { data: answers[sent % answers.length], headers: { link: dice.of(['', `<https://x/${dice.text()}>; rel="next"`]) }, status: 200 };
    };
    const rules = {
        type,
        response_path: dice.of(['', 'a', 'a.b', dice.text()]),
        cursor_path_in_response: dice.of(['id', 'b', dice.text()]),
        cursor_name_in_request: dice.of(['after', 'a.b', dice.text()]),
        link_rel_in_response_header: 'next',
        link_path_in_response_body: dice.of(['id', 'nextLink', dice.text()]),
        offset_name_in_request: 'offset',
        limit_name_in_request: 'limit',
        limit: dice.of([undefined, 1, 100])
    };
    const log = { write: () => undefined };
    const config = { endpoint: '/x', method: dice.of(['GET', 'POST']), paginate: rules };
    try {
        for await (const page of paginate(http as never, log as never, undefined, config as never)) void page;
    } catch (error) {
        assert.ok(error instanceof Error && !/does not end/.test(error.message), `${JSON.stringify(answers)} with ${JSON.stringify(rules)}: ${error}`);
    }
}

test('pagination paths and links', async (t) => {
    const end = performance.now() + seconds * 1000;
    const members = Object.getOwnPropertyNames(Object.prototype).length;
    let seed = firstSeed;
    for (; performance.now() < end; seed++) {
        const dice = new Dice(seed);
        const begin = performance.now();
        try {
            putAndGet(dice);
            anything(dice);
            links(dice);
            await walks(dice);
            assert.equal(Object.getOwnPropertyNames(Object.prototype).length, members);
        } catch (error) {
            throw new Error(`FUZZ_SEED=${seed}`, { cause: error });
        }
        const took = performance.now() - begin;
        assert.ok(took < 5000, `FUZZ_SEED=${seed} took ${took} ms`);
    }
    assert.ok(seed > firstSeed);
    t.diagnostic(`${seed - firstSeed} rounds`);
});
