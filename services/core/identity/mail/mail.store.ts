import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineAttemptEnds, type Message } from '#services/core/shared/retries.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type MailRow = Message & { readonly template: string; readonly sealed: string; readonly asked_at: Date };

const mailInsert = defineStatement('mailInsert')`
  INSERT INTO mail_outbox (id, template, sealed, traceparent) VALUES ($1, $2, $3, nullif($4, ''))`;

const DUE = 'next_attempt_at <= clock_timestamp()';
/** Index: mail_outbox_due. */
export const mailsAreDue = defineQuestion(`EXISTS (SELECT FROM mail_outbox WHERE ${DUE})`);

/** Leases due mails for longer than any attempt takes. Index: mail_outbox_due. */
const mailsTake = defineStatement('mailsTake')`
  WITH due AS MATERIALIZED (
    SELECT id FROM mail_outbox WHERE ${DUE} ORDER BY next_attempt_at LIMIT $1
  ), locked AS MATERIALIZED (
    SELECT id FROM mail_outbox WHERE id IN (SELECT id FROM due) AND ${DUE}
    ORDER BY id FOR UPDATE SKIP LOCKED
  )
  UPDATE mail_outbox m SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $2)
  FROM locked WHERE m.id = locked.id
  RETURNING m.id, m.template, m.sealed, m.created_at AS asked_at, m.attempts,
    extract(epoch FROM clock_timestamp() - m.created_at)::float8 AS age_seconds`;

/**
 * Locks a mail only for its latest attempt, so a worker that was delayed past its lease changes nothing.
 */
const mailLock = defineStatement('mailLock')`
  SELECT 1 FROM mail_outbox WHERE id = $1 AND attempts = $2 AND next_attempt_at IS NOT NULL FOR UPDATE`;
const mailBacklogRead = defineStatement('mailBacklogRead')`
  SELECT count(*) FILTER (WHERE next_attempt_at IS NOT NULL)::int AS waiting,
    count(*) FILTER (WHERE next_attempt_at IS NULL)::int AS given_up,
    coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE next_attempt_at IS NOT NULL)), 0)::float8
      AS oldest_seconds
  FROM mail_outbox`;

const mailStateRead = defineStatement('mailStateRead')`
  SELECT failure, next_attempt_at IS NULL AS is_given_up FROM mail_outbox WHERE id = $1`;

/** Mails given up are kept for this time; mails that are still retried are younger. Index: mail_outbox_created_at. */
export const mailPurge = definePurge({
  kind: 'mails',
  table: 'mail_outbox',
  ends: 'created_at',
  stays: `interval '7 days'`,
});

export const insertMail = (
  tx: Sql,
  mail: { readonly id: string; readonly template: string; readonly sealed: string; readonly traceparent: string },
): Promise<unknown> => tx.query(mailInsert, [mail.id, mail.template, mail.sealed, mail.traceparent]);

export const takeMails = (tx: Sql, limit: number, leaseSeconds: number): Promise<MailRow[]> =>
  tx.query<MailRow>(mailsTake, [limit, leaseSeconds]);

/** Locks the mail for the transaction; returns false if a later attempt has taken it or it was deleted. */
export const lockMail = async (tx: Sql, { id, attempts }: Pick<MailRow, 'id' | 'attempts'>): Promise<boolean> =>
  (await tx.query(mailLock, [id, attempts])).length > 0;

export const mailEnds = defineAttemptEnds('mail_outbox', 'mail');

export type MailBacklog = {
  readonly waiting: number;
  readonly given_up: number;
  /** Age of the oldest waiting mail; 0 if none waits. */
  readonly oldest_seconds: number;
};

export type MailState = { readonly failure: string | null; readonly is_given_up: boolean };

/** Undefined once it was sent. */
export const readMailStateRow = async (sql: Sql, id: string): Promise<MailState | undefined> =>
  (await sql.query<MailState>(mailStateRead, [id]))[0];

export async function readMailBacklogRow(sql: Sql): Promise<MailBacklog> {
  const [row] = await sql.query<MailBacklog>(mailBacklogRead);
  return row ?? { waiting: 0, given_up: 0, oldest_seconds: 0 };
}
