import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { followEventsOf, newestEventSeq } from '#services/core/audit/read/list-events.ts';
import type { Ports } from '#services/core/ports.ts';
import { AUTHENTICATION_TYPES } from './counted-events.ts';

const PAGE = 100;
const POLL_MS = 500;

type FollowInput = {
  /** Begin after this seq; by default, with what is sealed from now on. Pass the seq of the last event to go on. */
  readonly afterSeq?: number | undefined;
  readonly types?: readonly string[] | undefined;
  readonly signal: AbortSignal;
};

/**
 * Sealed events of authentication in their order, each once, until the signal. Reads one row twice a second while nothing
 * happens. Throws `store_unavailable` (503); go on with the seq of the last event.
 */
export async function* followAuthentication(
  ports: Pick<Ports, 'sql'>,
  { afterSeq, types = AUTHENTICATION_TYPES, signal }: FollowInput,
): AsyncGenerator<AuditEventView, void, void> {
  let after = afterSeq ?? (await newestEventSeq(ports));
  while (!signal.aborted) {
    const { events, reachedSeq } = await followEventsOf(ports, types, after, PAGE);
    after = reachedSeq;
    for (const event of events) {
      if (signal.aborted) return;
      yield event;
    }
    if (events.length < PAGE) await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}
