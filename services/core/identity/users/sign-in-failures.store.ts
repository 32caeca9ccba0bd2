import type { Sql } from '#services/core/ports.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

export type CounterState = {
  readonly key: string;
  readonly failures: number;
  /** Seconds until the lock of the counter ends; 0 without a lock. */
  readonly locked_seconds: number;
};

export type CountedFailure = CounterState & {
  readonly was_locked: boolean;
  /** Whether this failure started the lock. */
  readonly began_lock: boolean;
};

type Forgiven = {
  readonly is_refused: boolean;
  readonly locked_seconds: number;
  /** How many accounts had failed sign-ins from the same network lately. */
  readonly tried_names: number;
};

/** When locks begin and how long they last. */
export type LockPolicy = {
  readonly windowSeconds: number;
  /** Failures within the window that lock an account or a device. */
  readonly failuresToLock: number;
  readonly networkFailuresToLock: number;
  /** Each further lock is twice as long. */
  readonly firstLockSeconds: number;
  readonly longestLockSeconds: number;
};

/** Index: the primary key. Takes no lock. */
const loginFailuresRead = defineStatement('loginFailuresRead')`
  SELECT key, failures,
    CASE WHEN locked_until > clock_timestamp() THEN ceil(extract(epoch FROM locked_until - clock_timestamp()))::int ELSE 0 END
      AS locked_seconds
  FROM login_failures WHERE key = ANY ($1)`;

/** Index: the primary key, in key order: the function `login_failures_count`. */
const loginFailuresCount = defineStatement('loginFailuresCount')`
  SELECT counter AS key, total AS failures, was_locked, began_lock,
    locked_seconds FROM login_failures_count($1, $2, $3, $4, $5, $6, $7, $8)`;

const loginFailuresForgive = defineStatement('loginFailuresForgive')`
  SELECT is_refused, locked_seconds, tried_names FROM login_failures_forgive($1, $2, $3, $4)`;

/** Index: the primary key. Waits for failures that are being counted. */
const loginFailuresDelete = defineStatement('loginFailuresDelete')`
  DELETE FROM login_failures WHERE key = $1
  RETURNING failures, greatest(0, ceil(extract(epoch FROM locked_until - clock_timestamp())))::int AS locked_seconds`;

/** Index: the primary key. Counts a failure towards the limit of a hundred alone. The user first, as in login_failures_count. */
const loginFailuresNote = defineStatement('loginFailuresNote')`
  INSERT INTO login_failures AS l (key, failures, user_id)
  VALUES ($1, 1, (SELECT id FROM users WHERE id = $2 FOR KEY SHARE))
  ON CONFLICT (key) DO UPDATE SET failures = l.failures + 1, user_id = coalesce(excluded.user_id, l.user_id),
    last_failed_at = clock_timestamp()`;

/**
 * Index: the primary key. Disables password sign-in until the counter is deleted. Returns a row if it was not yet
 * disabled for this user.
 */
const loginFailuresSpend = defineStatement('loginFailuresSpend')`
  INSERT INTO login_failures AS l (key, failures, user_id, stepped_up) VALUES ($1, $2, $3, true)
  ON CONFLICT (key) DO UPDATE SET failures = greatest(l.failures, excluded.failures), user_id = excluded.user_id,
    stepped_up = true, last_failed_at = clock_timestamp()
  WHERE NOT l.stepped_up OR l.user_id IS DISTINCT FROM excluded.user_id
  RETURNING key`;

/** Index: the primary key. */
const loginFailuresSteppedUp = defineStatement('loginFailuresSteppedUp')`
  SELECT 1 FROM login_failures WHERE key = $1 AND stepped_up`;

const triedNamesRead = defineStatement('loginFailuresTriedNames')`
  SELECT cardinality(tried) AS names FROM login_failures
  WHERE key = $1 AND window_began_at > clock_timestamp() - make_interval(secs => $2)`;

/** Reads login_failures_user_id: the counters of accounts that had failures, a part of all accounts. */
const loginFailuresCountLocked = defineStatement('loginFailuresCountLocked')`
  SELECT count(*)::int AS accounts FROM login_failures
  WHERE user_id IS NOT NULL AND key LIKE 'account:%' AND (locked_until > clock_timestamp() OR failures >= $1)`;

const COUNTERS = { table: 'login_failures', id: 'key', ends: 'last_failed_at' } as const;
const IS_NETWORK = `key LIKE 'network:%'`;

/**
 * Any client can create counters, for any address and from any network, so they are kept only while useful: for a
 * network two days after its last failure or lock, for an address without account a month. Counters of accounts are
 * never purged, so waiting does not circumvent the limit of a hundred; those of devices are purged after their cookies
 * have expired (180 days). Indexes: login_failures_networks, login_failures_names, login_failures_devices.
 */
export const signInFailurePurges = [
  definePurge({
    ...COUNTERS,
    kind: 'login_failures_networks',
    stays: `interval '2 days'`,
    where: `${IS_NETWORK} AND (locked_until IS NULL OR locked_until < now() - interval '2 days')`,
  }),
  definePurge({
    ...COUNTERS,
    kind: 'login_failures_names',
    stays: `interval '30 days'`,
    where: `key LIKE 'account:%' AND user_id IS NULL`,
  }),
  definePurge({
    ...COUNTERS,
    kind: 'login_failures_devices',
    stays: `interval '181 days'`,
    where: `key LIKE 'device:%'`,
  }),
] as const;

export const readCounters = (sql: Sql, keys: readonly string[]): Promise<CounterState[]> =>
  sql.query(loginFailuresRead, [keys]);

/**
 * @param attempt.accountKey keyed hash of the account that was tried
 * @param attempt.userId id of the account, if there is one: its counters are kept as long as the account
 */
export const countFailure = (
  sql: Sql,
  keys: readonly string[],
  { accountKey, userId }: { readonly accountKey: string; readonly userId: string | undefined },
  policy: LockPolicy,
): Promise<CountedFailure[]> =>
  sql.query(loginFailuresCount, [
    keys,
    accountKey,
    userId ?? null,
    policy.windowSeconds,
    policy.failuresToLock,
    policy.networkFailuresToLock,
    policy.firstLockSeconds,
    policy.longestLockSeconds,
  ]);

/** Refuses while one of `lockingKeys` is locked; otherwise clears the counters of `keys`. */
export async function forgiveFailures(
  tx: Sql,
  keys: readonly string[],
  lockingKeys: readonly string[],
  { failuresEver, windowSeconds }: { readonly failuresEver: number; readonly windowSeconds: number },
): Promise<Forgiven> {
  const [row] = await tx.query<Forgiven>(loginFailuresForgive, [keys, lockingKeys, failuresEver, windowSeconds]);
  return row as Forgiven;
}

/**
 * Raises the counter of an account to at least `failures`, and records that an incident did so. Returns false if that
 * was already recorded.
 */
export const spendCounter = async (tx: Sql, key: string, failures: number, userId: string): Promise<boolean> =>
  (await tx.query(loginFailuresSpend, [key, failures, userId])).length > 0;

/** Whether an incident, not only wrong passwords, has locked the account of this counter. */
export const isSteppedUp = async (sql: Sql, key: string): Promise<boolean> =>
  (await sql.query(loginFailuresSteppedUp, [key])).length > 0;

/** How many accounts had failed sign-ins from a network within the window. */
export const readTriedNames = async (sql: Sql, key: string, windowSeconds: number): Promise<number> =>
  (await sql.query<{ names: number }>(triedNamesRead, [key, windowSeconds]))[0]?.names ?? 0;

/** Accounts that are locked for some time, or because of so many failures. */
export const countLocked = async (sql: Sql, failuresEver: number): Promise<number> =>
  (await sql.query<{ accounts: number }>(loginFailuresCountLocked, [failuresEver]))[0]?.accounts ?? 0;

/** Deletes a counter and returns what it was, or undefined if there was none. */
export const deleteCounter = async (tx: Sql, key: string): Promise<Omit<CounterState, 'key'> | undefined> =>
  (await tx.query<Omit<CounterState, 'key'>>(loginFailuresDelete, [key]))[0];

/** Counts a failure that begins no lock of the account. */
export const noteFailure = async (tx: Sql, key: string, userId: string): Promise<void> =>
  void (await tx.query(loginFailuresNote, [key, userId]));
