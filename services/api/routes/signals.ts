import type { PortsOf } from '#services/domain/shared/operation.ts';
import { receiveSignalEndpoint } from '#services/domain/signals/contract.ts';
import { transmitterOperations } from '#services/domain/signals/operations.ts';
import { type ReceiveSignalPorts, receiveSignal } from '#services/domain/signals/receive-signal.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Shared signals of others: who may send them, and where they arrive. */
export function signalsRoutes(
  routes: RouteContext,
  ports: PortsOf<typeof transmitterOperations> & ReceiveSignalPorts,
): void {
  bindOperations(routes, transmitterOperations, ports);
  bind(routes, receiveSignalEndpoint, async ({ body }, caller) => {
    const refusal = await receiveSignal(ports, body, caller);
    return refusal === null ? undefined : answer(400, refusal);
  });
}
