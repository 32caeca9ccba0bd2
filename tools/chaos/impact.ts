import { type Exchange, isLost, type Ledger } from './ledger.ts';

/** What clients noticed of a fault, from its begin until both copies served again. */
export type Impact = {
  /** Requests with an answer below 500, a 503, another 5xx, and none. */
  readonly answered: number;
  readonly unavailable: number;
  readonly failed: number;
  readonly unanswered: number;
  /** Validations that gave a verdict: the 99th percentile of their time; null without any. */
  readonly validateMsP99: number | null;
  /** The same of answers 503. */
  readonly refusalMsP99?: number | null;
  /** Changes that were acknowledged meanwhile, and those of them that the database then no longer had. */
  readonly acknowledged: number;
  readonly lost: number;
  /** The longest time in which no client got a token. */
  readonly tokenGapMs: number;
};

type Span = { readonly startedAtMs: number; readonly servedAtMs: number };

export const tookMs = ({ sentAtMs, endedAtMs }: Exchange): number => endedAtMs - sentAtMs;

/** The 99th percentile of their time; null without any. */
function p99Of(exchanges: readonly Exchange[]): number | null {
  const sorted = exchanges.map(tookMs).sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? null;
}

/** The longest stretch between tokens that reaches into the span; it ends at the latest with the span. */
function longestGap(ledger: Ledger, { startedAtMs, servedAtMs }: Span): number {
  const times = [...ledger.tokens.values()]
    .map(({ issuedAtMs }) => issuedAtMs)
    .filter((atMs) => atMs >= startedAtMs && atMs <= servedAtMs)
    .sort((one, other) => one - other);
  let [longest, last] = [0, startedAtMs];
  for (const atMs of [...times, servedAtMs]) {
    longest = Math.max(longest, atMs - last);
    last = atMs;
  }
  return longest;
}

export function impactOf(ledger: Ledger, span: Span): Impact {
  const isWithin = (atMs: number | undefined): atMs is number =>
    atMs !== undefined && atMs >= span.startedAtMs && atMs <= span.servedAtMs;
  const exchanges = ledger.exchanges.filter(({ endedAtMs }) => isWithin(endedAtMs));
  const those = (is: (status: number) => boolean): number => exchanges.filter(({ status }) => is(status)).length;
  const validations = exchanges.filter(({ surface, status }) => surface === 'validation' && status === 200);
  const acknowledged = ledger.acts.filter(({ ackedAtMs }) => isWithin(ackedAtMs));
  return {
    answered: those((status) => status > 0 && status < 500),
    unavailable: those((status) => status === 503),
    failed: those((status) => status >= 500 && status !== 503),
    unanswered: those((status) => status === 0),
    validateMsP99: p99Of(validations),
    refusalMsP99: p99Of(exchanges.filter(({ status }) => status === 503)),
    acknowledged: acknowledged.length,
    lost: acknowledged.filter(({ ackedAtMs }) => isLost(ledger, ackedAtMs!)).length,
    tokenGapMs: longestGap(ledger, span),
  };
}
