import { clockWrong } from '#services/domain/keys/errors.ts';
import type { KeyRing } from '#services/domain/keys/key-ring.ts';
import { assertFresh, type HasRevocations } from '../revocations/revocation-set.ts';

/** The copy has to know the latest revocations, and what time it is. */
export type VerifiablePorts = HasRevocations & { readonly keyRing: Pick<KeyRing, 'isClockRight'> };

/** Throws `clock_wrong` (503) where nothing here can tell what has expired. */
export function assertClockRight({ keyRing }: Pick<VerifiablePorts, 'keyRing'>): void {
  if (!keyRing.isClockRight()) throw clockWrong({ retryAfterSeconds: 5 });
}

/** Throws `revocation_state_stale`, `state_rewound` or `clock_wrong` (503) unless a credential can be judged now. */
export function assertVerifiable(ports: VerifiablePorts): void {
  assertFresh(ports.revocations);
  assertClockRight(ports);
}
