import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { OpenRequestCount } from '../open-requests.ts';

const pushedInsert = defineStatement(
  'oauthPushedRequestInsert',
  `INSERT INTO oauth_pushed_requests (uri_hash, client_id, query, share, expires_at)
   VALUES ($1::bytea, $2, $3, $4, clock_timestamp() + make_interval(secs => $5::float8))`,
);

/** Index: oauth_pushed_requests_share; stops counting at the limit. */
const pushedShareCount = defineStatement(
  'oauthPushedRequestsShareCount',
  `SELECT count(*)::int AS count FROM (
     SELECT FROM oauth_pushed_requests WHERE client_id = $1 AND share = $2 AND expires_at > clock_timestamp() LIMIT $3) counted`,
);
/** The same for all shares of a client; uses the first column of the index. */
const pushedCount = defineStatement(
  'oauthPushedRequestsCount',
  `SELECT count(*)::int AS count FROM (
     SELECT FROM oauth_pushed_requests WHERE client_id = $1 AND expires_at > clock_timestamp() LIMIT $2) counted`,
);

/** Uses the primary key. */
const pushedRead = defineStatement(
  'oauthPushedRequestRead',
  `SELECT query FROM oauth_pushed_requests
   WHERE uri_hash = $1::bytea AND client_id = $2 AND expires_at > clock_timestamp()`,
);

/** Uses the primary key. Concurrent responses wait for the first to commit, and find no row. */
const pushedUse = defineStatement(
  'oauthPushedRequestUse',
  `DELETE FROM oauth_pushed_requests WHERE uri_hash = $1::bytea AND expires_at > clock_timestamp() RETURNING 1 AS used`,
);

/** Expired requests. Index: oauth_pushed_requests_expires_at. */
export const pushedRequestPurge = definePurge({
  table: 'oauth_pushed_requests',
  id: 'uri_hash',
  ends: 'expires_at',
  stays: `interval '1 minute'`,
});

type NewPushedRequest = {
  readonly uriHash: Buffer;
  readonly clientId: string;
  readonly query: string;
  /** Keyed hash of the sender's address; null for an authenticated client, whose requests have no share. */
  readonly share: string | null;
  readonly lifeSeconds: number;
};

export async function insertPushedRequest(tx: Sql, pushed: NewPushedRequest): Promise<void> {
  await tx.query(pushedInsert, [pushed.uriHash, pushed.clientId, pushed.query, pushed.share, pushed.lifeSeconds]);
}

export const pushedRequestCount = (sql: Sql, clientId: string): OpenRequestCount => ({
  ofShare: async (share, limit) =>
    (await sql.query<{ count: number }>(pushedShareCount, [clientId, share, limit]))[0]!.count,
  ofClient: async (limit) => (await sql.query<{ count: number }>(pushedCount, [clientId, limit]))[0]!.count,
});

/** The query that this client pushed; undefined if there is none, or if it is used or expired. */
export async function readPushedRequest(sql: Sql, uriHash: Buffer, clientId: string): Promise<string | undefined> {
  return (await sql.query<{ query: string }>(pushedRead, [uriHash, clientId]))[0]?.query;
}

/** False if it was already used or has expired. */
export const deletePushedRequest = async (tx: Sql, uriHash: Buffer): Promise<boolean> =>
  (await tx.query(pushedUse, [uriHash])).length === 1;
