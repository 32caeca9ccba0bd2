import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { Ports } from '#services/core/ports.ts';
import {
  breakGlassOperations,
  disclosureOperations,
  policyOperations,
  privacyRequestOperations,
  restrictionOperations,
} from '#services/wings/privacy/access/operations.ts';
import type { HasPrivacyWake } from '#services/wings/privacy/access/privacy-requests.ts';
import type { HasPhiKeys } from '#services/wings/privacy/phi-keys.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

export type PrivacyAccessRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> &
  HasPhiKeys &
  HasStepUp &
  HasPrivacyWake;

/** Who may use health data, emergency access, and what a person may ask for. */
export function privacyAccessRoutes(routes: RouteContext, deps: PrivacyAccessRoutesDeps): void {
  bindOperations(
    routes,
    [
      ...policyOperations,
      ...breakGlassOperations,
      ...restrictionOperations,
      ...disclosureOperations,
      ...privacyRequestOperations,
    ],
    deps,
  );
}
