import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import type { SealedKey } from './key-material.ts';
import { type KeyPolicy, type KeyTimes, LOG_PURPOSE } from './key-timeline.ts';

export type KeyRow = SealedKey &
  KeyTimes & {
    readonly compromise_reason: string | null;
    /** Signed note of the audit log's key before this one; null for every other key. */
    readonly rotation_note: string | null;
  };
export type SecretRow = {
  readonly purpose: string;
  readonly version: number;
  /** '' once destroyed. */
  readonly sealed: string;
  readonly created_at: number;
  readonly activates_at: number;
};

// Every boundary is a whole millisecond, so that copies comparing milliseconds and Postgres comparing ranges agree.
const ms = (expression: string): string => `(extract(epoch FROM ${expression}) * 1000)::bigint`;
const at = (parameter: string): string => `to_timestamp(${parameter}::bigint::numeric / 1000)`;

const KEY_COLUMNS = `id AS kid, purpose, alg, "publicKey" AS public_key, "privateKey" AS sealed_private_key, ${ms('"createdAt"')} AS published_at,
  ${ms('lower(signs)')} AS signs_from, ${ms('upper(signs)')} AS signs_until, ${ms('"expiresAt"')} AS leaves_at,
  longest_token_seconds, ${ms('compromised_at')} AS compromised_at, compromise_reason,
  rotation_note`;

/** One key writer at a time, across all copies and command lines; released at commit. */
const keysLock = defineStatement('keysLock', 'SELECT pg_advisory_xact_lock(72707370)');
const clockRead = defineStatement('keysClockRead', `SELECT ${ms('clock_timestamp()')} AS now`);
const versionRead = defineStatement('keysVersionRead')`
  SELECT keys_version AS version, ${ms('clock_timestamp()')} AS now FROM feed_state`;
/**
 * A few rows a year: no index, no limit. History older than the window is in the audit log. The audit log's keys are
 * left out: a ring that does not have them cannot sign, verify or publish with them.
 */
const keysRead = defineStatement('keysRead')`
  SELECT ${KEY_COLUMNS} FROM jwks
  WHERE ("expiresAt" IS NULL OR "expiresAt" > clock_timestamp() - interval '90 days') AND purpose <> '${LOG_PURPOSE}'
  ORDER BY lower(signs), id`;
const keysOfPurpose = defineStatement('keysOfPurpose')`
  SELECT ${KEY_COLUMNS} FROM jwks WHERE purpose = $1 ORDER BY lower(signs), id`;
const keyByKid = defineStatement('keyByKid', `SELECT ${KEY_COLUMNS} FROM jwks WHERE id = $1`);
const keyInsert = defineStatement('keyInsert')`
  INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", "createdAt", signs, longest_token_seconds)
  VALUES ($1, $2, $3, $4, $5, ${at('$6')}, tstzrange(${at('$7')}, NULL), $8)`;
/** The exclusion constraint refuses a range that overlaps another signer's. */
const keyRangeSet = defineStatement('keyRangeSet')`
  UPDATE jwks SET signs = tstzrange(${at('$2')}, ${at('$3')}), "expiresAt" = ${at('$4')},
    longest_token_seconds = greatest(longest_token_seconds, $5) WHERE id = $1`;
/** The row trigger writes the revocation. */
const keyCompromise = defineStatement('keyCompromise')`
  UPDATE jwks SET compromised_at = ${at('$2')}, compromise_reason = $3, signs = tstzrange(lower(signs), ${at('$4')}),
    "expiresAt" = ${at('$5')}, "privateKey" = '' WHERE id = $1`;
const keyPrivatePartDestroy = defineStatement('keyPrivatePartDestroy')`UPDATE jwks SET "privateKey" = '' WHERE id = $1`;
/** A note is written once. */
const keyRotationNoteSet = defineStatement('keyRotationNoteSet')`
  UPDATE jwks SET rotation_note = $2 WHERE id = $1 AND rotation_note IS NULL`;
/** Leaves out the audit log's keys: they verify old proofs for as long as such proofs exist. */
const keyHistoryDelete = defineStatement('keyHistoryDelete')`
  DELETE FROM jwks WHERE compromised_at IS NULL AND "expiresAt" < clock_timestamp() - interval '400 days'
    AND purpose <> '${LOG_PURPOSE}'`;
const policyWrite = defineStatement('keyPolicyWrite')`
  INSERT INTO key_policy (algorithm, prepublish_seconds, rotation_days, longest_token_seconds, leeway_seconds, ring_bound_seconds, refresh_seconds)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (id) DO UPDATE SET algorithm = $1, prepublish_seconds = $2, rotation_days = $3, longest_token_seconds = $4,
    leeway_seconds = $5, ring_bound_seconds = $6, refresh_seconds = $7`;
const policyRead = defineStatement('keyPolicyRead')`
  SELECT algorithm, prepublish_seconds, rotation_days,
    longest_token_seconds, leeway_seconds,
    ring_bound_seconds, refresh_seconds FROM key_policy`;
const secretsRead = defineStatement('serverSecretsRead')`
  SELECT purpose, version, secret AS sealed, ${ms('created_at')} AS created_at, ${ms('activates_at')} AS activates_at
  FROM server_secrets ORDER BY purpose, version`;
const secretInsert = defineStatement('serverSecretInsert')`
  INSERT INTO server_secrets (purpose, version, secret, created_at, activates_at) VALUES ($1, $2, $3, ${at('$4')}, ${at('$5')})`;
const secretDestroy = defineStatement('serverSecretDestroy')`
  UPDATE server_secrets SET secret = '' WHERE purpose = $1 AND version = $2`;

const one = <T>(rows: readonly T[]): T => rows[0] as T;

/** Locks key writers, then reads the database's clock in milliseconds. */
export async function lockKeys(tx: Sql): Promise<number> {
  await tx.query(keysLock);
  return readDatabaseClock(tx);
}

export const readDatabaseClock = async (sql: Sql): Promise<number> =>
  one(await sql.query<{ now: number }>(clockRead)).now;

/** Reads version and clock first: rows read afterwards are at least as new. */
export const readVersion = async (sql: Sql): Promise<{ version: number; now: number }> =>
  one(await sql.query<{ version: number; now: number }>(versionRead));

export const readKeys = (sql: Sql): Promise<KeyRow[]> => sql.query<KeyRow>(keysRead);
export const readKeysOf = (sql: Sql, purpose: string): Promise<KeyRow[]> => sql.query<KeyRow>(keysOfPurpose, [purpose]);
export const readKey = async (sql: Sql, kid: string): Promise<KeyRow | undefined> =>
  (await sql.query<KeyRow>(keyByKid, [kid]))[0];

export async function insertKey(
  tx: Sql,
  key: SealedKey,
  times: { readonly publishedAt: number; readonly signsFrom: number; readonly longestTokenSeconds: number },
): Promise<void> {
  const { kid, purpose, alg, public_key: publicKey, sealed_private_key: sealedPrivateKey } = key;
  const { publishedAt, signsFrom, longestTokenSeconds } = times;
  await tx.query(keyInsert, [
    kid,
    purpose,
    alg,
    publicKey,
    sealedPrivateKey,
    publishedAt,
    signsFrom,
    longestTokenSeconds,
  ]);
}

/** Moves a key's range; its longest token only grows. */
export async function setKeyRange(
  tx: Sql,
  kid: string,
  range: { readonly signs_from: number; readonly signs_until: number | null; readonly leaves_at: number | null },
  longestTokenSeconds: number,
): Promise<void> {
  await tx.query(keyRangeSet, [kid, range.signs_from, range.signs_until, range.leaves_at, longestTokenSeconds]);
}

export async function markCompromised(
  tx: Sql,
  kid: string,
  mark: { readonly at: number; readonly reason: string; readonly signsUntil: number | null; readonly leavesAt: number },
): Promise<void> {
  await tx.query(keyCompromise, [kid, mark.at, mark.reason, mark.signsUntil, mark.leavesAt]);
}

export async function destroyPrivatePart(tx: Sql, kid: string): Promise<void> {
  await tx.query(keyPrivatePartDestroy, [kid]);
}

export async function setRotationNote(tx: Sql, kid: string, note: string): Promise<void> {
  await tx.query(keyRotationNoteSet, [kid, note]);
}

export async function deleteKeyHistory(tx: Sql): Promise<void> {
  await tx.query(keyHistoryDelete);
}

export async function writePolicy(tx: Sql, policy: KeyPolicy): Promise<void> {
  await tx.query(policyWrite, [
    policy.algorithm,
    policy.prepublish_seconds,
    policy.rotation_days,
    policy.longest_token_seconds,
    policy.leeway_seconds,
    policy.ring_bound_seconds,
    policy.refresh_seconds,
  ]);
}

export const readPolicy = async (sql: Sql): Promise<KeyPolicy | undefined> =>
  (await sql.query<KeyPolicy>(policyRead))[0];

export const readSecrets = (sql: Sql): Promise<SecretRow[]> => sql.query<SecretRow>(secretsRead);

export async function insertSecret(tx: Sql, secret: SecretRow): Promise<void> {
  await tx.query(secretInsert, [secret.purpose, secret.version, secret.sealed, secret.created_at, secret.activates_at]);
}

export async function destroySecret(tx: Sql, purpose: string, version: number): Promise<void> {
  await tx.query(secretDestroy, [purpose, version]);
}
