import { listControlsEndpoint } from '#services/domain/compliance/contract.ts';
import { listControls } from '#services/domain/compliance/list-controls.ts';
import type { Ports } from '#services/domain/ports.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Compliance controls and their evidence. */
export function complianceRoutes(routes: RouteContext, deps: Pick<Ports, 'sql'>): void {
  bind(routes, listControlsEndpoint, async ({ query: { status, profile } }) => ({
    controls: (await listControls(deps)).filter(
      (control) =>
        (status === undefined || control.status === status) && (profile === undefined || control.profile === profile),
    ),
  }));
}
