/** What an agent did in the last ten minutes, beside what it did in the two weeks before. */
export type AgentUse = {
  readonly now: {
    readonly acts: number;
    readonly refused: number;
    readonly kinds: readonly string[];
    readonly hours: readonly number[];
  };
  readonly past: {
    readonly acts: number;
    readonly refused: number;
    readonly days: number;
    /** Most acts in one stretch of ten minutes. */
    readonly busiest: number;
    readonly kinds: readonly string[];
    /** Hours of the day (UTC) with an act. */
    readonly hours: readonly number[];
  };
};

type AgentSignal = 'new_kinds' | 'rate' | 'refused' | 'hours';

/** Before, an agent has no past that it could leave. */
const LEARNT = { acts: 30, days: 3 };
const NEW_KINDS = 3;
const RATE = { least: 20, times: 3 };
const REFUSED = { least: 5, share: 0.2, times: 5 };

/**
 * How an agent leaves its own past. One signal alone has an innocent cause (a release asks for more, a deployment restarts
 * every copy, a backlog, a forgotten permission), so an anomaly needs two.
 */
export function signalsOf({ now, past }: AgentUse): AgentSignal[] {
  if (past.acts < LEARNT.acts || past.days < LEARNT.days) return [];
  const signals: AgentSignal[] = [];
  if (now.kinds.filter((kind) => !past.kinds.includes(kind)).length >= NEW_KINDS) signals.push('new_kinds');
  if (now.acts >= RATE.least && now.acts > RATE.times * past.busiest) signals.push('rate');
  const usual = past.refused / past.acts;
  if (now.refused >= REFUSED.least && now.refused > now.acts * Math.max(REFUSED.share, REFUSED.times * usual))
    signals.push('refused');
  if (now.acts >= REFUSED.least && now.hours.some((hour) => !past.hours.includes(hour))) signals.push('hours');
  return signals.length >= 2 ? signals : [];
}
