import { clockWrong } from '#services/core/keys/errors.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { assertFresh, type HasRevocations } from '#services/core/revocations/revocation-set.ts';

/** To verify a credential, a copy must know the latest revocations and the right time. */
export type VerifiablePorts = HasRevocations & { readonly keyRing: Pick<KeyRing, 'isClockRight'> };

/** Throws `clock_wrong` (503) when this copy's clock is wrong, so it cannot know what has expired. */
export function assertClockRight({ keyRing }: Pick<VerifiablePorts, 'keyRing'>): void {
  if (!keyRing.isClockRight()) throw clockWrong({ retryAfterSeconds: 5 });
}

/** Throws `revocation_state_stale`, `state_rewound` or `clock_wrong` (503) unless this copy can verify a credential now. */
export function assertVerifiable(ports: VerifiablePorts): void {
  assertFresh(ports.revocations);
  assertClockRight(ports);
}
