import type { HasStepUp } from '#services/domain/authority/recent-sign-in.ts';
import type { Ports } from '#services/domain/ports.ts';
import { phiKeyOperations, phiOperations } from '#services/domain/privacy/operations.ts';
import type { HasPhiKeys } from '#services/domain/privacy/phi-keys.ts';
import type { HasRotationWake } from '#services/domain/privacy/rotate-encryption-keys.ts';
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
