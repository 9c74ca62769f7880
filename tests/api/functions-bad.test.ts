/* Functions that do everything wrong: only that run fails, its log says why, and the others go on. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Neighbours, type Case } from './neighbours.ts';

const big = `'x'.repeat(1 << 20)`;
const CASES: Record<string, Case> = {
    throws: { body: `\n        await nango.log('before');\n        throw new TypeError('on purpose');`, error: /on purpose/, log: /error .*on purpose/ },
    'throws-text': { body: `throw 'only text';`, error: /only text/ },
    'throws-nothing': { body: `throw undefined;`, error: /./ },
    'throws-action-error': { body: `throw new nango.ActionError({ message: 'for people', code: 7 });`, error: /for people/ },
    'http-error': { body: `await nango.get({ endpoint: '/missing' });`, error: /404/ },
    'returns-garbage': { body: `return { a: 1n, b: Symbol('x'), c: () => {} } as any;` },
    'no-id': { body: `await nango.batchSave([{ name: 'x' } as any], 'M');`, error: /\bid\b/ },
    'empty-id': { body: `await nango.batchSave([{ id: '' }], 'M');`, error: /\bid\b/ },
    'zero-id': { body: `await nango.batchSave([{ id: 0 } as any], 'M');`, count: 1 },
    'long-id': { body: `await nango.batchSave([{ id: 'x'.repeat(256) }], 'M');`, error: /\bid\b/ },
    'null-record': { body: `await nango.batchSave([null as any], 'M');`, error: /object|record/ },
    'numeric-ids': { body: `await nango.batchSave([{ id: 1 }, { id: 2.5 }, { id: '1' }] as any, 'M');`, count: 2, log: /uplicate/ },
    'no-array': { body: `await nango.batchSave({ id: '1' } as any, 'M');`, error: /array/, count: 0 },
    text: { body: `await nango.batchSave('records' as any, 'M');`, error: /array/ },
    undeclared: { body: `await nango.batchSave([{ id: '1' }], 'Other' as any);`, error: /'Other'.*not included in the declared sync models.*M/s },
    nothing: { body: `await nango.batchSave([], 'M'); await nango.batchSave(null as any, 'M'); await nango.batchDelete([], 'M');`, count: 0 },
    cyclic: { body: `const r: any = { id: '1' }; r.self = r; await nango.batchSave([r], 'M');`, error: /cycl|circular/i },
    bigint: { body: `await nango.batchSave([{ id: '1', n: 1n } as any], 'M');`, error: /BigInt/i },
    megabytes: { body: `await nango.batchSave(Array.from({ length: 8 }, (_, i) => ({ id: String(i), text: ${big} })), 'M');`, count: 8 },
    'ten-thousand': { body: `await nango.batchSave(Array.from({ length: 10_000 }, (_, i) => ({ id: String(i) })), 'M');`, count: 10_000 },
    'half-good': { body: `await nango.batchSave([{ id: 'good' }], 'M'); await nango.batchSave([{ id: 'a' }, {} as any], 'M');`, error: /\bid\b/, count: 1 },
    'bad-checkpoint': { body: `await nango.saveCheckpoint({ nested: {} } as any);`, error: /checkpoint/i },
    'no-window': { body: `await nango.trackDeletesEnd('M');`, error: /No track deletes starting point/ },
    'bad-strategy': { body: `await nango.setMergingStrategy({ strategy: 'newest' } as any, 'M');`, error: /Unsupported merging strategy|strategy/ },
    'never-settles': { body: `await new Promise(() => {});`, error: /nothing can resolve/ },
    recursion: { body: `const f = (n: number): number => f(n + 1) + 1; f(0);`, error: /stack/i },
    'unhandled-rejection': { body: `Promise.reject(new Error('nobody waits for me')); await nango.log('on');`, log: /nobody waits for me/ },
    'timer-throws': { body: `setTimeout(() => { throw new Error('in a timer'); }, 1); await new Promise((r) => setTimeout(r, 2000));`, error: /in a timer/ },
    'log-flood': { body: `for (let i = 0; i < 50_000; i++) void nango.log('line ' + i + 'x'.repeat(200));`, log: /dropped/ },
    'log-odd': { body: `await nango.log(undefined as any); await nango.log({ a: 1n } as any); await nango.log('x', 1 as any); const c: any = {}; c.c = c; await nango.log('cycle', c); await nango.log('${'y'.repeat(20_000)}'); console.log('from the console', 1);`, log: /from the console/ },
    'half-emoji': { body: `await nango.log('cut \\ud83d', { m: '\\ude00' }); await nango.saveCheckpoint({ at: '\\ud83d' }); throw new Error('half \\ud83d');`, error: /half \ufffd/, log: /cut \ufffd/ },
    'request-flood': { body: `for (let i = 0; i < 3000; i++) nango.get({ endpoint: '/ok' }).catch(() => {}); await nango.log('asked');`, log: /asked/ },
    'await-later': { body: `nango.batchSave([{ id: 'late' }], 'M'); await nango.log('did not wait');` },
    escapes: {
        body: `
        const g = globalThis as any;
        const tried: Record<string, string> = {};
        const attempt = (name: string, what: () => unknown) => { try { tried[name] = 'got ' + typeof what(); } catch (error) { tried[name] = (error as Error).name; } };
        attempt('process', () => g.process.exit(1));
        const load = require as any;
        attempt('fs', () => load(['f', 's'].join('')));
        attempt('child', () => load(['node', 'child_process'].join(':')));
        attempt('eval', () => g.eval('1 + 1'));
        attempt('indirect', () => (0, g.eval)('1 + 1'));
        attempt('Function', () => new g.Function('return 1')());
        attempt('constructor', () => (async () => {}).constructor('return 1'));
        attempt('generator', () => Object.getPrototypeOf(function* () {}).constructor('yield 1'));
        attempt('pollute', () => { (Object.prototype as any).polluted = 'yes'; if (({} as any).polluted === 'yes') return 'x'; throw new RangeError(); });
        attempt('array', () => { Array.prototype.map = (() => []) as any; if ([1].map((x) => x).length === 0) return 'x'; throw new RangeError(); });
        attempt('global', () => { g.leaked = 1; throw new RangeError(); });
        attempt('secret', () => { const text = JSON.stringify(g.process ?? null) + Object.getOwnPropertyNames(g).join(); if (/SECRET/.test(text)) return 'x'; throw new RangeError(); });
        await nango.batchSave([{ id: 'tried', tried }], 'M');`,
        count: 1
    },
    innocent: {
        body: `
        const g = globalThis as any;
        await nango.batchSave([{ id: 'seen', leaked: g.leaked ?? null, polluted: ({} as any).polluted ?? null, map: [1].map((x) => x + 1) }], 'M');`,
        count: 1
    }
};

let all: Neighbours;
before(async () => {
    all = await Neighbours.start(CASES);
});
after(() => all.stop());

describe('all at once, beside a good sync', { concurrency: true }, () => {
    for (const name of Object.keys(CASES)) test(name, () => all.misbehave(name));
});

test('the good sync is unharmed', () => all.unharmed());

test('an error names the place in the TypeScript', async () => {
    const hook = await all.outcome('throws');
    const lines = all.source('throws').split('\n');
    const line = lines.findIndex((text) => text.includes('on purpose')) + 1;
    const column = lines[line - 1]!.indexOf('new TypeError') + 1;
    const said = JSON.stringify(hook.error) + (await all.server.messages('throws')).join('\n');
    const [, at] = new RegExp(`throws\\.ts:${line}:(\\d+)`).exec(said) ?? [];
    assert.ok(at, said);
    assert.ok(Math.abs(Number(at) - column) <= 'new TypeError('.length, `column ${at}, not about ${column}`);
});

test('nothing gets out, and nothing stays behind for the next run', async () => {
    const [{ tried }] = await all.server.records('escapes', all.model('escapes'));
    for (const [name, result] of Object.entries(tried)) assert.doesNotMatch(result as string, /^got/, name);
    const [{ leaked, polluted, map }] = await all.server.records('innocent', all.model('innocent'));
    assert.deepEqual([leaked, polluted, map], [null, null, [2]]);
});

test('what cannot be loaded fails when it runs', async () => {
    const { server } = all;
    const flow = (name: string, js: string) => ({
        syncName: name, providerConfigKey: 'fake', type: 'sync', models: ['Raw'], version: '1', runs: 'every hour', auto_start: false, track_deletes: false,
        sync_type: 'full', attributes: {}, metadata: { scopes: [] }, endpoints: [], webhookSubscriptions: [], features: [], fileBody: { js, ts: '' },
        models_json_schema: { definitions: { Raw: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] } } }
    });
    const bundles: Record<string, [string, RegExp]> = {
        'load-throws': [`throw new Error('at load');`, /at load/],
        'load-syntax': [`function (`, /./],
        'load-empty': [``, /exec/],
        'load-other': [`module.exports.default = { type: 'action', exec: async () => {} };`, /action/]
    };
    for (const [name, [js]] of Object.entries(bundles)) {
        const body = { flowConfigs: [flow(name, js)], deployMode: 'single', reconcile: true, debug: false, nangoYamlBody: '', sdkVersion: '0.71.10-zero', source: 'repo' };
        const { status, body: answer } = await server.api('POST', '/sync/deploy', body);
        assert.equal(status, 200, `${name}: ${JSON.stringify(answer)}`);
    }
    await server.connection('load', all.fake.url);
    await Promise.all(
        Object.entries(bundles).map(async ([name, [, error]]) => {
            await server.trigger(name, 'load');
            const hook = await all.outcome(name, 'load');
            assert.equal(hook.success, false, name);
            assert.match(JSON.stringify(hook.error), error);
        })
    );
});
