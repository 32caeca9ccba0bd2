import type { HasStepUp } from '#services/domain/authority/recent-sign-in.ts';
import type { Ports } from '#services/domain/ports.ts';
import {
  decryptPhiEndpoint,
  encryptPhiEndpoint,
  listPhiKeysEndpoint,
  readPhiRotationEndpoint,
  rotatePhiKeysEndpoint,
  shredPhiEndpoint,
} from '#services/domain/privacy/contract.ts';
import { decryptPhi } from '#services/domain/privacy/decrypt-phi.ts';
import { encryptPhi } from '#services/domain/privacy/encrypt-phi.ts';
import type { HasPhiKeys } from '#services/domain/privacy/phi-keys.ts';
import {
  type HasRotationWake,
  listPhiKeys,
  readPhiRotation,
  rotatePhiKeys,
} from '#services/domain/privacy/rotate-encryption-keys.ts';
import { shredPhi } from '#services/domain/privacy/shred-phi.ts';
import { bind, type RouteContext } from '../bind.ts';

export type PrivacyRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> &
  HasPhiKeys &
  HasRotationWake &
  HasStepUp;

/** Encryption of health data, and its keys. */
export function privacyRoutes(routes: RouteContext, deps: PrivacyRoutesDeps): void {
  bind(routes, encryptPhiEndpoint, async ({ body: { subject_id: subjectId, ...input } }, caller) => ({
    encrypted: await encryptPhi(deps, { ...input, subjectId }, caller),
  }));
  bind(routes, decryptPhiEndpoint, async ({ body }, caller) => ({ data: await decryptPhi(deps, body, caller) }));
  bind(routes, listPhiKeysEndpoint, () => listPhiKeys(deps));
  bind(routes, rotatePhiKeysEndpoint, ({ body }, caller) => rotatePhiKeys(deps, body, caller));
  bind(routes, readPhiRotationEndpoint, ({ params }) => readPhiRotation(deps, params.rotation_id));
  bind(routes, shredPhiEndpoint, ({ params, body }, caller) =>
    shredPhi(deps, { subjectId: params.subject_id, reason: body.reason }, caller),
  );
}
