import { type Finding, type Gate, gateOf, secondsOf } from './gates.ts';
import { type Period, pathsOf, scaleOf } from './gates-service.ts';
import { tookMs } from './impact.ts';
import type { Exchange, Ledger } from './ledger.ts';
import type { StoreSample } from './store-watch.ts';
import type { StoreName } from './stores.ts';

const WINDOW_MS = 3_000;
/** Retries that pile up come at once when a store answers again. */
const AFTERMATH_MS = 10_000;

type Span = readonly [fromMs: number, toMs: number];
type Count = 'sent' | 'opened';

const STORES: readonly StoreName[] = ['postgres', 'redis'];
const ofStores = (periods: readonly Period[]): Period[] => periods.filter(({ isOfStores }) => isOfStores);

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

/** Fewer samples may see a session that has just ended beside the one in its place: on a busy machine it ends later. */
const LASTING = 2;

/** While a store fails, the product has no more sessions in PostgreSQL than its settings say. */
export function sessionsAboveSetting(
  samples: readonly StoreSample[],
  periods: readonly Period[],
  limits: ReadonlyMap<string, number>,
): Gate {
  const seen = ofStores(periods).flatMap(({ name, startedAtMs, servedAtMs, stretch }) => {
    const lasting = Math.ceil(LASTING * scaleOf(stretch));
    const counts = within(samples, [startedAtMs, servedAtMs]).flatMap(({ sessions }) => (sessions ? [sessions] : []));
    const fault = `${name} of ${secondsOf(startedAtMs)}`;
    return counts.map((_, at) => ({ fault, lasting, last: counts.slice(Math.max(0, at + 1 - lasting), at + 1) }));
  });
  const told = new Set<string>();
  return gateOf('sessions above the setting', seen, ({ fault, lasting, last }) =>
    [...limits].flatMap(([name, most]) => {
      const key = `${fault} ${name}`;
      const least = Math.min(...last.map((sessions) => sessions[name] ?? 0));
      if (last.length < lasting || told.has(key) || least <= most) return [];
      told.add(key);
      return [{ text: `${fault}: ${least} sessions of ${name}, ${most} are set` }];
    }),
  );
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
  const quiet = quietSpans(periods, duringMs);
  const connections = [...limits.values()].reduce((sum, most) => sum + most, 0);
  const asked = ofStores(periods).flatMap((period) => {
    const span = spanOf(periods, periods.indexOf(period));
    return STORES.flatMap((store) => {
      const usual = Math.max(...quiet.map((each) => busiest(samples, each, 'sent', store)));
      const sent = busiest(samples, span, 'sent', store);
      const opened = busiest(samples, span, 'opened', store);
      return [
        { period, what: `messages to ${store}`, seen: sent, most: STORM_FACTOR * usual },
        { period, what: `connections to ${store}`, seen: opened, most: connections },
      ];
    });
  });
  return gateOf('retry storms at stores', asked, ({ period, what, seen, most }) => {
    if (seen <= most) return undefined;
    const rate = `${Math.round(seen)} ${what} a second, ${Math.round(most)} are allowed`;
    return { text: `${period.name} of ${secondsOf(period.startedAtMs)}: ${rate}` };
  });
}

/**
 * What may write has its 503 within a second, of which the product waits 0.8 for PostgreSQL. A read, which nobody needs
 * to repeat elsewhere at once, waits 0.9 for a connection and 2.5 for a statement.
 */
const REFUSAL_MS = { write: 1_000, read: 3_400 };

/** While a store fails, all refusals but one in a hundred come in time: a client can go elsewhere or say so to its user. */
export function lateRefusals(ledger: Ledger, periods: readonly Period[]): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const { name, startedAtMs, servedAtMs, stretch, moments = [] } of ofStores(periods)) {
    const busy = ({ sentAtMs, endedAtMs }: Exchange): number =>
      Math.max(stretch, ...moments.map((of) => (of.toMs >= sentAtMs && of.fromMs <= endedAtMs ? of.stretch : 1)));
    const refused = ledger.exchanges.filter(
      ({ status, sentAtMs, endedAtMs }) => status === 503 && sentAtMs >= startedAtMs && endedAtMs <= servedAtMs,
    );
    checked += refused.length;
    for (const what of ['write', 'read'] as const) {
      const ofKind = refused.filter(({ isLimited }) => isLimited === (what === 'write'));
      const most = REFUSAL_MS[what];
      const late = ofKind.filter((exchange) => tookMs(exchange) > most * scaleOf(busy(exchange)));
      if (late.length > Math.floor(ofKind.length / 100))
        findings.push({
          text: `${name} of ${secondsOf(startedAtMs)}: ${late.length} of ${ofKind.length} 503 to a ${what} came after more than the ${secondsOf(most)} that are allowed on a quiet machine, at a stretch of at most ${Math.max(...late.map(busy)).toFixed(1)}: ${pathsOf(late)}`,
        });
    }
  }
  return { name: 'late refusals', checked, findings };
}
