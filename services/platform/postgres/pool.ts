import pg from 'pg';
import { currentRequestTrace, runInSpan } from '#observability/http-span.ts';
import type { CounterSeries } from '#observability/metrics/instruments.ts';
import { postgresRefusals } from '#observability/metrics/postgres.ts';
import type { DatabaseGuard, Row, ShownState, Sql, Transact, Tx } from '#services/core/ports.ts';
import type { Statement } from '../define/statement.ts';
import { storeUnavailable } from '../errors.ts';
import { patient } from '../process/patience.ts';
import { nameMissingRight } from './missing-right.ts';
import { recordStatements } from './record-statements.ts';
import { connectInTime, inTime, queryInTime, sendInTime } from './request-time.ts';
import {
  assertRole,
  type DatabaseRole,
  dropStatementNames,
  type RoleAnswer,
  RoleRefusedError,
  roleColumns,
  StandbyError,
  type TransactionSettings,
  transactionSettings,
} from './transaction-settings.ts';

// Parses int8 as a number: epochs, counts and sizes stay far below 2^53.
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8
      ? Number
      : pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
};

export type PoolSettings = {
  readonly url: string;
  /** True if the URL leads to a pooler in transaction mode: role and limits then come with each transaction. */
  readonly isPooled?: boolean;
  /** True if the URL leads to a standby, which is read only; by default a connection to one is not kept. */
  readonly isReplica?: boolean;
  /** Role of the connections; one that may not assume it is refused. By default the database user itself. */
  readonly role?: DatabaseRole;
  readonly connections: number;
  readonly applicationName: string;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  /** How much longer than a statement its caller waits for the answer, before the connection is given up; 500 by default. */
  readonly answerMarginMs?: number;
  /** How long a caller waits for a connection; 900 by default. */
  readonly connectTimeoutMs?: number;
  /** How long a transaction may be idle before the server ends it; 5,000 by default. */
  readonly idleInTransactionTimeoutMs?: number;
  /** True for statements whose plan must not depend on statistics: one generic plan, index scans only. */
  readonly genericPlans?: boolean;
  /** True if the time of a request limits its waits and statements; false for work that requests share. */
  readonly limitsRequests?: boolean;
  /** Called with the time each caller waited for a connection, and whether the wait was given up. */
  readonly onWait?: (waitMs: number, isGivenUp: boolean) => void;
  /** Called when a connection was lost or could not be opened: the next one may reach another database. */
  readonly onLost?: () => void;
};

/** Milliseconds a caller waits for a connection before the answer is 503. */
export const CONNECT_TIMEOUT_MS = 900;
/**
 * Milliseconds that opening a connection may take, whether or not its caller still waits: a later one gets it. On a busy
 * machine that takes seconds, and if each attempt ended with its caller's wait, there would never be a connection.
 */
const OPEN_TIMEOUT_MS = 3_000;
const ANSWER_MARGIN_MS = 500;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000;

export function createPool(settings: PoolSettings): pg.Pool {
  const limitsMs = {
    statement_timeout: patient(settings.statementTimeoutMs),
    lock_timeout: patient(settings.lockTimeoutMs),
    idle_in_transaction_session_timeout: patient(settings.idleInTransactionTimeoutMs ?? IDLE_IN_TRANSACTION_TIMEOUT_MS),
  };
  const opening = settings.isPooled ? transactionSettings(limitsMs, settings.role, settings.onLost) : undefined;
  // The loss of a connection to a pooler says nothing of the database: its transactions notice another server themselves.
  const onLost = opening ? undefined : settings.onLost;
  const pool = new pg.Pool({
    connectionString: settings.url,
    max: settings.connections,
    application_name: settings.applicationName,
    // A server that stops answering mid-statement must not hold a request past its deadline.
    query_timeout: patient(settings.statementTimeoutMs + (settings.answerMarginMs ?? ANSWER_MARGIN_MS)),
    keepAlive: true,
    types,
    ...(opening ? {} : ownSession(settings, limitsMs, (client, taken) => nameRole([pool, client], taken))),
  });
  setConnectTimeout(pool, settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
  if (opening) openings.set(pool, opening);
  const name = settings.role ?? (URL.canParse(settings.url) ? decodeURIComponent(new URL(settings.url).username) : '');
  nameRole([pool], name);
  // The loss of an idle connection affects no request; the next request opens another.
  pool.on('error', () => {});
  // Without a listener, a connection lost between two statements of a transaction would end the process; the
  // next statement reports it.
  pool.on('connect', (client) => {
    if (!roleNames.has(client)) nameRole([client], name);
    client.on('error', () => onLost?.());
    if (opening) dropStatementNames(client);
    recordStatements(client);
  });
  // A server that stops answering, or ends the session, is reported to the caller before the connection's error.
  pool.on('release', (err: unknown) => {
    if (isConnectionLost(err)) onLost?.();
  });
  watchConnects(pool, { ...settings, onLost });
  return pool;
}

/** What a pool that leads to a pooler sends with each transaction. */
const openings = new WeakMap<pg.Pool, TransactionSettings>();

/** True if each statement needs a transaction, because a session is not its pool's own. */
export const isPooled = (pool: pg.Pool): boolean => openings.has(pool);

/** What each session begins with where it is the pool's own. */
function ownSession(
  { role, genericPlans, isReplica = false }: PoolSettings,
  limitsMs: Readonly<Record<string, number>>,
  onRole: (client: pg.ClientBase, taken: string) => void,
): pg.PoolConfig {
  const options = [
    ...Object.entries(limitsMs).map(([name, ms]) => `-c ${name}=${ms}`),
    ...(genericPlans ? ['-c plan_cache_mode=force_generic_plan', '-c enable_seqscan=off'] : []),
  ].join(' ');
  if (role === undefined) return { options };
  return { options, onConnect: async (client) => onRole(client, await takeRole(client, role, isReplica)) };
}

/** @returns the role of the connection from now on */
async function takeRole(client: pg.ClientBase, role: DatabaseRole, isReplica: boolean): Promise<string> {
  const { rows } = await client.query<RoleAnswer & { is_standby: boolean }>(
    `SELECT pg_is_in_recovery() AS is_standby, ${roleColumns(role, 'session')}`,
  );
  const [answer] = rows as [RoleAnswer & { is_standby: boolean }];
  if (answer.is_standby && !isReplica)
    throw new StandbyError('the server is a standby; DATABASE_URL must lead to the primary');
  return assertRole(role, answer);
}

/** How long callers of a pool wait for a connection. */
const waits = new WeakMap<pg.Pool, number>();

/** How long callers from now on wait for a connection; `pg-pool` reads the time for opening one at each call. */
export function setConnectTimeout(pool: pg.Pool, timeoutMs: number): void {
  waits.set(pool, patient(timeoutMs));
  pool.options.connectionTimeoutMillis = patient(Math.max(OPEN_TIMEOUT_MS, timeoutMs));
}

/** Value with which a connection is released: true, or the error of its last statement. */
function isConnectionLost(err: unknown): boolean {
  if (err === true) return true;
  if (!(err instanceof Error)) return false;
  return err.message === 'Query read timeout' || /^(08|57P0)/.test(String((err as { code?: unknown }).code));
}

/** `pool.query` takes its connection through `connect` with a callback, everything else through the promise. */
function watchConnects(
  pool: pg.Pool,
  {
    onWait,
    onLost,
    limitsRequests = false,
  }: Pick<PoolSettings, 'onWait' | 'limitsRequests'> & { readonly onLost: PoolSettings['onLost'] | undefined },
): void {
  type Callback = NonNullable<Parameters<pg.Pool['connect']>[0]>;
  const connectAtAll = pool.connect.bind(pool);
  const connect = (callback: Callback): void =>
    connectInTime(connectAtAll, callback, { waitMs: waits.get(pool) as number, limitsRequests });
  const connectWatched = (callback?: Callback): Promise<pg.PoolClient> | undefined => {
    const startedAt = performance.now();
    const settled = (err?: Error): void => {
      const isGivenUp = err !== undefined && /^timeout(:| exceeded)/.test(err.message);
      if (!err || isGivenUp) onWait?.(performance.now() - startedAt, isGivenUp);
      else if (!(err instanceof RoleRefusedError)) onLost?.();
    };
    const watched = (settle: Callback): void =>
      connect((err, client, done) => {
        settled(err ?? undefined);
        settle(err, client, done);
      });
    if (callback) {
      // It may run in the context of the request that released the connection.
      const request = currentRequestTrace();
      if (request?.span === undefined) return void watched(callback);
      return void watched((...answer) => runInSpan(request, () => callback(...answer)));
    }
    return new Promise((resolve, reject) => {
      watched((err, client) => (client ? resolve(client) : reject(err)));
    });
  };
  pool.connect = connectWatched as pg.Pool['connect'];
}

// Class 08 connection, 0P000 a role that is refused, 53 resources, 57P0x shutdown, 55P03 lock timeout, 57014 cancelled, 25006 read-only, 25P03 and 25P04
// a transaction that stood idle or open for too long, as in a process without processor time, 40xxx retryable.
const UNAVAILABLE_STATE = /^(08|53|57P0|40)|^(0P000|55P03|57014|25006|25P03|25P04)$/;

/** Conditions that only an operator can end, by SQLSTATE. */
const refusals = new Map<unknown, CounterSeries>([
  ['53100', postgresRefusals.at({ reason: 'disk_full' })],
  ['25006', postgresRefusals.at({ reason: 'read_only' })],
  ['53300', postgresRefusals.at({ reason: 'connections_used_up' })],
  ['0P000', postgresRefusals.at({ reason: 'role_refused' })],
]);

/** True if the database, not the statement, caused the error: the same request may succeed later. */
function isUnavailable(err: unknown): boolean {
  if (!(err instanceof Error)) return false;
  const code = (err as { code?: unknown }).code;
  if (typeof code === 'string') return UNAVAILABLE_STATE.test(code) || /^E[A-Z]+$/.test(code);
  return /timeout|terminated|Connection|not queryable|Cannot use a pool/i.test(err.message);
}

/** True if the server refuses writes: another connection may lead to one that takes them. */
const isReadOnly = (err: unknown): boolean => (err as { code?: unknown }).code === '25006';

/** `storeUnavailable` if the database caused the error, else the error itself. */
export function translate(err: unknown): unknown {
  if (!isUnavailable(err)) return err;
  refusals.get((err as { code?: unknown }).code)?.add(1);
  return storeUnavailable({ retryAfterSeconds: 1, cause: err });
}

/** The role or the login of the connections of a pool, for the message about a right that is missing. */
const roleNames = new WeakMap<object, string>();
const nameRole = (connections: readonly object[], role: string): void => {
  for (const each of connections) roleNames.set(each, role);
};

/** The error of a statement; a refusal of a right with role and right by name. */
export const nameRefusal = (err: unknown, target: pg.Pool | pg.PoolClient, text: string): unknown =>
  nameMissingRight(err, roleNames.get(target) ?? '', text);

async function run<R>(client: pg.PoolClient, statement: Statement, values: readonly unknown[]): Promise<R[]> {
  const { name, text } = statement;
  try {
    const { rows } = await client.query({ name, text, values: [...values] });
    return rows as R[];
  } catch (err) {
    throw nameRefusal(err, client, text);
  }
}

/**
 * Runs single statements on a pool.
 * @param guard checked before statements that write: each then runs in a separate transaction
 */
export function createSql(pool: pg.Pool, guard?: DatabaseGuard): Sql {
  const transact = guard && createTransact(pool, () => {}, guard);
  const readAlone = isPooled(pool) ? createTransact(pool, () => {}) : undefined;
  return {
    query: async <R = Row>(statement: Statement, values: readonly unknown[] = []) => {
      const alone = (statement.writes && transact) || readAlone;
      if (alone) return alone((tx) => tx.query<R>(statement, values));
      try {
        return await queryInTime(pool, (client) => run<R>(client, statement, values));
      } catch (err) {
        throw translate(err);
      }
    },
  };
}

export type ConnectionTransact = <T>(work: (tx: Tx, connection: pg.PoolClient) => Promise<T>) => Promise<T>;

/** Runs transactions on a pool. `afterCommit` actions run in order after COMMIT; their failures do not affect the result. */
export const createTransact = (
  pool: pg.Pool,
  onAfterCommitError: (err: unknown) => void,
  guard?: DatabaseGuard,
): Transact => createConnectionTransact(pool, onAfterCommitError, guard);

const STATE_SHOWN = 'SELECT incarnation, revocation_epoch AS "revocationEpoch", beat, replaced FROM feed_state';

/** Begins a transaction; with a guard, only if the database is not behind the state that the process has seen. */
async function begin(
  client: pg.PoolClient,
  opening: TransactionSettings | undefined,
  guard: DatabaseGuard | undefined,
): Promise<void> {
  const expected = guard ? await inTime(guard.expected()) : null;
  // One message, so that settings and comparison need no extra round trip.
  const texts = ['BEGIN', ...(opening ? [opening.text] : []), ...(guard ? [STATE_SHOWN] : [])];
  const answer: unknown = await sendInTime(client, () => client.query(texts.join('; ')));
  const results = [answer as pg.QueryResult | pg.QueryResult[]].flat();
  opening?.check(results[1]?.rows[0]);
  guard?.check(results.at(-1)?.rows[0] as ShownState | undefined, expected);
}

/** A connection in an unknown state is destroyed, not returned, so that the server rolls back. */
async function rollBack(client: pg.PoolClient, isUnwanted: boolean): Promise<void> {
  const isRolledBack = await client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
  client.release(!isRolledBack || isUnwanted);
}

/** Like `createTransact`, for an adapter that needs the transaction's connection. */
export function createConnectionTransact(
  pool: pg.Pool,
  onAfterCommitError: (err: unknown) => void,
  guard?: DatabaseGuard,
): ConnectionTransact {
  const opening = openings.get(pool);
  return async (work) => {
    const client = await pool.connect().catch((err: unknown) => {
      throw translate(err);
    });
    const after: (() => void | Promise<void>)[] = [];
    const tx: Tx = {
      query: <R = Row>(statement: Statement, values: readonly unknown[] = []) =>
        sendInTime(client, () => run<R>(client, statement, values)),
      afterCommit: (action) => after.push(action),
    };
    let result: Awaited<ReturnType<typeof work>>;
    try {
      await begin(client, opening, guard);
      result = await work(tx, client);
      // If the caller swallowed a failure, COMMIT rolls back; only its command tag shows it.
      const { command } = await sendInTime(client, () => client.query('COMMIT'));
      if (command === 'ROLLBACK') throw new Error('the transaction was rolled back');
      client.release();
    } catch (err) {
      // A request whose time is up does not wait; the message waits for the statement that was given up.
      await inTime(rollBack(client, isReadOnly(err))).catch(() => {});
      throw translate(err);
    }
    for (const action of after) {
      const done = Promise.resolve().then(action).catch(onAfterCommitError);
      // The commit is done: when its time is up, the answer no longer waits.
      await inTime(done).catch(() => {});
    }
    return result;
  };
}
