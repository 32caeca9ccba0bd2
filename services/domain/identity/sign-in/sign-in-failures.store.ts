import type { Sql } from '#services/domain/ports.ts';
import { definePurge } from '#services/domain/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** What a counter says at the moment it is read. */
export type CounterState = {
  readonly key: string;
  readonly failures: number;
  /** Until its lock ends; 0 where there is none. */
  readonly lockedSeconds: number;
};

/** What one more failure met. */
export type CountedFailure = CounterState & {
  readonly wasLocked: boolean;
  /** True for the failure by which a lock began. */
  readonly beganLock: boolean;
};

export type Forgiven = {
  readonly isRefused: boolean;
  readonly lockedSeconds: number;
  /** How many names were tried in vain from the same network lately. */
  readonly triedNames: number;
};

/** How locks come about. */
export type LockPolicy = {
  readonly windowSeconds: number;
  /** Failures within the window by which an account or a device is locked. */
  readonly failuresToLock: number;
  readonly networkFailuresToLock: number;
  /** Each further lock is twice as long. */
  readonly firstLockSeconds: number;
  readonly longestLockSeconds: number;
};

/** By primary key; locks nothing. */
const loginFailuresRead = defineStatement(
  'loginFailuresRead',
  `SELECT key, failures,
     CASE WHEN locked_until > clock_timestamp() THEN ceil(extract(epoch FROM locked_until - clock_timestamp()))::int ELSE 0 END
       AS "lockedSeconds"
   FROM login_failures WHERE key = ANY ($1)`,
);

/** By primary key, in the order of the keys; see migration sign_in. */
const loginFailuresCount = defineStatement(
  'loginFailuresCount',
  `SELECT counter AS key, total AS failures, was_locked AS "wasLocked", began_lock AS "beganLock",
     locked_seconds AS "lockedSeconds" FROM login_failures_count($1, $2, $3, $4, $5, $6, $7, $8)`,
);

const loginFailuresForgive = defineStatement(
  'loginFailuresForgive',
  `SELECT is_refused AS "isRefused", locked_seconds AS "lockedSeconds", tried_names AS "triedNames" FROM login_failures_forgive($1, $2, $3, $4)`,
);

const loginFailuresDelete = defineStatement(
  'loginFailuresDelete',
  `DELETE FROM login_failures WHERE key = $1 RETURNING failures`,
);

/** By primary key: the counter says so for as long as it is not deleted. A row: it did not before, of this user. */
const loginFailuresSpend = defineStatement(
  'loginFailuresSpend',
  `INSERT INTO login_failures AS l (key, failures, user_id, stepped_up) VALUES ($1, $2, $3, true)
   ON CONFLICT (key) DO UPDATE SET failures = greatest(l.failures, excluded.failures), user_id = excluded.user_id,
     stepped_up = true, last_failed_at = clock_timestamp()
   WHERE NOT l.stepped_up OR l.user_id IS DISTINCT FROM excluded.user_id
   RETURNING key`,
);

/** By primary key. */
const loginFailuresSteppedUp = defineStatement(
  'loginFailuresSteppedUp',
  `SELECT 1 FROM login_failures WHERE key = $1 AND stepped_up`,
);

const triedNamesRead = defineStatement(
  'loginFailuresTriedNames',
  `SELECT cardinality(tried) AS names FROM login_failures
   WHERE key = $1 AND window_began_at > clock_timestamp() - make_interval(secs => $2)`,
);

const COUNTERS = { table: 'login_failures', id: 'key', ends: 'last_failed_at' } as const;
const IS_NETWORK = `key LIKE 'network:%'`;

/**
 * Anybody makes counters, of any name and from any network, so those stay no longer than they say something: of a
 * network two days after its last failure or lock, of a name that no account has a month. Of an account none goes, so
 * that waiting is no way round the hundred; of its devices once their cookies are over (180 days).
 * Indexes: login_failures_networks, login_failures_names, login_failures_devices.
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
 * @param attempt.who whose password it was, as a keyed hash
 * @param attempt.userId of the account, where there is one: its counters stay as long as it does
 */
export const countFailure = (
  sql: Sql,
  keys: readonly string[],
  { who, userId }: { readonly who: string; readonly userId: string | undefined },
  policy: LockPolicy,
): Promise<CountedFailure[]> =>
  sql.query(loginFailuresCount, [
    keys,
    who,
    userId ?? null,
    policy.windowSeconds,
    policy.failuresToLock,
    policy.networkFailuresToLock,
    policy.firstLockSeconds,
    policy.longestLockSeconds,
  ]);

/** Refused while one of `judged` is locked; else everything of `keys` is forgiven. */
export async function forgiveFailures(
  tx: Sql,
  keys: readonly string[],
  judged: readonly string[],
  { failuresEver, windowSeconds }: { readonly failuresEver: number; readonly windowSeconds: number },
): Promise<Forgiven> {
  const [row] = await tx.query<Forgiven>(loginFailuresForgive, [keys, judged, failuresEver, windowSeconds]);
  return row as Forgiven;
}

/**
 * The counter of an account stands at `failures` at least, and says that it was not wrong passwords alone. False where
 * it did already.
 */
export const spendCounter = async (tx: Sql, key: string, failures: number, userId: string): Promise<boolean> =>
  (await tx.query(loginFailuresSpend, [key, failures, userId])).length > 0;

/** Whether an incident, not wrong passwords alone, has closed the account of this counter. */
export const isSteppedUp = async (sql: Sql, key: string): Promise<boolean> =>
  (await sql.query(loginFailuresSteppedUp, [key])).length > 0;

/** How many names were tried in vain from a network within the window. */
export const readTriedNames = async (sql: Sql, key: string, windowSeconds: number): Promise<number> =>
  (await sql.query<{ names: number }>(triedNamesRead, [key, windowSeconds]))[0]?.names ?? 0;

/** How many failures there were, or undefined. */
export async function deleteCounter(tx: Sql, key: string): Promise<number | undefined> {
  const [row] = await tx.query<{ failures: number }>(loginFailuresDelete, [key]);
  return row?.failures;
}
