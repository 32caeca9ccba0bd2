import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../../ports.ts';
import { placeTime } from '../../shared/pagination.ts';
import { definePurge } from '../../shared/purge.store.ts';
import type { ClientRefusals } from './contract.ts';

/** An accepted secret that will be refused. Its cause names that time, so that a later rotation is another one. */
export const previousSecret = (untilMs: number) => ({
  code: 'previous_secret',
  cause: `The client sends its secret from before the last rotation, which is accepted until ${new Date(Math.round(untilMs)).toUTCString()}.`,
  title: 'Previous client secret',
  fix: 'Give the client its new secret. If it is lost, rotate again: sallyport clients rotate-secret <client_id>.',
});

const REFUSAL_DAYS = 7;
const ROWS_OF_CLIENT_MAX = 100;
const LISTED_MAX = 200;

type Cause = 'code' | 'cause' | 'title' | 'fix' | 'request';
export type RefusalCount = Readonly<Pick<ClientRefusals['refusals'][number], Cause>> & {
  readonly client_id: string;
  readonly dayMs: number;
  readonly refused: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
};

/** In the order of the index client_refusals_client, as every copy writes. A client that has rows enough for the day gets no new one. */
const clientRefusalsAdd = defineStatement('clientRefusalsAdd')`
  INSERT INTO client_refusals AS known (day, client_id, code, cause, refused, first_seen_at, last_seen_at, answer, request)
  SELECT to_timestamp(day / 1000), client_id, code, cause, refused, to_timestamp(first_seen_at / 1000),
    to_timestamp(last_seen_at / 1000), answer, request
  FROM unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::float8[], $7::float8[], $8::jsonb[], $9::jsonb[])
    AS given (day, client_id, code, cause, refused, first_seen_at, last_seen_at, answer, request)
  WHERE EXISTS (SELECT FROM client_refusals c WHERE c.client_id = given.client_id
      AND c.day = to_timestamp(given.day / 1000) AND c.code = given.code AND c.cause = given.cause)
    OR (SELECT count(*) FROM client_refusals c WHERE c.client_id = given.client_id
      AND c.day = to_timestamp(given.day / 1000)) < ${ROWS_OF_CLIENT_MAX}
  ORDER BY client_id, day, code, cause
  ON CONFLICT (client_id, day, code, cause) DO UPDATE SET refused = known.refused + excluded.refused,
    first_seen_at = least(known.first_seen_at, excluded.first_seen_at), last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
    answer = excluded.answer, request = excluded.request`;

/** What will be refused is listed whole; of the refusals the most frequent. */
const select = (where: string): string =>
  `SELECT nullif(client_id, '') AS client_id, name AS client_name, code, cause, answer ->> 'title' AS title,
     answer ->> 'fix' AS fix, refused AS requests, request,
     ${placeTime('first_seen_at')} AS first_seen_at, ${placeTime('last_seen_at')} AS last_seen_at,
     CASE WHEN code = 'previous_secret' THEN ${placeTime('previous_secret_until')} END AS refused_from
   FROM (SELECT client_id, code, cause, sum(refused)::bigint AS refused, min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at,
       (array_agg(answer ORDER BY client_refusals.last_seen_at DESC))[1] AS answer, (array_agg(request ORDER BY client_refusals.last_seen_at DESC))[1] AS request,
       row_number() OVER (ORDER BY code = 'previous_secret', sum(refused) DESC, client_id, code, cause) AS place
     FROM client_refusals WHERE ${where} AND day > now() - interval '${REFUSAL_DAYS} days' GROUP BY client_id, code, cause) counted
   LEFT JOIN oauth_clients ON "clientId" = client_id
   WHERE CASE code WHEN 'previous_secret' THEN previous_secret_until > now() AND position(to_char(previous_secret_until AT TIME ZONE 'UTC', 'DD Mon YYYY HH24:MI:SS') IN cause) > 0
     ELSE place <= ${LISTED_MAX} END
   ORDER BY refused DESC, client_id, code, cause`;
/** Index: client_refusals_client. */
const clientRefusalsRead = defineStatement('clientRefusalsRead', select('client_id = $1'));
/** Index: client_refusals_day. All rows that are kept: each client has a bounded number. */
const clientRefusalsList = defineStatement('clientRefusalsList', select('true'));

/** A day is read for a week, and goes after it. */
export const clientRefusalPurge = definePurge({
  table: 'client_refusals',
  ends: 'day',
  stays: `interval '${REFUSAL_DAYS} days'`,
});

export const addRefusals = (sql: Sql, rows: readonly RefusalCount[]): Promise<unknown> =>
  sql.query(clientRefusalsAdd, [
    rows.map(({ dayMs }) => dayMs),
    rows.map((row) => row.client_id),
    rows.map(({ code }) => code),
    rows.map(({ cause }) => cause),
    rows.map(({ refused }) => refused),
    rows.map(({ firstAtMs }) => firstAtMs),
    rows.map(({ lastAtMs }) => lastAtMs),
    rows.map(({ title, fix }) => JSON.stringify({ title, fix })),
    rows.map(({ request }) => (request === null ? null : JSON.stringify(request))),
  ]);

/** The most frequent first. @param clientId undefined: of all clients, and of requests that name none */
export const readRefusals = (sql: Sql, clientId?: string): Promise<ClientRefusals['refusals']> =>
  clientId === undefined ? sql.query(clientRefusalsList) : sql.query(clientRefusalsRead, [clientId]);
