/* The syncs of a folder that have recordings: the same layouts that `tidemark test` reads (src/cli/project.h). */

import assert from 'node:assert/strict';
import { cpSync, existsSync, lstatSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { copyDir, root } from '../api/harness.ts';
import { read, readMocks, type Recording } from './recording.ts';

/** A sync and one of its recordings. */
export interface Case {
    /** "github/issues", or "github/issues-empty": a case of issues. */
    name: string;
    /** Of its integration. */
    folder: string;
    integration: string;
    sync: string;
    load(): Recording;
}

const TEST = '.test.json';

const list = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir).sort() : []);

/** A link to a folder beside it is the same functions under another name. */
const isRealFolder = (path: string) => lstatSync(path).isDirectory();

/** The longest name that fits, as `users-empty.test.json` is another case of `users`. */
function syncOf(recording: string, syncs: string[]): string | undefined {
    const fits = syncs.filter((sync) => recording === sync || recording.startsWith(`${sync}-`));
    return fits.sort((a, b) => b.length - a.length)[0];
}

function casesOf(folder: string): Case[] {
    const integration = basename(folder);
    const sources = (kind: string) => list(join(folder, kind)).filter((file) => /(?<!\.d|\.test)\.ts$/.test(file)).map((file) => file.slice(0, -3));
    const syncs = sources('syncs');
    const all = [...syncs, ...sources('actions')];
    const found: Case[] = [];
    const add = (recording: string, sync: string, load: () => Recording) => found.push({ name: `${integration}/${recording}`, folder, integration, sync, load });
    for (const file of list(join(folder, 'tests')).filter((name) => name.endsWith(TEST))) {
        const recording = file.slice(0, -TEST.length);
        const sync = syncOf(recording, all);
        // A sync and an action may share a name: the recording of an action has an output.
        if (sync !== undefined && syncs.includes(sync)) add(recording, sync, () => read(join(folder, 'tests', file)));
    }
    const recorded = new Set(found.map(({ sync }) => sync));
    for (const sync of syncs.filter((name) => !recorded.has(name) && existsSync(join(folder, 'mocks', name)))) add(sync, sync, () => readMocks(join(folder, 'mocks'), sync));
    return found;
}

/** Of one integration's folder, or of a folder of those. */
export function casesBelow(dir: string): Case[] {
    if (existsSync(join(dir, 'syncs'))) return casesOf(dir);
    return list(dir)
        .map((name) => join(dir, name))
        .filter((path) => !basename(path).startsWith('.') && isRealFolder(path))
        .flatMap(casesOf);
}

/** Our own functions for real APIs with the recorded traffic of those, which lies beside the repository; how many recordings. */
export function recordedProject(): { project: string; count: number } {
    const recordings = join(root, '..', 'shared', 'recordings');
    assert.ok(existsSync(recordings), 'the recordings are missing: they belong into ../shared/recordings, beside the repository');
    const project = copyDir(join(root, 'tests', 'recordings'));
    const integrations = list(recordings).filter((name) => isRealFolder(join(recordings, name)));
    for (const name of integrations) cpSync(join(recordings, name), join(project, name, 'tests'), { recursive: true });
    const count = integrations.flatMap((name) => list(join(recordings, name))).length;
    assert.ok(count > 0);
    return { project, count };
}
