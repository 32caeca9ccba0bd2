import { listHandoffDeadLettersEndpoint, replayHandoffEndpoint } from '#services/domain/handoff/contract.ts';
import { listHandoffDeadLetters, replayHandoff } from '#services/domain/handoff/given-up-handoffs.ts';
import type { Ports } from '#services/domain/ports.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Dead letters of hand-offs, for operators. */
export function handoffRoutes(routes: RouteContext, ports: Pick<Ports, 'sql' | 'transact'>): void {
  bind(routes, listHandoffDeadLettersEndpoint, ({ query }) => listHandoffDeadLetters(ports, query));
  bind(routes, replayHandoffEndpoint, ({ params, body }, caller) =>
    replayHandoff(ports, { deliveryId: params.delivery_id, reason: body.reason }, caller),
  );
}
