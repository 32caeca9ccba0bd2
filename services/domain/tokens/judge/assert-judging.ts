import { clockWrong } from '../../keys/errors.ts';
import type { KeyRing } from '../../keys/key-ring.ts';
import { assertFresh, type HasRevocations } from '../revocations/revocation-set.ts';

/** The copy has to know the latest revocations, and what time it is. */
export type JudgingPorts = HasRevocations & { readonly keyRing: Pick<KeyRing, 'isClockRight'> };

/** Throws `clock_wrong` (503) where nothing here can tell what has expired. */
export function assertClockRight({ keyRing }: Pick<JudgingPorts, 'keyRing'>): void {
  if (!keyRing.isClockRight()) throw clockWrong({ retryAfterSeconds: 5 });
}

/** Throws `revocation_state_stale`, `state_rewound` or `clock_wrong` (503) unless a credential can be judged now. */
export function assertJudging(ports: JudgingPorts): void {
  assertFresh(ports.revocations);
  assertClockRight(ports);
}
