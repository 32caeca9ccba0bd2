import type { HasStepUp } from '#services/domain/authority/recent-sign-in.ts';
import type { Ports } from '#services/domain/ports.ts';
import {
  breakGlassOperations,
  disclosureOperations,
  policyOperations,
  privacyRequestOperations,
  restrictionOperations,
} from '#services/domain/privacy/access/operations.ts';
import type { HasPrivacyWake } from '#services/domain/privacy/access/privacy-requests.ts';
import type { HasPhiKeys } from '#services/domain/privacy/phi-keys.ts';
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
