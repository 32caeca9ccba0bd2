import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Ask, otherCopy, type Request } from '../http.ts';
import { type Act, type CopyName, type Ledger, note, now } from '../ledger.ts';
import type { Random } from '../random.ts';

export const TOTAL_PATIENCE_MS = 60_000;
export const RETRIED = new Set([0, 429, 502, 503, 504]);

/** An act with all its attempts; acknowledged when one was answered as hoped. */
type Attempted = { readonly answer: Answer; readonly act: Act };

/** The same request at one copy, then the other, until one of them gives a result. */
export type Attempt = (
  what: Pick<Act, 'kind' | 'events' | 'isRepeatable' | 'hasIdempotencyKey' | 'subject'>,
  request: (attempt: number) => Request,
  isDone: (answer: Answer) => boolean,
  first?: CopyName,
) => Promise<Attempted>;

export function createAttempt(ledger: Ledger, ask: Ask, random: Random, isStopping: () => boolean): Attempt {
  return async (what, request, isDone, first = random.chance(0.5) ? 'A' : 'B') => {
    const act: Act = { ...what, attempts: [], sentAtMs: now() };
    ledger.acts.push(act);
    let copy = first;
    for (let at = 0; ; at += 1) {
      const answer = await ask(copy, request(at));
      const { status, traceId, sentAtMs, answeredAtMs } = answer;
      act.attempts.push({ traceId, sentAtMs, endedAtMs: answeredAtMs });
      if (act.subject)
        note(act.subject, `${act.kind} at ${copy}: ${status} ${answer.body?.code ?? ''} (trace ${traceId})`);
      if (isDone(answer)) act.ackedAtMs = answer.answeredAtMs;
      const isOver = now() - act.sentAtMs > TOTAL_PATIENCE_MS || (isStopping() && at > 2);
      if (!RETRIED.has(status) || isOver) return { answer, act };
      await sleep(random.between(50, 500));
      copy = otherCopy(copy);
    }
  };
}
