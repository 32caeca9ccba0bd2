import { countOf, type Histogram, quantileOf } from '../histogram.ts';
import { type HourSample, sumOf } from '../take-sample.ts';
import { OLDEST_JOB } from './capacity-series.ts';
import type { Advice } from './capacity-shapes.ts';

type Facts = {
  readonly counters: Readonly<Record<string, number>>;
  readonly histograms: Readonly<Record<string, Histogram>>;
  readonly hours: readonly HourSample[];
};

type AdviceRule = {
  readonly rule: string;
  readonly setting: string;
  readonly advice: string;
  readonly link: string;
  /** The figures that make it apply; null if it does not. */
  check(facts: Facts): Readonly<Record<string, number>> | null;
};

const CONFIGURATION = 'docs/reference/configuration.md';
const MS = 1_000;
const rounded = (value: number): number => Number(value.toFixed(3));

/** Count and p95 in milliseconds of at least so many records, if it is above `aboveMs`. */
function slow(
  histogram: Histogram | undefined,
  least: number,
  aboveMs: number,
): Readonly<Record<string, number>> | null {
  if (histogram === undefined || countOf(histogram) < least) return null;
  const p95Ms = (quantileOf(histogram, 0.95) as number) * MS;
  return p95Ms > aboveMs ? { count: countOf(histogram), p95_ms: rounded(p95Ms), above_ms: aboveMs } : null;
}

/** The highest value of a series in these hours, if it is above `share` of its limit. */
function near({ hours }: Facts, series: string, share: number): Readonly<Record<string, number>> | null {
  const measured = hours.flatMap((hour) => hour.measured?.[series] ?? []);
  const limit = measured.at(-1)?.limit ?? null;
  const highest = Math.max(0, ...measured.map(({ value }) => value));
  return limit !== null && highest > limit * share ? { highest: rounded(highest), limit } : null;
}

/** Figures with which a rule applies; they have been chosen so that a healthy installation under load has none. */
export const ADVICE_RULES: readonly AdviceRule[] = [
  {
    rule: 'statements_wait',
    setting: 'DATABASE_POOL',
    advice: 'Statements wait for a connection. Give each process more, as far as PostgreSQL allows.',
    link: `${CONFIGURATION}#stores`,
    check: ({ histograms }) => slow(histograms['pool_wait.main'], 1_000, 10),
  },
  {
    rule: 'statements_given_up',
    setting: 'DATABASE_POOL',
    advice:
      'Statements were given up because no connection became free. Give each process more connections, or run more copies.',
    link: `${CONFIGURATION}#stores`,
    check: ({ counters }) => {
      const timeouts = counters['pool_timeouts.main'] ?? 0;
      return timeouts > 0 ? { timeouts } : null;
    },
  },
  {
    rule: 'passwords_wait',
    setting: 'HASHER_CHILDREN',
    advice:
      'Sign-ins wait for password hashing. Run more API copies on more cores; more hashing processes help only where cores are idle.',
    link: 'docs/reference/sizing.md',
    check: ({ histograms }) => slow(histograms.password_wait, 100, 250),
  },
  {
    rule: 'passwords_refused',
    setting: 'copies of the API',
    advice:
      'Sign-ins were refused because the queue of password hashing was full or too slow. Run more API copies on more cores.',
    link: 'docs/reference/sizing.md',
    check: ({ counters }) => {
      const [full = 0, expired = 0] = [counters['hashes.full'], counters['hashes.expired']];
      return full + expired > 0 ? { full, expired } : null;
    },
  },
  {
    rule: 'event_loop_busy',
    setting: 'copies of the API',
    advice: 'An API copy was hardly ever idle. Run more copies.',
    link: 'docs/reference/sizing.md',
    check: (facts) => near(facts, 'event_loop_utilization', 1),
  },
  {
    rule: 'heap_full',
    setting: 'NODE_OPTIONS',
    advice:
      'The heap of a copy is nearly full. Give its container more memory and --max-old-space-size, or run more copies.',
    link: 'docs/reference/sizing.md',
    check: (facts) => near(facts, 'heap_share', 1),
  },
  {
    rule: 'revocations_many',
    setting: 'REVOCATION_BUDGET',
    advice:
      'The revocations in memory are near the budget, beyond which they become cut-offs that end more tokens. Raise it, or issue tokens with a shorter life.',
    link: `${CONFIGURATION}#stores`,
    check: (facts) => near(facts, 'revocations', 0.8),
  },
  {
    rule: 'signatures_verified_again',
    setting: 'TOKEN_CACHE_MB',
    advice: 'Most validations verify a signature. If your tokens are presented many times, a larger cache spares that.',
    link: `${CONFIGURATION}#tokens`,
    check: ({ counters }) => {
      const [hits = 0, misses = 0] = [counters['verdict_cache.hit'], counters['verdict_cache.miss']];
      const isMost = hits + misses >= 10_000 && misses > hits;
      return isMost ? { hits, misses, miss_percent: rounded((misses / (hits + misses)) * 100) } : null;
    },
  },
  {
    rule: 'signing_slow',
    setting: 'JWT_ALGORITHM',
    advice: 'Signing with RS256 takes long. ES256 takes a tenth of the processor time; verifiers must accept it.',
    link: `${CONFIGURATION}#keys`,
    check: ({ histograms }) => slow(histograms['token_signing.RS256'], 1_000, 10),
  },
  {
    rule: 'jobs_wait',
    setting: 'copies of the worker',
    advice: 'Jobs wait for a worker. Run more workers.',
    link: 'docs/how-to/run-in-production.md#processes',
    check: ({ hours }) => {
      const oldest = Math.max(0, ...hours.map(({ measured }) => measured?.[OLDEST_JOB]?.value ?? 0));
      return oldest > 60 ? { oldest_seconds: rounded(oldest), above_seconds: 60 } : null;
    },
  },
];

/** The rules that apply to these hours, each with its figures. */
export function adviseOn(hours: readonly HourSample[]): Advice[] {
  const facts = { ...sumOf(hours), hours };
  return ADVICE_RULES.flatMap(({ check, ...rule }) => {
    const evidence = check(facts);
    return evidence === null ? [] : [{ ...rule, evidence: { ...evidence } }];
  });
}
