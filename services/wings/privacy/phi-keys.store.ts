import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion, type Question } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { PhiRotationView } from './contract.ts';
import type { PhiLevel } from './phi-shapes.ts';

/** A key-encryption key as stored: sealed under the installation's key-encryption key. */
export type PhiKeyRow = { readonly version: number; readonly sealed: string };

/** A data key with the key that wraps it; `wrapped` is '' once shredded. */
export type DataKeyRow = {
  readonly id: string;
  readonly version: number;
  readonly wrapped: string;
  readonly kek_version: number | null;
  readonly sealed_kek: string | null;
};

const DATA_KEY = `d.id, d.version, d.wrapped, d.kek_version, k.sealed AS sealed_kek
   FROM phi_data_keys d LEFT JOIN phi_keys k ON k.version = d.kek_version`;

/** By index phi_data_keys_live. */
const dataKeyReadLive = defineStatement('phiDataKeyReadLive')`
  SELECT ${DATA_KEY} WHERE d.subject_id = $1 AND d.level = $2 AND d.shredded_at IS NULL`;
/** By index phi_data_keys_version. */
const dataKeyRead = defineStatement('phiDataKeyRead')`
  SELECT ${DATA_KEY} WHERE d.subject_id = $1 AND d.level = $2 AND d.version = $3`;
const dataKeyNewest = defineStatement('phiDataKeyNewest')`
  SELECT coalesce(max(version), 0) AS version FROM phi_data_keys WHERE subject_id = $1 AND level = $2`;
/**
 * Locks the wrapping key: its destruction waits for this insert, or this insert finds it destroyed and adds nothing. A
 * concurrent insert for the same subject wins by phi_data_keys_live.
 */
const dataKeyInsert = defineStatement('phiDataKeyInsert')`
  INSERT INTO phi_data_keys (id, subject_id, level, version, kek_version, wrapped)
  SELECT $1, $2, $3, $4, k.version, $6
  FROM (SELECT version FROM phi_keys WHERE version = $5 AND sealed <> '' FOR KEY SHARE) k ON CONFLICT DO NOTHING`;
/** By index phi_data_keys_version. */
const subjectRead = defineStatement('phiSubjectRead')`
  SELECT 1 FROM phi_data_keys WHERE subject_id = $1 UNION ALL SELECT 1 FROM users WHERE id = $1 LIMIT 1`;
/** Waits for a concurrent shredding, and makes a later one wait for this transaction. */
const dataKeyLock = defineStatement('phiDataKeyLock')`
  SELECT 1 FROM phi_data_keys WHERE id = $1 AND shredded_at IS NULL FOR SHARE`;
/** Locks in id order, as the re-wrapping of a batch does. */
const dataKeysShred = defineStatement('phiDataKeysShred')`
  UPDATE phi_data_keys SET wrapped = '', kek_version = NULL, shredded_at = clock_timestamp() WHERE id IN (
    SELECT id FROM phi_data_keys WHERE subject_id = $1 AND shredded_at IS NULL ORDER BY id FOR UPDATE)
  RETURNING ${placeTime('shredded_at')} AS shredded_at`;
/** By index phi_data_keys_kek_version. */
const dataKeysReadOlder = defineStatement('phiDataKeysReadOlder')`
  SELECT d.id, d.subject_id, d.level, d.version, d.wrapped, d.kek_version
  FROM phi_data_keys d WHERE d.kek_version < $1 AND d.shredded_at IS NULL ORDER BY d.kek_version, d.id LIMIT $2`;
const dataKeysCountOlder = defineStatement('phiDataKeysCountOlder')`
  SELECT count(*)::float8 AS count FROM phi_data_keys WHERE kek_version < $1 AND shredded_at IS NULL`;
/**
 * Compare-and-swap: a key that was shredded since it was read stays shredded. Locks in id order, and counts in the same
 * statement, so that the progress of a killed run is exact.
 */
const dataKeysRewrap = defineStatement('phiDataKeysRewrap')`
  WITH renewed AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[]) AS v(id, before, wrapped)
  ), locked AS MATERIALIZED (
    SELECT d.id FROM phi_data_keys d WHERE d.id = ANY ($2::uuid[]) ORDER BY d.id FOR UPDATE
  ), swapped AS (
    UPDATE phi_data_keys d SET wrapped = v.wrapped, kek_version = $1 FROM locked JOIN renewed v USING (id)
    WHERE d.id = locked.id AND d.wrapped = v.before RETURNING 1
  )
  UPDATE phi_rotations SET rewrapped = rewrapped + (SELECT count(*) FROM swapped) WHERE id = $5
  RETURNING rewrapped::float8 AS rewrapped`;

const keysRead = defineStatement('phiKeysRead')`
  SELECT version, sealed FROM phi_keys WHERE sealed <> '' ORDER BY version`;
const IS_DUE = 'created_at < clock_timestamp() - make_interval(secs => $1::float8)';
const keyNewest = defineStatement('phiKeyNewest')`
  SELECT version, sealed, ${IS_DUE} AS is_due FROM phi_keys WHERE sealed <> '' ORDER BY version DESC LIMIT 1`;
/** A rotation runs or is due. Index: phi_rotations_one_running; keys are few. */
export const phiRotationIsDue = (afterSeconds: number): Question =>
  defineQuestion(
    `EXISTS (SELECT FROM phi_rotations WHERE state = 'running')
     OR coalesce((SELECT ${IS_DUE} FROM phi_keys WHERE sealed <> '' ORDER BY version DESC LIMIT 1), false)`,
    afterSeconds,
  );
const keyInsert = defineStatement('phiKeyInsert')`
  INSERT INTO phi_keys (version, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING version`;
const keysList = defineStatement('phiKeysList')`
  SELECT version, sealed = '' AS is_destroyed, ${placeTime('created_at')} AS created_at,
    ${placeTime('destroyed_at')} AS destroyed_at FROM phi_keys ORDER BY version DESC LIMIT 100`;
/** Conflicts with the lock of a data key's insert. */
const keysLockOlder = defineStatement('phiKeysLockOlder')`
  SELECT version FROM phi_keys WHERE version < $1 AND sealed <> '' ORDER BY version FOR UPDATE`;
/** Runs after the lock, in its own statement, so that it sees the data keys that the lock waited for. */
const keysDestroyOlder = defineStatement('phiKeysDestroyOlder')`
  UPDATE phi_keys k SET sealed = '', destroyed_at = clock_timestamp() WHERE k.version < $1 AND k.sealed <> ''
    AND NOT EXISTS (SELECT 1 FROM phi_data_keys d WHERE d.kek_version = k.version AND d.shredded_at IS NULL)
  RETURNING 1`;

const ROTATION = `id AS rotation_id, state, target_version AS key_version, data_keys::float8 AS data_keys, rewrapped::float8 AS rewrapped,
  ${placeTime('started_at')} AS started_at, ${placeTime('finished_at')} AS finished_at`;
const rotationInsert = defineStatement('phiRotationInsert')`
  INSERT INTO phi_rotations (id, target_version) VALUES ($1, $2) RETURNING ${ROTATION}`;
const rotationRead = defineStatement('phiRotationRead', `SELECT ${ROTATION} FROM phi_rotations WHERE id = $1`);
/** By index phi_rotations_one_running. */
const rotationReadRunning = defineStatement('phiRotationReadRunning')`
  SELECT ${ROTATION} FROM phi_rotations WHERE state = 'running'`;
const rotationReadLast = defineStatement('phiRotationReadLast')`
  SELECT ${ROTATION} FROM phi_rotations ORDER BY phi_rotations.started_at DESC LIMIT 1`;
const rotationCount = defineStatement('phiRotationCount')`
  UPDATE phi_rotations SET data_keys = $2::bigint WHERE id = $1 RETURNING 1`;
const rotationFinish = defineStatement('phiRotationFinish')`
  UPDATE phi_rotations SET state = 'done', finished_at = clock_timestamp() WHERE id = $1 AND state = 'running'
  RETURNING ${ROTATION}`;

export const healthDataIsStored = defineQuestion('EXISTS (SELECT FROM phi_data_keys WHERE shredded_at IS NULL)');

const SIX_YEARS = `interval '6 years'`;
/** Finished rotations are evidence (45 CFR 164.316(b)(2)). The retention policies remove what is about persons. */
export const phiKeyPurges = [
  definePurge({
    kind: 'phi_rotations',
    table: 'phi_rotations',
    id: 'id',
    ends: 'finished_at',
    stays: SIX_YEARS,
    where: `state = 'done'`,
  }),
];

export type OlderDataKey = {
  readonly id: string;
  readonly subject_id: string;
  readonly level: PhiLevel;
  readonly version: number;
  readonly wrapped: string;
  readonly kek_version: number;
};

type PhiKeyListRow = {
  readonly version: number;
  readonly is_destroyed: boolean;
  readonly created_at: string;
  readonly destroyed_at: string | null;
};

type Subject = { readonly subjectId: string; readonly level: PhiLevel };

export const readLiveDataKey = async (sql: Sql, { subjectId, level }: Subject): Promise<DataKeyRow | undefined> =>
  (await sql.query<DataKeyRow>(dataKeyReadLive, [subjectId, level]))[0];

export const readDataKey = async (
  sql: Sql,
  { subjectId, level }: Subject,
  version: number,
): Promise<DataKeyRow | undefined> => (await sql.query<DataKeyRow>(dataKeyRead, [subjectId, level, version]))[0];

export const readNewestDataKeyVersion = async (sql: Sql, { subjectId, level }: Subject): Promise<number> =>
  ((await sql.query<{ version: number }>(dataKeyNewest, [subjectId, level]))[0] as { version: number }).version;

export async function insertDataKey(
  sql: Sql,
  key: Subject & {
    readonly id: string;
    readonly version: number;
    readonly kekVersion: number;
    readonly wrapped: string;
  },
): Promise<void> {
  await sql.query(dataKeyInsert, [key.id, key.subjectId, key.level, key.version, key.kekVersion, key.wrapped]);
}

/** Whether the key still exists; no shredding ends before this transaction. */
export const lockDataKey = async (tx: Sql, id: string): Promise<boolean> =>
  (await tx.query(dataKeyLock, [id])).length === 1;

/** Whether anything was ever encrypted for the subject, or the subject is a user. */
export const isSubjectKnown = async (sql: Sql, subjectId: string): Promise<boolean> =>
  (await sql.query(subjectRead, [subjectId])).length === 1;

/** Times of the keys that were destroyed. */
export const shredDataKeys = async (tx: Sql, subjectId: string): Promise<string[]> =>
  (await tx.query<{ shredded_at: string }>(dataKeysShred, [subjectId])).map((row) => row.shredded_at);

export const readOlderDataKeys = (sql: Sql, kekVersion: number, limit: number): Promise<OlderDataKey[]> =>
  sql.query<OlderDataKey>(dataKeysReadOlder, [kekVersion, limit]);

export const countOlderDataKeys = async (sql: Sql, kekVersion: number): Promise<number> =>
  ((await sql.query<{ count: number }>(dataKeysCountOlder, [kekVersion]))[0] as { count: number }).count;

/** The progress of the rotation after this batch. */
export async function rewrapDataKeys(
  tx: Sql,
  rotation: PhiRotationView,
  keys: readonly { readonly id: string; readonly before: string; readonly wrapped: string }[],
): Promise<number> {
  const [row] = await tx.query<{ rewrapped: number }>(dataKeysRewrap, [
    rotation.key_version,
    keys.map(({ id }) => id),
    keys.map(({ before }) => before),
    keys.map(({ wrapped }) => wrapped),
    rotation.rotation_id,
  ]);
  return (row as { rewrapped: number }).rewrapped;
}

/** Every key that is not destroyed, oldest first. */
export const readPhiKeys = (sql: Sql): Promise<PhiKeyRow[]> => sql.query<PhiKeyRow>(keysRead);

/** @param lifetimeSeconds after which the key is due for rotation */
export const readNewestPhiKey = async (
  sql: Sql,
  lifetimeSeconds = 0,
): Promise<(PhiKeyRow & { readonly is_due: boolean }) | undefined> =>
  (await sql.query<PhiKeyRow & { readonly is_due: boolean }>(keyNewest, [lifetimeSeconds]))[0];

/** False when another writer added this version first. */
export const insertPhiKey = async (tx: Sql, { version, sealed }: PhiKeyRow): Promise<boolean> =>
  (await tx.query(keyInsert, [version, sealed])).length === 1;

export const listPhiKeyRows = (sql: Sql): Promise<PhiKeyListRow[]> => sql.query<PhiKeyListRow>(keysList);

/** Destroys the keys below a version that wrap nothing; the number destroyed. */
export async function destroyOlderPhiKeys(tx: Sql, version: number): Promise<number> {
  await tx.query(keysLockOlder, [version]);
  return (await tx.query(keysDestroyOlder, [version])).length;
}

export const insertRotation = async (tx: Sql, id: string, targetVersion: number): Promise<PhiRotationView> =>
  (await tx.query<PhiRotationView>(rotationInsert, [id, targetVersion]))[0] as PhiRotationView;

export const readRotation = async (sql: Sql, id: string): Promise<PhiRotationView | undefined> =>
  (await sql.query<PhiRotationView>(rotationRead, [id]))[0];

export const readRunningRotation = async (sql: Sql): Promise<PhiRotationView | undefined> =>
  (await sql.query<PhiRotationView>(rotationReadRunning))[0];

export const readLastRotation = async (sql: Sql): Promise<PhiRotationView | undefined> =>
  (await sql.query<PhiRotationView>(rotationReadLast))[0];

export async function countRotation(tx: Sql, id: string, dataKeys: number): Promise<void> {
  await tx.query(rotationCount, [id, dataKeys]);
}

/** Undefined when another run finished it first. */
export const finishRotation = async (tx: Sql, id: string): Promise<PhiRotationView | undefined> =>
  (await tx.query<PhiRotationView>(rotationFinish, [id]))[0];
