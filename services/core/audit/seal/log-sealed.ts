import type { Log } from '#services/core/ports.ts';
import { REASON_CODES } from './reason-codes.ts';
import type { SealedRow } from './seal.store.ts';

/** Events that operators also read in the worker's log, and their message. The rest is in the audit log alone. */
const LOGGED: ReadonlyMap<string, string> = new Map([
  ['user.login', 'a user signed in, or was refused'],
  ['session.ended', 'a session ended'],
  ['token.validations', 'tokens were validated'],
]);

/**
 * Logs sealed sign-ins, ends of sessions and counts of validations, once each, with the trace of their request. A line
 * names no person and no address: `seq` is the event's number in the audit log, which names the actor.
 */
export function logSealed(log: Log, events: readonly SealedRow[]): void {
  for (const { row, seq } of events) {
    const message = LOGGED.get(row.type);
    if (message === undefined) continue;
    const { type, outcome, client_id: clientId, detail, traceparent } = row;
    log.info(
      {
        event: type,
        outcome,
        seq,
        ...(clientId === null ? {} : { client_id: clientId }),
        ...(typeof detail.reason === 'string' && REASON_CODES.has(detail.reason) ? { reason: detail.reason } : {}),
        ...(type === 'token.validations' ? { counts: detail } : {}),
        ...(traceparent === null ? {} : { trace_id: traceparent.slice(3, 35) }),
      },
      message,
    );
  }
}
