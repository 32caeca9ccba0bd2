import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

/** The connection pools of a process, each with its own purpose and size. */
const poolNames = ['main', 'refresh', 'revocations', 'identity', 'mcp'] as const;
export type PoolName = (typeof poolNames)[number];

export const poolWait = defineHistogram({
  name: 'sallyport_postgres_pool_wait_seconds',
  help: 'Time a statement waited for a connection of its pool.',
  labels: { pool: poolNames },
  buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2],
});

export const poolConnections = defineGauge({
  name: 'sallyport_postgres_pool_connections',
  help: 'Connections of a pool by state, and statements waiting for one.',
  labels: { pool: poolNames, state: ['used', 'idle', 'waiting'] },
});

export const poolTimeouts = defineCounter({
  name: 'sallyport_postgres_pool_timeouts',
  help: 'Statements abandoned because no connection became free in time.',
  labels: { pool: poolNames },
});

export const replicaReads = defineCounter({
  name: 'sallyport_replica_reads',
  help: 'Reads that may go to the read replica, by who answered, and the state of the replica: stale (older than the limit), away (it does not answer), other (no standby, or one of another installation).',
  labels: { by: ['replica', 'primary'], state: ['ok', 'stale', 'away', 'other'] },
});

export const replicaAge = defineGauge({
  name: 'sallyport_replica_age_seconds',
  help: 'Age of the last commit on the read replica, when it was last asked.',
});

export const postgresRefusals = defineCounter({
  name: 'sallyport_postgres_refusals',
  help: 'Statements that were rejected because the disk of PostgreSQL is full, it is read-only, its connections are used up, or the database user may not assume the role of the process. An operator must correct this.',
  labels: { reason: ['disk_full', 'read_only', 'connections_used_up', 'role_refused'] },
});
