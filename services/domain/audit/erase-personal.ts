import type { Caller, Ports } from '../ports.ts';
import { auditPersonalErased } from './audit-events.ts';
import { eraseSubject } from './erase.store.ts';
import { countErasure, lockLog } from './log.store.ts';
import { recordEvent } from './record-event.ts';
import { ERASED_MEMBERS } from './seal/sealable-event.ts';

export type ErasedPersonal = { readonly values: number; readonly unsealed: number };

/**
 * Erases the personal values of a user's events, sealed or not, and records the erasure. Leaves contain only
 * commitments, so every proof stays valid; without its salt a commitment reveals nothing. A batch that a sealer read
 * before the erasure is discarded. The ids of the patients stay.
 * @param input `subject` is the user's id
 */
export function erasePersonal(
  ports: Pick<Ports, 'transact'>,
  input: { readonly subject: string },
  caller: Caller,
): Promise<ErasedPersonal> {
  return ports.transact(async (tx) => {
    await lockLog(tx);
    await countErasure(tx);
    const erased = await eraseSubject(tx, input.subject, ERASED_MEMBERS);
    await recordEvent(tx, caller, auditPersonalErased, {
      outcome: 'ok',
      target: { kind: 'user', id: input.subject },
      detail: erased,
    });
    return erased;
  });
}
