import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { ssfManage } from './permissions.ts';
import type { StreamState } from './signal-shapes.ts';

export type StreamRow = {
  readonly id: string;
  /** Who created it, as `client:` and the id. */
  readonly owner: string;
  readonly audience: string;
  readonly method: string;
  /** Of push. */
  readonly endpoint_url: string | null;
  readonly sealed_authorization: string | null;
  readonly events: readonly string[];
  readonly description: string | null;
  readonly status: StreamState;
  readonly status_reason: string | null;
};

const COLUMNS = `id, owner, audience, method, endpoint_url, sealed_authorization,
  events, description, status, status_reason`;

/** Index: signal_streams_owner. */
const streamsOfOwner = defineStatement('signalStreamsOfOwner')`
  SELECT ${COLUMNS} FROM signal_streams WHERE owner = $1 AND ($2::uuid IS NULL OR id = $2) ORDER BY signal_streams.created_at, id`;
/**
 * Whether the owner may receive events now: no request of it is there to be refused. A killed agent's client is disabled,
 * and an agent has at most the permissions of its owner. By the primary keys.
 */
const OWNER_MAY_RECEIVE = `CASE split_part(owner, ':', 1)
  WHEN 'client' THEN EXISTS (
    SELECT FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"
    WHERE "clientId" = substr(owner, 8) AND NOT coalesce(disabled, false) AND $1 = ANY (credential_scopes)
      AND (agents.expires_at IS NULL OR agents.expires_at > clock_timestamp()))
  WHEN 'user' THEN EXISTS (
    SELECT FROM users WHERE users.id = substr(owner, 6) AND "disabledAt" IS NULL AND $1 = ANY (user_permissions(users.id)))
  ELSE false END`;
const PUSHED = `status = 'enabled' AND endpoint_url IS NOT NULL`;
/** Whether a stream is pushed to at all: the names of their queues are not known to PostgreSQL. */
export const signalsAreDue = defineQuestion(`EXISTS (SELECT FROM signal_streams WHERE ${PUSHED})`);
/** Streams are few. */
const streamsPushed = defineStatement('signalStreamsPushed')`
  SELECT ${COLUMNS} FROM signal_streams
  WHERE ${PUSHED} AND ${OWNER_MAY_RECEIVE} ORDER BY signal_streams.created_at, id`;
/** Streams are few. Exclusions by the primary key. */
const streamsList = defineStatement('signalStreamsList')`
  SELECT ${COLUMNS}, ${placeTime('created_at')} AS created_at,
    (SELECT count(*)::int FROM signal_exclusions WHERE stream_id = s.id) AS excluded
  FROM signal_streams s WHERE $1::uuid IS NULL OR id = $1 ORDER BY s.created_at, id`;
const streamLockAny = defineStatement('signalStreamLockAny')`
  SELECT ${COLUMNS} FROM signal_streams WHERE id = $1 FOR UPDATE`;
const streamLock = defineStatement('signalStreamLock')`
  SELECT ${COLUMNS} FROM signal_streams WHERE owner = $1 AND id = $2 FOR UPDATE`;
const streamInsert = defineStatement('signalStreamInsert')`
  INSERT INTO signal_streams (id, owner, audience, method, endpoint_url, sealed_authorization, events, description)
  SELECT $1, $2, $3, $4, $5, $6, $7, $8
  WHERE (SELECT count(*) FROM signal_streams WHERE owner = $2) < $9 AND (SELECT count(*) FROM signal_streams) < $10
  RETURNING 1`;
const streamUpdate = defineStatement('signalStreamUpdate')`
  UPDATE signal_streams SET method = $2, endpoint_url = $3, sealed_authorization = $4, events = $5, description = $6
  WHERE id = $1`;
const streamStatusUpdate = defineStatement('signalStreamStatusUpdate')`
  UPDATE signal_streams SET status = $2, status_reason = $3 WHERE id = $1`;
/** Nothing if that was done within these seconds. The caller has locked the row. */
const streamVerify = defineStatement('signalStreamVerify')`
  UPDATE signal_streams SET verified_at = clock_timestamp()
  WHERE id = $1 AND (verified_at IS NULL OR verified_at <= clock_timestamp() - make_interval(secs => $2)) RETURNING 1`;
const streamDelete = defineStatement('signalStreamDelete', 'DELETE FROM signal_streams WHERE id = $1');
const exclusionInsert = defineStatement('signalExclusionInsert')`
  INSERT INTO signal_exclusions (stream_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
const exclusionDelete = defineStatement('signalExclusionDelete')`
  DELETE FROM signal_exclusions WHERE stream_id = $1 AND user_id = $2`;
/** By the primary key. */
const exclusionRead = defineStatement('signalExclusionRead')`
  SELECT 1 FROM signal_exclusions WHERE stream_id = $1 AND user_id = $2`;

export const readStreamsOf = (sql: Sql, owner: string, id?: string): Promise<StreamRow[]> =>
  sql.query<StreamRow>(streamsOfOwner, [owner, id ?? null]);
type ListedStream = StreamRow & { readonly created_at: string; readonly excluded: number };
/** Of every owner. */
export const listStreamRows = (sql: Sql, id?: string): Promise<ListedStream[]> =>
  sql.query<ListedStream>(streamsList, [id ?? null]);
/** Of any owner. */
export const lockAnyStream = async (tx: Sql, id: string): Promise<StreamRow | undefined> =>
  (await tx.query<StreamRow>(streamLockAny, [id]))[0];
export const readPushedStreams = (sql: Sql): Promise<StreamRow[]> =>
  sql.query<StreamRow>(streamsPushed, [ssfManage.name]);
export const lockStream = async (tx: Sql, owner: string, id: string): Promise<StreamRow | undefined> =>
  (await tx.query<StreamRow>(streamLock, [owner, id]))[0];

/** False if the last verification was requested less than so many seconds ago. */
export const markVerified = async (tx: Sql, id: string, seconds: number): Promise<boolean> =>
  (await tx.query(streamVerify, [id, seconds])).length > 0;

export type StreamSettings = Pick<
  StreamRow,
  'method' | 'endpoint_url' | 'sealed_authorization' | 'events' | 'description'
>;
const settingsOf = (row: StreamSettings) =>
  [row.method, row.endpoint_url, row.sealed_authorization, row.events, row.description] as const;

/** False if the owner or the installation has too many. */
export const insertStream = async (
  tx: Sql,
  row: StreamSettings & Pick<StreamRow, 'id' | 'owner' | 'audience'>,
  most: { readonly ofOwner: number; readonly ofAll: number },
): Promise<boolean> =>
  (await tx.query(streamInsert, [row.id, row.owner, row.audience, ...settingsOf(row), most.ofOwner, most.ofAll]))
    .length > 0;
export const updateStreamRow = async (tx: Sql, id: string, row: StreamSettings): Promise<void> =>
  void (await tx.query(streamUpdate, [id, ...settingsOf(row)]));
export const updateStatusRow = async (
  tx: Sql,
  id: string,
  status: StreamRow['status'],
  reason: string | null,
): Promise<void> => void (await tx.query(streamStatusUpdate, [id, status, reason]));
export const deleteStreamRow = async (tx: Sql, id: string): Promise<void> => void (await tx.query(streamDelete, [id]));

export const excludeUser = async (tx: Sql, streamId: string, userId: string): Promise<void> =>
  void (await tx.query(exclusionInsert, [streamId, userId]));
export const includeUser = async (tx: Sql, streamId: string, userId: string): Promise<void> =>
  void (await tx.query(exclusionDelete, [streamId, userId]));
export const isExcluded = async (sql: Sql, streamId: string, userId: string): Promise<boolean> =>
  (await sql.query(exclusionRead, [streamId, userId])).length > 0;
