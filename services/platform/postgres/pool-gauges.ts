import type { Pool } from 'pg';
import { type PoolName, poolConnections } from '#observability/metrics/postgres.ts';

/** Gauges of a pool's connections, read when metrics are collected. */
export function observePool(pool: PoolName, of: Pick<Pool, 'totalCount' | 'idleCount' | 'waitingCount'>): void {
  poolConnections.at({ pool, state: 'used' }).observe(() => of.totalCount - of.idleCount);
  poolConnections.at({ pool, state: 'idle' }).observe(() => of.idleCount);
  poolConnections.at({ pool, state: 'waiting' }).observe(() => of.waitingCount);
}
