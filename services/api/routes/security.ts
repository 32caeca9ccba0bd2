import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { streamSecurityEventsEndpoint } from '#services/core/security/contract.ts';
import { type HasEventStreams, seqOfEventId } from '#services/core/security/event-stream.ts';
import { answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import type { CallerRecheck } from '../requests/recheck-caller.ts';

type SecurityRoutesDeps = Pick<Ports, 'sql' | 'transact' | 'clock'> &
  HasKeyRing &
  HasEventStreams & { readonly recheckCaller: CallerRecheck };

/** Incidents, locked accounts and the stream of security events. */
export function securityRoutes(routes: RouteContext, deps: SecurityRoutesDeps): void {
  const mayFollow = deps.recheckCaller(streamSecurityEventsEndpoint);
  bind(routes, streamSecurityEventsEndpoint, async ({ query }, caller, request) => {
    const afterSeq = seqOfEventId(request.headers['last-event-id']);
    const question = { afterSeq, types: query.type?.split(',') };
    const stream = await deps.eventStreams.open(question, caller, () => mayFollow(request));
    return answer(200, stream, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
  });
}
