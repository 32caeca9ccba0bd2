import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { Ports } from '#services/core/ports.ts';
import { phiKeyOperations, phiOperations } from '#services/wings/privacy/operations.ts';
import type { HasPhiKeys } from '#services/wings/privacy/phi-keys.ts';
import type { HasRotationWake } from '#services/wings/privacy/rotate-encryption-keys.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

export type PrivacyRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> &
  HasPhiKeys &
  HasRotationWake &
  HasStepUp;

/** Encryption of health data, and its keys. */
export function privacyRoutes(routes: RouteContext, deps: PrivacyRoutesDeps): void {
  bindOperations(routes, [...phiOperations, ...phiKeyOperations], deps);
}
