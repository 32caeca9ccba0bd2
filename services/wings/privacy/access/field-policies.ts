import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { fieldPolicyChanged } from '../audit-events.ts';
import type { PhiPurpose } from '../phi-shapes.ts';
import { deleteFieldPolicyRow, listFieldPolicyRows, writeFieldPolicy } from './access.store.ts';
import type { FieldPolicyView } from './access-contract.ts';
import { fieldPolicyUnknown } from './access-errors.ts';

type Place = { readonly role: string; readonly purpose: PhiPurpose; readonly reason: string };

/** Every policy: a few for each role. */
export const listFieldPolicies = async ({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ readonly policies: FieldPolicyView[] }> => ({
  policies: await listFieldPolicyRows(sql),
});

/** Sets the fields that holders of a role may see for a purpose. Throws `field_policy_unknown` (404) for an unknown role. */
export function setFieldPolicy(
  { transact }: Pick<Ports, 'transact'>,
  { role, purpose, fields, reason }: Place & { readonly fields: readonly string[] },
  caller: Caller,
): Promise<FieldPolicyView> {
  const unique = [...new Set(fields)].sort();
  return transact(async (tx) => {
    const changedAt = await writeFieldPolicy(tx, { role, purpose, fields: unique });
    if (changedAt === undefined) throw fieldPolicyUnknown();
    await recordEvent(tx, caller, fieldPolicyChanged, {
      outcome: 'set',
      target: { kind: 'role', id: role },
      detail: { purpose, fields: unique, reason },
    });
    return { role, purpose, fields: unique, changed_at: changedAt };
  });
}

/** Holders of the role see nothing for the purpose from now on. Throws `field_policy_unknown` (404). */
export const deleteFieldPolicy = (
  { transact }: Pick<Ports, 'transact'>,
  { role, purpose, reason }: Place,
  caller: Caller,
): Promise<void> =>
  transact(async (tx) => {
    if (!(await deleteFieldPolicyRow(tx, role, purpose))) throw fieldPolicyUnknown();
    await recordEvent(tx, caller, fieldPolicyChanged, {
      outcome: 'deleted',
      target: { kind: 'role', id: role },
      detail: { purpose, reason },
    });
  });
