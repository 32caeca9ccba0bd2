import { type Finding, type Gate, secondsOf } from './gates.ts';
import { type Period, pathsOf, scaleOf } from './gates-service.ts';
import { percentile } from './impact.ts';
import type { Ledger } from './ledger.ts';
import type { StoreSample } from './store-watch.ts';
import type { StoreName } from './stores.ts';
import type { Exchange } from './surface-facts.ts';

/** What the product asked of its stores in a period, and before it. */
export type StoreUse = {
  /** Messages a second to PostgreSQL and Redis, in the busiest seconds. */
  readonly sentPerSecond: number;
  /** The same while nothing was wrong. */
  readonly usuallySentPerSecond: number;
  /** Connections opened a second, in the busiest seconds. */
  readonly openedPerSecond: number;
  /** Sessions of PostgreSQL, all applications together; null if it never answered. */
  readonly sessionsMost: number | null;
};

const WINDOW_MS = 3_000;
/** Retries that pile up come at once when a store answers again. */
const AFTERMATH_MS = 10_000;

type Span = readonly [fromMs: number, toMs: number];
type Count = 'sent' | 'opened';

const within = (samples: readonly StoreSample[], [from, to]: Span): StoreSample[] =>
  samples.filter(({ atMs }) => atMs >= from && atMs <= to);

/** The most a second, over windows within the span. */
function busiest(samples: readonly StoreSample[], span: Span, count: Count, store: StoreName): number {
  const mine = within(samples, span);
  let most = 0;
  let last = 0;
  for (const first of mine) {
    while (last < mine.length - 1 && mine[last]!.atMs - first.atMs < WINDOW_MS) last += 1;
    const ms = mine[last]!.atMs - first.atMs;
    if (ms >= WINDOW_MS) most = Math.max(most, ((mine[last]![count][store] - first[count][store]) * 1_000) / ms);
  }
  return most;
}

/** Of each period what it may disturb: until some time after both copies served, or the next fault. */
const spanOf = (periods: readonly Period[], at: number): Span => [
  periods[at]!.startedAtMs,
  Math.min(periods[at]!.servedAtMs + AFTERMATH_MS, periods[at + 1]?.startedAtMs ?? Number.POSITIVE_INFINITY),
];

/** The times in which nothing was wrong, and nothing was made up for. */
function quietSpans(periods: readonly Period[], [from, to]: Span): Span[] {
  const spans = periods.map((_, at) => spanOf(periods, at));
  const begins = [from, ...spans.map(([, end]) => end)];
  const ends = [...spans.map(([begin]) => begin), to];
  return begins.map((begin, at): Span => [begin, ends[at]!]).filter(([begin, end]) => end > begin);
}

export function storeUse(
  samples: readonly StoreSample[],
  periods: readonly Period[],
  at: number,
  duringMs: Span,
): StoreUse {
  const span = spanOf(periods, at);
  const sum = (of: (store: StoreName) => number): number => of('postgres') + of('redis');
  const quiet = quietSpans(periods, duringMs);
  const sessions = within(samples, span).flatMap((sample) =>
    sample.sessions ? [Object.values(sample.sessions).reduce((all, n) => all + n, 0)] : [],
  );
  return {
    sentPerSecond: sum((store) => busiest(samples, span, 'sent', store)),
    usuallySentPerSecond: sum((store) => Math.max(...quiet.map((each) => busiest(samples, each, 'sent', store)))),
    openedPerSecond: sum((store) => busiest(samples, span, 'opened', store)),
    sessionsMost: sessions.length === 0 ? null : Math.max(...sessions),
  };
}

/** One sample may see a session that has just ended beside the one in its place. */
const isLasting = (first: StoreSample, second: StoreSample, name: string, most: number): boolean =>
  (first.sessions?.[name] ?? 0) > most && (second.sessions?.[name] ?? 0) > most;

/** While a store fails, the product has no more sessions in PostgreSQL than its settings say. */
export function sessionsAboveSetting(
  samples: readonly StoreSample[],
  periods: readonly Period[],
  limits: ReadonlyMap<string, number>,
): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const { name: fault, startedAtMs, servedAtMs } of periods.filter(({ isOfStores }) => isOfStores)) {
    const mine = within(samples, [startedAtMs, servedAtMs]).filter(({ sessions }) => sessions !== undefined);
    checked += mine.length;
    for (const [name, most] of limits) {
      const above = mine.filter((sample, at) => at > 0 && isLasting(mine[at - 1]!, sample, name, most));
      if (above.length === 0) continue;
      const seen = Math.max(...above.map(({ sessions }) => sessions![name]!));
      findings.push({
        text: `${fault} of ${secondsOf(startedAtMs)}: ${seen} sessions of ${name}, ${most} are set`,
      });
    }
  }
  return { name: 'sessions above the setting', checked, findings };
}

/** How many times its usual busiest seconds the product may send while a store fails and after. */
const STORM_FACTOR = 3;

/**
 * While a store fails, and when it answers again, the product does not multiply its requests to stores: it sends at most
 * three times what it sends in its busiest quiet seconds, and opens each of its connections once a second at most.
 */
export function retryStorms(
  samples: readonly StoreSample[],
  periods: readonly Period[],
  duringMs: Span,
  limits: ReadonlyMap<string, number>,
): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  const quiet = quietSpans(periods, duringMs);
  const connections = [...limits.values()].reduce((sum, most) => sum + most, 0);
  for (const [at, { name, startedAtMs, isOfStores }] of periods.entries()) {
    if (!isOfStores) continue;
    const span = spanOf(periods, at);
    for (const store of ['postgres', 'redis'] as const) {
      const usual = Math.max(...quiet.map((each) => busiest(samples, each, 'sent', store)));
      const told = (what: string, seen: number, most: number): void => {
        checked += 1;
        if (seen > most)
          findings.push({
            text: `${name} of ${secondsOf(startedAtMs)}: ${Math.round(seen)} ${what} a second, ${Math.round(most)} are allowed`,
          });
      };
      told(`messages to ${store}`, busiest(samples, span, 'sent', store), STORM_FACTOR * usual);
      told(`connections to ${store}`, busiest(samples, span, 'opened', store), connections);
    }
  }
  return { name: 'retry storms at stores', checked, findings };
}

/**
 * What may write has its 503 within a second, of which the product waits 0.8 for PostgreSQL. A read, which nobody needs
 * to repeat elsewhere at once, and a call of the MCP server wait 0.9 for a connection and 2.5 for a statement.
 */
const REFUSAL_MS = { write: 1_000, read: 3_400 };

const tookMs = ({ sentAtMs, endedAtMs }: Exchange): number => endedAtMs - sentAtMs;

/** While a store fails, refusals come in time, so that a client can go to another copy or say so to its user. */
export function lateRefusals(ledger: Ledger, periods: readonly Period[]): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const { name, startedAtMs, servedAtMs, stretch, isOfStores } of periods) {
    if (!isOfStores) continue;
    const refused = ledger.exchanges.filter(
      ({ status, sentAtMs, endedAtMs }) => status === 503 && sentAtMs >= startedAtMs && endedAtMs <= servedAtMs,
    );
    checked += refused.length;
    for (const [what, isLimited] of [
      ['write', true],
      ['read', false],
    ] as const) {
      const ofKind = refused.filter((exchange) => exchange.isLimited === isLimited);
      const p99 = percentile(ofKind.map(tookMs), 0.99) ?? 0;
      const most = REFUSAL_MS[what] * scaleOf(stretch);
      const late = ofKind.filter((exchange) => tookMs(exchange) > most);
      if (p99 > most)
        findings.push({
          text: `${name} of ${secondsOf(startedAtMs)}: one 503 to a ${what} in a hundred came after ${secondsOf(p99)}, ${secondsOf(most)} are allowed at a stretch of ${stretch.toFixed(1)}: ${pathsOf(late)}`,
        });
    }
  }
  return { name: 'late refusals', checked, findings };
}
