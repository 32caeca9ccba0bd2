import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { sections } from '#services/platform/config/load.ts';
import type { HourSample } from '../take-sample.ts';
import { ADVICE_RULES, adviseOn } from './advice-rules.ts';

const row = (changes: Partial<HourSample>): HourSample => ({
  ...{ counters: {}, gauges: {}, histograms: {}, measured: {} },
  ...changes,
});
/** That many records between 10 and 50 ms, or up to 1 ms. */
const slow = (count: number) => ({ sum: count * 0.04, counts: { 0.01: 0, 0.05: count } });
const fast = (count: number) => ({ sum: count * 0.0005, counts: { 0.001: count } });
const advised = (...rows: HourSample[]) => adviseOn(rows).map(({ rule, evidence }) => [rule, evidence]);

test('a healthy installation gets no advice, and one that measured nothing neither', () => {
  expect(adviseOn([])).toEqual([]);
  const healthy = row({
    counters: { 'verdict_cache.hit': 90_000, 'verdict_cache.miss': 10_000, 'hashes.done': 500 },
    histograms: { 'pool_wait.main': fast(50_000), password_wait: fast(500), 'token_signing.RS256': fast(9_000) },
    measured: {
      oldest_job_seconds: { value: 2, limit: null },
      event_loop_utilization: { value: 0.5, limit: 0.8 },
      heap_share: { value: 0.3, limit: 0.9 },
      revocations: { value: 10, limit: 1_000_000 },
    },
  });
  expect(adviseOn([healthy, healthy])).toEqual([]);
});

test('each rule applies beyond its figures, and gives them as evidence', () => {
  expect(advised(row({ histograms: { 'pool_wait.main': slow(1_000) } }))).toEqual([
    ['statements_wait', { count: 1_000, p95_ms: 48, above_ms: 10 }],
  ]);
  expect(advised(row({ histograms: { 'pool_wait.main': slow(999) } }))).toEqual([]);
  expect(
    advised(row({ counters: { 'pool_timeouts.main': 2 } }), row({ counters: { 'pool_timeouts.main': 1 } })),
  ).toEqual([['statements_given_up', { timeouts: 3 }]]);
  expect(advised(row({ histograms: { password_wait: { sum: 80, counts: { 0.5: 0, 1: 100 } } } }))).toEqual([
    ['passwords_wait', { count: 100, p95_ms: 975, above_ms: 250 }],
  ]);
  expect(advised(row({ counters: { 'hashes.full': 4 } }))).toEqual([['passwords_refused', { full: 4, expired: 0 }]]);
  expect(advised(row({ measured: { event_loop_utilization: { value: 0.93, limit: 0.8 } } }))).toEqual([
    ['event_loop_busy', { highest: 0.93, limit: 0.8 }],
  ]);
  expect(advised(row({ measured: { heap_share: { value: 0.95, limit: 0.9 } } }))).toEqual([
    ['heap_full', { highest: 0.95, limit: 0.9 }],
  ]);
  expect(advised(row({ measured: { revocations: { value: 900, limit: 1_000 } } }))).toEqual([
    ['revocations_many', { highest: 900, limit: 1_000 }],
  ]);
  expect(advised(row({ counters: { 'verdict_cache.hit': 4_000, 'verdict_cache.miss': 6_000 } }))).toEqual([
    ['signatures_verified_again', { hits: 4_000, misses: 6_000, miss_percent: 60 }],
  ]);
  expect(advised(row({ histograms: { 'token_signing.RS256': slow(2_000) } }))).toEqual([
    ['signing_slow', { count: 2_000, p95_ms: 48, above_ms: 10 }],
  ]);
  expect(advised(row({ measured: { oldest_job_seconds: { value: 61, limit: null } } }))).toEqual([
    ['jobs_wait', { oldest_seconds: 61, above_seconds: 60 }],
  ]);
});

test('every rule names a setting that exists, or what to run more of, and a page with its heading', () => {
  const settings = Object.values(sections).flatMap((section) => Object.values(section).map(({ env }) => env));
  const root = resolve(import.meta.dirname, '../../../..');
  const known = [...settings, 'NODE_OPTIONS', 'copies of the API', 'copies of the worker'];
  for (const { setting, link } of ADVICE_RULES) {
    expect(known).toContain(setting);
    const [page = '', heading] = link.split('#');
    expect(existsSync(join(root, page)), link).toBe(true);
    if (heading !== undefined)
      expect(readFileSync(join(root, page), 'utf8')).toMatch(new RegExp(`^## ${heading}$`, 'im'));
  }
});
