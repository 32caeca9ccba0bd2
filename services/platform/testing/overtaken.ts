// For tests only: what a request does when something happens to its user or client while it is under way.
import type pg from 'pg';
import { expect } from 'vitest';

/**
 * `change` is made first but committed only when the request waits for it: the request began before the change, and
 * goes on after it. Needs no clock.
 * @param change one statement with the id of user or client as `$1`; the user's row is locked before it
 */
export async function overtaken<T>(pool: pg.Pool, id: string, change: string, request: () => Promise<T>): Promise<T> {
  const holder = await pool.connect();
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]);
    await holder.query(change, [id]);
    const {
      rows: [{ pid }],
    } = await holder.query('SELECT pg_backend_pid() AS pid');
    const asked = request();
    const waiting = 'SELECT 1 FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))';
    await expect.poll(async () => (await pool.query(waiting, [pid])).rowCount, { timeout: 60_000 }).toBe(1);
    await holder.query('COMMIT');
    return await asked;
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
}
