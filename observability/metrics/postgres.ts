import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

/** The connection pools of a process, each with its own purpose and size. */
const poolNames = ['main', 'refresh', 'revocations', 'identity'] as const;
export type PoolName = (typeof poolNames)[number];

export const poolWait = defineHistogram({
  name: 'sallyport_postgres_pool_wait_seconds',
  help: 'Time a statement waited for a connection of its pool.',
  unit: 's',
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

export const postgresRefusals = defineCounter({
  name: 'sallyport_postgres_refusals',
  help: 'Statements that PostgreSQL rejected because its disk is full, it is read-only, or its connections are used up. An operator must correct this.',
  labels: { reason: ['disk_full', 'read_only', 'connections_used_up'] },
});
