import { clockWrong } from '../../keys/errors.ts';
import type { KeyRing } from '../../keys/key-ring.ts';
import { assertFresh, type HasRevocations } from '../revocations/revocation-set.ts';

/** The copy has to know the latest revocations, and what time it is. */
export type JudgingPorts = HasRevocations & { readonly keyRing: Pick<KeyRing, 'isClockRight'> };

/** Throws `revocation_state_stale`, `state_rewound` or `clock_wrong` (503) unless a credential can be judged now. */
export function assertJudging({ revocations, keyRing }: JudgingPorts): void {
  assertFresh(revocations);
  if (!keyRing.isClockRight()) throw clockWrong({ retryAfterSeconds: 5 });
}
