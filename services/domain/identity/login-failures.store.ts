import { defineStatement } from '../../platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { definePurge } from '../purge.store.ts';

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

/** By primary key, in the order of the keys; see migration security. */
const loginFailuresCount = defineStatement(
  'loginFailuresCount',
  `SELECT counter AS key, total AS failures, was_locked AS "wasLocked", began_lock AS "beganLock",
     locked_seconds AS "lockedSeconds" FROM login_failures_count($1, $2, $3, $4, $5, $6, $7)`,
);

const loginFailuresForgive = defineStatement(
  'loginFailuresForgive',
  `SELECT is_refused AS "isRefused", locked_seconds AS "lockedSeconds", tried_names AS "triedNames" FROM login_failures_forgive($1, $2, $3)`,
);

const loginFailuresDelete = defineStatement(
  'loginFailuresDelete',
  `DELETE FROM login_failures WHERE key = $1 RETURNING failures`,
);

const COUNTERS = { table: 'login_failures', id: 'key', ends: 'last_failed_at' } as const;
const IS_NETWORK = `key LIKE 'network:%'`;
/** A device is unknown after ten. */
const IS_FEW = `key NOT LIKE 'network:%' AND failures < 20 AND (failures < 10 OR key NOT LIKE 'device:%')`;

/**
 * Anybody makes counters, of any name and from any network, so they stay no longer than they say something: those of
 * networks two days after their last failure or lock; those of a few failures a month; many failures two years, so that
 * waiting is no way round the hundred. Indexes: login_failures_networks, login_failures_few, login_failures_last_failed_at.
 */
export const loginFailurePurges = [
  definePurge({
    ...COUNTERS,
    kind: 'login_failures_networks',
    stays: `interval '2 days'`,
    where: `${IS_NETWORK} AND (locked_until IS NULL OR locked_until < now() - interval '2 days')`,
  }),
  definePurge({ ...COUNTERS, kind: 'login_failures_few', stays: `interval '30 days'`, where: IS_FEW }),
  definePurge({ ...COUNTERS, kind: 'login_failures', stays: `interval '731 days'` }),
] as const;

export const readCounters = (sql: Sql, keys: readonly string[]): Promise<CounterState[]> =>
  sql.query(loginFailuresRead, [keys]);

/** @param who whose password it was, as a keyed hash */
export const countFailure = (
  sql: Sql,
  keys: readonly string[],
  who: string,
  policy: LockPolicy,
): Promise<CountedFailure[]> =>
  sql.query(loginFailuresCount, [
    keys,
    who,
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
  failuresEver: number,
): Promise<Forgiven> {
  const [row] = await tx.query<Forgiven>(loginFailuresForgive, [keys, judged, failuresEver]);
  return row as Forgiven;
}

/** How many failures there were, or undefined. */
export async function deleteCounter(tx: Sql, key: string): Promise<number | undefined> {
  const [row] = await tx.query<{ failures: number }>(loginFailuresDelete, [key]);
  return row?.failures;
}
