import { readRevocationsEndpoint, streamRevocationsEndpoint } from '#services/core/revocations/contract.ts';
import type { HasRevocationFeed } from '#services/core/revocations/revocation-feed.ts';
import { type HasRevocationStreams, questionOfEventId } from '#services/core/revocations/revocation-stream.ts';
import { answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';

export function revocationsRoutes(routes: RouteContext, deps: HasRevocationFeed & HasRevocationStreams): void {
  // No 304: an attacker could replay an unsigned answer.
  bind(routes, readRevocationsEndpoint, async ({ query }) => {
    const { jws } = await deps.revocationFeed.answer(query);
    return answer(200, jws, { 'content-type': 'application/revocations+jwt' });
  });
  bind(routes, streamRevocationsEndpoint, ({ query }, caller, request) =>
    answer(200, deps.revocationStreams.open(questionOfEventId(request.headers['last-event-id']) ?? query, caller), {
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    }),
  );
}
