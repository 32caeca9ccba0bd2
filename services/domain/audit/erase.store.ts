import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';

/** Uses the index audit_personal_subject. */
const auditPersonalErase = defineStatement(
  'auditPersonalErase',
  'DELETE FROM audit_personal WHERE subject = $1 RETURNING 1',
);

/** Scans the unsealed rows, usually the events of a few seconds. Sealed rows no longer contain personal values. */
const auditOutboxErase = defineStatement(
  'auditOutboxErase',
  `UPDATE audit_outbox SET ip_hash = NULL, agent_hash = NULL, detail = detail - $2::text[],
     target_kind = CASE WHEN outcome <> 'refused' OR target_kind = 'subject' THEN target_kind END,
     target_id = CASE WHEN outcome <> 'refused' OR target_kind = 'subject' THEN target_id END
   WHERE seq IS NULL AND (actor_kind = 'user' AND actor_id = $1 OR target_kind = 'user' AND target_id = $1 OR detail->>'user_id' = $1)
   RETURNING 1`,
);

/** Returns the number of erased values and of changed unsealed rows. */
export async function eraseSubject(
  tx: Sql,
  subject: string,
  personalMembers: readonly string[],
): Promise<{ values: number; unsealed: number }> {
  const values = await tx.query(auditPersonalErase, [subject]);
  const unsealed = await tx.query(auditOutboxErase, [subject, personalMembers]);
  return { values: values.length, unsealed: unsealed.length };
}
