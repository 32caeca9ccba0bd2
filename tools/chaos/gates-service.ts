import { type Finding, type Gate, gateOf, secondsOf } from './gates.ts';
import { type CopyName, type Exchange, type Ledger, SURFACES } from './ledger.ts';

/** A fault and what followed, in the run's own time. */
export type Period = {
  readonly name: string;
  readonly startedAtMs: number;
  /** What was stopped went on, what was cut was linked again. */
  readonly endedAtMs: number;
  /** Both copies served again. */
  readonly servedAtMs: number;
  /** What they refused until then, and how often; empty where nothing. */
  readonly refused?: string;
  /** How many times its processor time work took then: 1 on an idle machine. Of a store's fault also moments within it. */
  readonly stretch: number;
  readonly moments?: readonly { readonly fromMs: number; readonly toMs: number; readonly stretch: number }[];
  /** A process that the fault stops answers nothing: requests to these copies may hang while it lasts. */
  readonly frozen: readonly CopyName[];
  /** More requests than these may not hang because of it. */
  readonly hangs: number;
  /** PostgreSQL, Redis or a link to one of them fails. */
  readonly isOfStores: boolean;
};

/** On a quiet machine both copies serve again this soon after a fault. */
const RECOVERY_MS = 10_000;
/** Below this a machine is quiet: the suite keeps two cores busy itself. */
const QUIET_STRETCH = 2;
/** However busy the machine is, a copy that stays away longer is away. */
const RECOVERY_MOST_MS = 60_000;

/** How many times more than on a quiet machine is allowed on one this busy. */
export const scaleOf = (stretch: number): number => Math.max(1, stretch / QUIET_STRETCH);

/** How long a recovery may take on a machine this busy, milliseconds. */
export const recoveryBoundMs = (stretch: number): number => Math.min(RECOVERY_MOST_MS, RECOVERY_MS * scaleOf(stretch));

/** Both copies serve soon after every fault. @param findings of faults that the product did not recover from as they say */
export function recoveries(periods: readonly Period[], findings: readonly Finding[] = []): Gate {
  const name = 'recovery after every fault';
  const late = gateOf(name, periods, ({ name: fault, startedAtMs, endedAtMs, servedAtMs, stretch, refused }) => {
    const tookMs = servedAtMs - endedAtMs;
    const most = recoveryBoundMs(stretch);
    if (tookMs <= most) return undefined;
    const text = `${fault} of ${secondsOf(startedAtMs)}: both copies served again after ${secondsOf(tookMs)}, ${secondsOf(most)} are allowed at a stretch of ${stretch.toFixed(1)}`;
    return { text: refused ? `${text}; refused: ${refused}` : text };
  });
  return { ...late, findings: [...findings, ...late.findings] };
}

/** `2 × /v1/tokens at A`, and so on. */
export function pathsOf(exchanges: readonly Exchange[]): string {
  const paths = Map.groupBy(
    exchanges,
    ({ path, copy }) => `${path.replace(/[0-9a-f-]{20,}/, '…').split('?')[0]} at ${copy}`,
  );
  return [...paths].map(([path, { length }]) => `${length} × ${path}`).join(', ');
}

/** A client that waited this long in vain was left hanging; a shorter patience says nothing about the product. */
const HANG_MS = 4_000;
/** None may hang on a quiet machine when nothing is wrong; for each time that a machine is busier, these. */
const HANGS_OF_BUSY = 3;
/** A request that was on its way when the fault began is its victim too. */
const isWithin = ({ sentAtMs, endedAtMs }: Exchange, from: number, to: number): boolean =>
  sentAtMs < to && endedAtMs > from;

/** Requests are answered, if only by 503. Each fault declares how many it may leave without an answer. */
export function hangs(ledger: Ledger, periods: readonly Period[], duringMs: readonly [number, number]): Gate {
  const [from, to] = duringMs;
  const exchanges = ledger.exchanges.filter(({ sentAtMs }) => sentAtMs >= from && sentAtMs < to);
  let hung = exchanges.filter(({ waitedMs = 0 }) => waitedMs >= HANG_MS);
  const findings: Finding[] = [];
  const told = (what: string, of: readonly Exchange[], most: number): void => {
    if (of.length <= most) return;
    findings.push({ text: `${of.length} requests had no answer ${what}, ${most} are allowed: ${pathsOf(of)}` });
  };
  for (const { name, startedAtMs, endedAtMs, servedAtMs, frozen, hangs: most, stretch } of periods) {
    const mine = hung.filter((exchange) => isWithin(exchange, startedAtMs, servedAtMs));
    hung = hung.filter((exchange) => !mine.includes(exchange));
    const excused = ({ copy, sentAtMs }: Exchange): boolean => frozen.includes(copy) && sentAtMs < endedAtMs;
    const left = mine.filter((exchange) => !excused(exchange));
    told(`because of ${name} of ${secondsOf(startedAtMs)}`, left, Math.round(most * scaleOf(stretch)));
  }
  const busiest = Math.max(1, ...periods.map(({ stretch }) => stretch));
  told('while nothing was wrong', hung, Math.round(HANGS_OF_BUSY * (scaleOf(busiest) - 1)));
  return { name: 'requests that hang', checked: exchanges.length, findings };
}

/** This many answers of a surface in a quiet phase say something about it, on a quiet machine. */
const ANSWERS_LEAST = 3;

type Phase = { readonly begin: number; readonly end: number; readonly least: number };

/** The time between what followed one fault and the next fault. On a busy machine more answers are needed. */
function quietPhases(periods: readonly Period[], [from, to]: readonly [number, number]): Phase[] {
  const begins = [from, ...periods.map(({ servedAtMs }) => servedAtMs)];
  const ends = [...periods.map(({ startedAtMs }) => startedAtMs), to];
  const phases = begins.map((begin, at): Phase => {
    const stretches = [periods[at - 1], periods[at]].map((beside) => beside?.stretch ?? 1);
    return { begin, end: ends[at]!, least: ANSWERS_LEAST * scaleOf(Math.max(...stretches)) };
  });
  return phases.filter(({ begin, end }) => end > begin);
}

/** No surface answers only 503, neither in the whole run nor while nothing is wrong. */
export function floods(ledger: Ledger, periods: readonly Period[], duringMs: readonly [number, number]): Gate {
  const answered = ledger.exchanges.filter(({ status }) => status !== 0);
  const phases = quietPhases(periods, duringMs);
  const looks = SURFACES.flatMap((surface) => {
    const mine = answered.filter((exchange) => exchange.surface === surface);
    const quiet = phases.flatMap(({ begin, end, least }) => {
      const of = mine.filter(({ sentAtMs, endedAtMs }) => sentAtMs >= begin && endedAtMs < end);
      const when = `between ${secondsOf(begin)} and ${secondsOf(end)}, when nothing was wrong`;
      return of.length >= least ? [{ surface, of, when }] : [];
    });
    return [{ surface, of: mine, when: 'in the whole run' }, ...quiet];
  });
  return gateOf('surfaces that answer only 503', looks, ({ surface, of, when }) => {
    if (of.some(({ status }) => status < 500)) return undefined;
    const codes = Map.groupBy(of, ({ status, code = status }) => code);
    const said = [...codes].map(([code, { length }]) => `${length} × ${code}`).join(', ');
    return { text: `${surface}: ${of.length === 0 ? 'no answer' : `nothing but ${said}`} ${when}` };
  });
}
