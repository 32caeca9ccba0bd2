import { recordEvent } from '#services/core/audit/record-event.ts';
import { actorNameOf } from '#services/core/authority/names.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { type AttestationRow, insertAttestation } from './attestations.store.ts';
import { controlAttested } from './audit-events.ts';
import type { AttestationView } from './contract.ts';
import type { AttestationControl } from './control.ts';
import { controls } from './controls/all.ts';
import { controlUnknown } from './errors.ts';

export const attestationViewOf = ({ is_expired: _, ...view }: AttestationRow): AttestationView => view;

/** Records that a person confirms a control, until it expires. Throws `control_unknown` (404). */
export async function attestControl(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  { control_id: controlId, reason }: { readonly control_id: string; readonly reason: string },
  caller: Caller,
): Promise<AttestationView> {
  const control = controls.find(
    (each): each is AttestationControl => each.kind === 'attestation' && each.name === controlId,
  );
  if (control === undefined) throw controlUnknown();
  return transact(async (tx) => {
    const row = await insertAttestation(tx, {
      id: random.uuid(),
      control: control.name,
      attester: actorNameOf(caller),
      statement: control.statement,
      note: reason,
      validDays: control.validDays,
    });
    await recordEvent(tx, caller, controlAttested, {
      target: { kind: 'control', id: control.name },
      detail: { attestation_id: row.attestation_id, clause: control.clause, expires_at: row.expires_at, reason },
    });
    return attestationViewOf(row);
  });
}
