import type pg from 'pg';
import { replicaAge, replicaReads } from '#observability/metrics/postgres.ts';
import type { Log, Sql } from '#services/core/ports.ts';
import { isAppError } from '../define/error.ts';
import { defineStatement, type Statement } from '../define/statement.ts';
import { withinMs } from '../define/within-ms.ts';
import { createPool, createSql } from './pool.ts';
import type { DatabaseRole } from './transaction-settings.ts';

/** `stale`: older than the limit. `away`: it does not answer. `other`: no standby, or one of another installation. */
type ReplicaState = 'ok' | 'stale' | 'away' | 'other';

type ReplicaRead = {
  readonly sql: Sql;
  /** Everything that was committed before this time is in the answer; null: the primary answers. */
  readonly asOf: string | null;
};

/** A read replica for declared reads, which nothing decides by. */
export type Replica = {
  /** Where one read goes: to the replica if it is fresh enough, else to the primary. */
  read(): Promise<ReplicaRead>;
  /** As the last read has found it. */
  state(): ReplicaState;
  close(): Promise<void>;
};

type ReplicaOptions = {
  readonly url: string;
  /** As of the pools of the process; none for commands. */
  readonly role?: DatabaseRole;
  readonly primary: Sql;
  readonly maxAgeSeconds: number;
  /** The history of the primary, as this process knows it; null before it does. */
  readonly incarnation: () => string | null;
  /** 2,000 by default, as for other requests. */
  readonly statementTimeoutMs?: number;
  readonly log: Pick<Log, 'warn' | 'info'>;
};

/** What a replica says of itself; undefined: it is of no installation. */
export type ReplicaFacts = {
  readonly is_standby: boolean;
  readonly incarnation: string;
  readonly as_of: string | null;
  readonly age_ms: number | null;
};

const CONNECTIONS = 4;
const LIMITS = { statementTimeoutMs: 2_000, lockTimeoutMs: 1_000, connectTimeoutMs: 500 };
/** A replica that does not say its age by then is away, and is asked again this long after. */
const PROBE_MS = 500;
const AWAY_MS = 1_000;

/** A running installation commits once a second, so that the last commit replayed tells the age. */
const replicaFacts = defineStatement('replicaFacts')`
  SELECT pg_is_in_recovery() AS is_standby, incarnation,
    to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS as_of,
    greatest(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::float8 AS age_ms
  FROM feed_state`;

export const readReplicaFacts = async (sql: Sql): Promise<ReplicaFacts | undefined> =>
  (await sql.query<ReplicaFacts>(replicaFacts))[0];

/** A declared read writes or locks: a defect, not a matter of the replica. */
class ReplicaWriteError extends Error {}
const READ_ONLY = '25006';
const refusedWrite = ({ name }: Statement): Error =>
  new ReplicaWriteError(`${name} writes or locks, and is part of a read of the replica`);

/** Opens a replica. No connection is made before the first read. */
export function openReplica(options: ReplicaOptions): Replica {
  const { url, primary, maxAgeSeconds, incarnation, log } = options;
  const pool: pg.Pool = createPool({
    ...LIMITS,
    ...(options.statementTimeoutMs === undefined ? {} : { statementTimeoutMs: options.statementTimeoutMs }),
    url,
    ...(options.role === undefined ? {} : { role: options.role }),
    isReplica: true,
    connections: CONNECTIONS,
    applicationName: 'sallyport-replica',
  });
  const sql = createSql(pool);
  let state: ReplicaState = 'ok';
  let awayUntil = 0;

  function enter(next: ReplicaState, why: object = {}): void {
    if (next === state) return;
    state = next;
    if (next === 'ok') log.info({}, 'the read replica answers again');
    else log.warn({ state: next, ...why }, 'the read replica is not used: its reads go to the primary');
  }
  function away(err: unknown): void {
    awayUntil = performance.now() + AWAY_MS;
    enter('away', { err });
  }

  const fromPrimary = (): ReplicaRead => {
    replicaReads.add(1, { by: 'primary', state });
    return { sql: primary, asOf: null };
  };
  /** A read that the replica cannot finish is finished by the primary. */
  const fromReplica: Sql = {
    query: async <R>(statement: Statement, values?: readonly unknown[]) => {
      if (statement.writes) throw refusedWrite(statement);
      try {
        return await sql.query<R>(statement, values);
      } catch (err) {
        if ((err as { cause?: { code?: unknown } }).cause?.code === READ_ONLY) throw refusedWrite(statement);
        if (!isAppError(err)) throw err;
        away(err);
        return primary.query<R>(statement, values);
      }
    },
  };

  return {
    read: async () => {
      if (performance.now() < awayUntil) return fromPrimary();
      let facts: ReplicaFacts | undefined;
      try {
        facts = await withinMs(readReplicaFacts(sql), PROBE_MS);
      } catch (err) {
        away(err);
        return fromPrimary();
      }
      const known = incarnation();
      const isOurs = facts?.is_standby === true && (known === null || facts.incarnation === known);
      if (facts === undefined || !isOurs) {
        enter('other');
        return fromPrimary();
      }
      const ageMs = facts.age_ms ?? Number.POSITIVE_INFINITY;
      replicaAge.at().set(ageMs / 1_000);
      enter(ageMs > maxAgeSeconds * 1_000 ? 'stale' : 'ok', { age_seconds: Math.round(ageMs / 1_000) });
      if (state !== 'ok') return fromPrimary();
      replicaReads.add(1, { by: 'replica', state });
      return { sql: fromReplica, asOf: facts.as_of };
    },
    state: () => state,
    close: () => pool.end(),
  };
}
