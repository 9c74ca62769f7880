/* What a server and its runners take, over time, and whether it grows. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Server } from '../api/harness.ts';

export interface Sample {
    /** Seconds since the soak began. */
    at: number;
    /** Which process of the server, counted from 0. */
    life: number;
    /** Runs so far, in all lives. */
    runs: number;
    /** MB. */
    rss: number;
    pss: number;
    /** The largest runner, MB. */
    runnerRss: number;
    runners: number;
    fds: number;
    databaseMb: number;
}

const read = (path: string) => readFileSync(path, 'utf8');
const megabytes = (text: string, name: string) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))?.[1] ?? 0) / 1024;

/** State of a process ('Z' is a zombie) and its size; null when it is gone. */
function child(pid: number): { state: string; rss: number } | null {
    try {
        const status = read(`/proc/${pid}/status`);
        return { state: status.match(/^State:\s+(\w)/m)![1]!, rss: megabytes(status, 'VmRSS') };
    } catch {
        return null;
    }
}

/** What the descriptors of a process are, counted; for messages. */
export function descriptors(pid: number): Record<string, number> {
    const kinds: Record<string, number> = {};
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        try {
            const kind = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/g, 'N');
            kinds[kind] = (kinds[kind] ?? 0) + 1;
        } catch {
            // closed meanwhile
        }
    }
    return kinds;
}

/** A server that gets no CPU for a while leaves its dead lie so long, too. */
const ZOMBIE_MS = 5000;

export class Watch {
    readonly samples: Sample[] = [];
    /** Processes that nobody waited for although they had been dead for a while. */
    readonly zombies = new Set<number>();
    life = 0;
    /** Since when the dead of the last sample are. */
    private dead = new Map<number, number>();
    private readonly started = performance.now();

    sample(server: Server, runs: number, databaseMb: number): void {
        try {
            const pids = server.runners();
            const children = pids.map((pid) => ({ pid, ...child(pid) }));
            this.countDead(children.filter(({ state }) => state === 'Z').map(({ pid }) => pid));
            const rollup = read(`/proc/${server.pid}/smaps_rollup`);
            this.samples.push({
                at: (performance.now() - this.started) / 1000,
                life: this.life,
                runs,
                rss: megabytes(rollup, 'Rss'),
                pss: megabytes(rollup, 'Pss'),
                runnerRss: Math.max(0, ...children.map(({ rss }) => rss ?? 0)),
                runners: pids.length - this.dead.size,
                fds: readdirSync(`/proc/${server.pid}/fd`).length,
                databaseMb
            });
        } catch {
            // The server has just been killed.
        }
    }

    private countDead(pids: number[]): void {
        const now = performance.now();
        this.dead = new Map(pids.map((pid) => [pid, this.dead.get(pid) ?? now]));
        for (const [pid, since] of this.dead) if (now - since > ZOMBIE_MS) this.zombies.add(pid);
    }

    lives(): Sample[][] {
        return Array.from({ length: this.life + 1 }, (_, life) => this.samples.filter((sample) => sample.life === life));
    }

    /** At most `rows` lines for each life. */
    table(rows: number): string {
        const head = 'life      s     runs  RSS MB  PSS MB  runners  largest MB  fds    db MB';
        const line = (s: Sample) =>
            `${pad(s.life, 4)} ${pad(s.at, 6)} ${pad(s.runs, 8)} ${pad(s.rss, 7, 1)} ${pad(s.pss, 7, 1)} ${pad(s.runners, 8)} ${pad(s.runnerRss, 11, 1)} ${pad(s.fds, 4)} ${pad(s.databaseMb, 8, 1)}`;
        return [head, ...this.lives().flatMap((life) => thin(life, rows).map(line))].join('\n');
    }
}

function thin<T>(list: T[], count: number): T[] {
    if (list.length <= count) return list;
    return Array.from({ length: count }, (_, i) => list[Math.round((i * (list.length - 1)) / (count - 1))]!);
}

function pad(value: number, width: number, digits = 0): string {
    return value.toFixed(digits).padStart(width);
}

export interface Fit {
    mean: number;
    /** By how much the line rises over the samples. */
    growth: number;
    /** Standard deviation from the line. */
    noise: number;
}

/** The line of least squares through a value over the runs. */
export function fit(samples: Sample[], value: (sample: Sample) => number): Fit {
    const n = samples.length;
    const mean = (of: (s: Sample) => number) => samples.reduce((sum, s) => sum + of(s), 0) / n;
    const [x, y] = [mean((s) => s.runs), mean(value)];
    const slope = mean((s) => (s.runs - x) * (value(s) - y)) / (mean((s) => (s.runs - x) ** 2) || 1);
    const rest = mean((s) => (value(s) - y - slope * (s.runs - x)) ** 2);
    return { mean: y, growth: slope * (samples.at(-1)!.runs - samples[0]!.runs), noise: Math.sqrt(rest) };
}

/** What comes after the first fifth of the runs: caches are warm. */
export function warm(life: Sample[]): Sample[] {
    const [first, last] = [life[0]?.runs ?? 0, life.at(-1)?.runs ?? 0];
    return life.filter(({ runs }) => runs >= first + (last - first) / 5);
}
