import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import type { Message, Receiver } from './send-batch.ts';

export type { Circuit, Message } from './send-batch.ts';

/** One attempt at a row. A worker that was delayed past its lease changes nothing while a later attempt has the row. */
type Attempt = Pick<Message, 'id' | 'attempts'>;

/** A row that is attempted no more until it is requeued. */
export type GivenUp = Attempt & {
  /** Code of the last failure. */
  readonly failure: string;
  readonly failed_at: Date;
};

/** With the time since which it was attempted, and what it is about. */
type FoundGivenUp = GivenUp & { readonly created_at: Date; readonly payload: object };

type AttemptEnds = {
  /** False if a later attempt has taken the row. */
  remove(sql: Sql, attempt: Attempt): Promise<boolean>;
  /** False if a later attempt has taken the row. @param seconds null to give it up */
  postpone(sql: Sql, attempt: Attempt, failure: string, seconds: number | null): Promise<boolean>;
  /** The attempt was not made, and the row is due again. */
  giveBack(sql: Sql, attempt: Attempt): Promise<unknown>;
};

type Retries<More> = AttemptEnds & {
  /** Newest first. @param until those given up then or before, as RFC 3339 in UTC */
  readGivenUp(sql: Sql, limit: number, until?: string): Promise<(GivenUp & More)[]>;
  /** Undefined if the row is gone or not given up. */
  findGivenUp(sql: Sql, id: string): Promise<FoundGivenUp | undefined>;
  countGivenUp(sql: Sql): Promise<number>;
  /** Gives a row that was given up all its attempts again. Undefined if the row is gone or not given up. */
  requeue(sql: Sql, id: string): Promise<(Pick<GivenUp, 'id'> & More) | undefined>;
  /** Removes a row that was given up. False if the row is gone or not given up. */
  discard(sql: Sql, id: string): Promise<boolean>;
};

/** Rows of one table that were given up, for operators. */
export type GivenUpRows = Omit<Retries<object>, keyof AttemptEnds>;

/**
 * The statements that end an attempt at a row. The table has the columns `id` (its primary key), `attempts`, `failure` and
 * `next_attempt_at`, which is null for a row given up. Every text is constant SQL, never a value.
 * @param one what the names of the statements begin with
 * @param sets further columns that a failed attempt sets, each after a comma
 */
export function defineAttemptEnds(table: string, one: string, sets = ''): AttemptEnds {
  const remove = defineStatement(`${one}Delete`, `DELETE FROM ${table} WHERE id = $1 AND attempts = $2 RETURNING 1`);
  /** Gives the row up if the seconds are null. */
  const postpone = defineStatement(`${one}Postpone`)`
    UPDATE ${table} SET failure = $3${sets},
      next_attempt_at = clock_timestamp() + make_interval(secs => $4)
    WHERE id = $1 AND attempts = $2 RETURNING 1`;
  /** Due at once: the column rounds to milliseconds, and a time rounded up is not due yet. */
  const giveBack = defineStatement(`${one}GiveBack`)`
    UPDATE ${table} SET attempts = attempts - 1, next_attempt_at = date_trunc('milliseconds', clock_timestamp())
    WHERE id = $1 AND attempts = $2`;
  return {
    giveBack: (sql, { id, attempts }) => sql.query(giveBack, [id, attempts]),
    remove: async (sql, { id, attempts }) => (await sql.query(remove, [id, attempts])).length > 0,
    postpone: async (sql, { id, attempts }, failure, seconds) =>
      (await sql.query(postpone, [id, attempts, failure, seconds])).length > 0,
  };
}

/**
 * The statements that end an attempt at a row, and those for rows given up. The table also has the columns `failed_at`
 * and `created_at`, and an index of `failed_at` with only rows given up.
 * @param names what the names of the statements begin with, for one row and for many
 * @param more further columns of rows given up, each after a comma
 */
export function defineRetries<More extends object = object>(
  table: string,
  names: { readonly one: string; readonly many: string },
  more = '',
): Retries<More> {
  const read = defineStatement(`${names.many}GivenUp`)`
    SELECT id, attempts, failure, failed_at${more} FROM ${table}
    WHERE next_attempt_at IS NULL AND ($2::timestamptz IS NULL OR date_trunc('milliseconds', failed_at) <= $2) ORDER BY failed_at DESC, id LIMIT $1`;
  const find = defineStatement(`${names.one}FindGivenUp`)`
    SELECT id, attempts, failure, failed_at, created_at,
      (SELECT to_jsonb(about) - 'id' FROM (SELECT id${more}) about) AS payload FROM ${table}
    WHERE id = $1 AND next_attempt_at IS NULL`;
  const discard = defineStatement(`${names.one}Discard`)`
    DELETE FROM ${table} WHERE id = $1 AND next_attempt_at IS NULL RETURNING 1`;
  const count = defineStatement(`${names.many}GivenUpCount`)`
    SELECT count(*)::int AS count FROM ${table} WHERE next_attempt_at IS NULL`;
  const requeue = defineStatement(`${names.one}Requeue`)`
    UPDATE ${table} SET attempts = 0, created_at = clock_timestamp(), next_attempt_at = clock_timestamp()
    WHERE id = $1 AND next_attempt_at IS NULL RETURNING id${more}`;
  return {
    ...defineAttemptEnds(table, names.one, ', failed_at = clock_timestamp()'),
    readGivenUp: (sql, limit, until) => sql.query<GivenUp & More>(read, [limit, until ?? null]),
    findGivenUp: async (sql, id) => (await sql.query<FoundGivenUp>(find, [id]))[0],
    discard: async (sql, id) => (await sql.query(discard, [id])).length > 0,
    countGivenUp: async (sql) => (await sql.query<{ count: number }>(count))[0]!.count,
    requeue: async (sql, id) => (await sql.query<Pick<GivenUp, 'id'> & More>(requeue, [id]))[0],
  };
}

/**
 * The circuit of each receiver in a table with the columns `failures` and `open_until`. Every text is constant SQL.
 * @param one what the names of the statements begin with
 * @param queue where its messages wait, with the column `of` that names the receiver; an index finds those that wait
 */
export function defineCircuit(
  one: string,
  { table, key, queue, of }: Readonly<Record<'table' | 'key' | 'queue' | 'of', string>>,
): (id: string) => Pick<Receiver, 'fail' | 'recover' | 'hasten'> {
  /** Without a pause it is open for no time: the column rounds to milliseconds, and a time rounded up is not over yet. */
  const fail = defineStatement(`${one}Fail`)`
    UPDATE ${table} SET failures = failures + 1,
      open_until = date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => $2)
    WHERE ${key} = $1`;
  const recover = defineStatement(`${one}Recover`)`
    UPDATE ${table} SET failures = 0, open_until = NULL WHERE ${key} = $1 AND failures > 0 RETURNING 1`;
  /** Leased rows stay leased. */
  const hasten = defineStatement(`${one}Hasten`)`
    UPDATE ${queue} SET next_attempt_at = date_trunc('milliseconds', clock_timestamp())
    WHERE ${of} = $1 AND next_attempt_at > clock_timestamp() AND failure IS NOT NULL`;
  return (id) => ({
    fail: async (sql, pauseSeconds) => void (await sql.query(fail, [id, pauseSeconds])),
    recover: async (sql) => (await sql.query(recover, [id])).length > 0,
    hasten: async (sql) => void (await sql.query(hasten, [id])),
  });
}
