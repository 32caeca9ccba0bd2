import type { Sql } from '#services/domain/ports.ts';
import { definePurge } from '#services/domain/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type MailRow = {
  readonly id: string;
  readonly template: string;
  readonly sealed: string;
  readonly askedAt: Date;
  /** This try counted. */
  readonly attempts: number;
  /** Seconds since it was asked for. */
  readonly ageSeconds: number;
};

const mailInsert = defineStatement(
  'mailInsert',
  `INSERT INTO mail_outbox (id, template, sealed, traceparent) VALUES ($1, $2, $3, nullif($4, ''))`,
);

/** Takes mails that are due, for as long as a try may take at most. Served by mail_outbox_due. */
const mailsTake = defineStatement(
  'mailsTake',
  `WITH due AS MATERIALIZED (
     SELECT id FROM mail_outbox WHERE next_attempt_at <= clock_timestamp() ORDER BY next_attempt_at LIMIT $1
   ), locked AS MATERIALIZED (
     SELECT id FROM mail_outbox WHERE id IN (SELECT id FROM due) AND next_attempt_at <= clock_timestamp()
     ORDER BY id FOR UPDATE SKIP LOCKED
   )
   UPDATE mail_outbox m SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $2)
   FROM locked WHERE m.id = locked.id
   RETURNING m.id, m.template, m.sealed, m.created_at AS "askedAt", m.attempts,
     extract(epoch FROM clock_timestamp() - m.created_at)::float8 AS "ageSeconds"`,
);

/** What a try says counts only until a later one takes the mail: a worker frozen past its lease changes nothing. */
const mailHold = defineStatement(
  'mailHold',
  `SELECT 1 FROM mail_outbox WHERE id = $1 AND attempts = $2 AND next_attempt_at IS NOT NULL FOR UPDATE`,
);
const mailDelete = defineStatement('mailDelete', `DELETE FROM mail_outbox WHERE id = $1 AND attempts = $2`);

/** Null seconds: it is given up. */
const mailPostpone = defineStatement(
  'mailPostpone',
  `UPDATE mail_outbox SET failure = $3, next_attempt_at = clock_timestamp() + make_interval(secs => $4)
   WHERE id = $1 AND attempts = $2`,
);

const mailBacklogRead = defineStatement(
  'mailBacklogRead',
  `SELECT count(*) FILTER (WHERE next_attempt_at IS NOT NULL)::int AS waiting,
     count(*) FILTER (WHERE next_attempt_at IS NULL)::int AS "givenUp",
     coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE next_attempt_at IS NOT NULL)), 0)::float8
       AS "oldestSeconds"
   FROM mail_outbox`,
);

/** Mails that were given up stay this long; one that is still tried is younger. Index: mail_outbox_created_at. */
export const mailPurge = definePurge({
  kind: 'mails',
  table: 'mail_outbox',
  id: 'id',
  ends: 'created_at',
  stays: `interval '7 days'`,
});

export const insertMail = (
  tx: Sql,
  mail: { readonly id: string; readonly template: string; readonly sealed: string; readonly traceparent: string },
): Promise<unknown> => tx.query(mailInsert, [mail.id, mail.template, mail.sealed, mail.traceparent]);

export const takeMails = (tx: Sql, limit: number, leaseSeconds: number): Promise<MailRow[]> =>
  tx.query<MailRow>(mailsTake, [limit, leaseSeconds]);

/** One try of a mail. */
type MailTry = Pick<MailRow, 'id' | 'attempts'>;

/** Keeps the mail for the transaction; false where a later try has it, or it is gone. */
export const holdMail = async (tx: Sql, { id, attempts }: MailTry): Promise<boolean> =>
  (await tx.query(mailHold, [id, attempts])).length > 0;

export const deleteMail = (sql: Sql, { id, attempts }: MailTry): Promise<unknown> =>
  sql.query(mailDelete, [id, attempts]);

export const postponeMail = (
  sql: Sql,
  { id, attempts }: MailTry,
  failure: string,
  seconds: number | null,
): Promise<unknown> => sql.query(mailPostpone, [id, attempts, failure, seconds]);

export type MailBacklog = {
  readonly waiting: number;
  readonly givenUp: number;
  /** Since the oldest of those that wait was asked for; 0 where none does. */
  readonly oldestSeconds: number;
};

export async function readMailBacklogRow(sql: Sql): Promise<MailBacklog> {
  const [row] = await sql.query<MailBacklog>(mailBacklogRead);
  return row ?? { waiting: 0, givenUp: 0, oldestSeconds: 0 };
}
