import type { PortsOf } from '#services/core/shared/operation.ts';
import {
  alertOperations,
  alertTargetOperations,
  silenceOperations,
} from '#services/wings/outbound/alerts/operations.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

type Ports = PortsOf<typeof alertOperations> &
  PortsOf<typeof alertTargetOperations> &
  PortsOf<typeof silenceOperations>;

/** Where alerts are sent, what was sent, silences, and the receiver for Alertmanager. */
export function alertsRoutes(routes: RouteContext, ports: Ports): void {
  bindOperations(routes, alertOperations, ports);
  bindOperations(routes, alertTargetOperations, ports);
  bindOperations(routes, silenceOperations, ports);
}
