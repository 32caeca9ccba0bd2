import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { bigintArray, instantArray, textArray } from '../shared/binary-arrays.ts';
import { OUTBOX_COLUMNS, type OutboxRow } from './seal/seal.store.ts';

/** Uses the index audit_personal_subject. */
const auditPersonalErase = defineStatement('auditPersonalErase')`
  DELETE FROM audit_personal WHERE subject = $1 RETURNING 1`;

/** Scans the unsealed rows, usually the events of a few seconds, for those that name the user. */
const auditOutboxNaming = defineStatement('auditOutboxNaming')`
  SELECT ${OUTBOX_COLUMNS} FROM audit_outbox o
  WHERE seq IS NULL AND (actor_kind = 'user' AND actor_id = $1 OR target_kind = 'user' AND target_id = $1
    OR position(to_json($1::text)::text IN detail::text) > 0)`;

const auditOutboxErase = defineStatement('auditOutboxErase')`
  UPDATE audit_outbox o SET detail = v.detail::jsonb, actor_id = v.actor_id, client_id = v.client_id,
    target_kind = v.target_kind, target_id = v.target_id, ip_hash = v.ip_hash, agent_hash = v.agent_hash
  FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    AS v(id, occurred_at, detail, actor_id, client_id, target_kind, target_id, ip_hash, agent_hash)
  WHERE o.id = v.id AND o.occurred_at = v.occurred_at AND o.seq IS NULL`;

/** Scans every partition: sealed rows stay until their day is dropped, and their actor is not in every leaf. */
const auditOutboxForgetActor = defineStatement('auditOutboxForgetActor')`
  UPDATE audit_outbox SET actor_id = NULL WHERE seq IS NOT NULL AND actor_kind = 'user' AND actor_id = $1`;

export const eraseSealed = async (tx: Sql, subject: string): Promise<number> =>
  (await tx.query(auditPersonalErase, [subject])).length;

export const readUnsealedNaming = (tx: Sql, subject: string): Promise<OutboxRow[]> =>
  tx.query(auditOutboxNaming, [subject]);

export async function rewriteUnsealed(tx: Sql, rows: readonly OutboxRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(auditOutboxErase, [
    bigintArray(rows, ({ id }) => id),
    instantArray(rows, (row) => row.occurred_at_micros),
    textArray(rows, ({ detail }) => JSON.stringify(detail)),
    textArray(rows, (row) => row.actor_id),
    textArray(rows, (row) => row.client_id),
    textArray(rows, (row) => row.target_kind),
    textArray(rows, (row) => row.target_id),
    textArray(rows, (row) => row.ip_hash),
    textArray(rows, (row) => row.agent_hash),
  ]);
}

export const forgetSealedActor = async (tx: Sql, subject: string): Promise<void> =>
  void (await tx.query(auditOutboxForgetActor, [subject]));
