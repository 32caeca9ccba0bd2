// For tests only: runs a request while its user or client is changed concurrently.
import type pg from 'pg';
import { expect } from 'vitest';

/** One statement and its values. */
export type Held = readonly [text: string, values?: readonly unknown[]];

/**
 * Runs `held` in an open transaction, starts the request, runs `then` once the request waits for the transaction's lock,
 * and commits; the request then goes on. Depends on no clock.
 * @param then gets the connection that holds the lock, and the process id of the waiting backend
 */
export async function whileItWaits<T>(
  pool: pg.Pool,
  held: readonly Held[],
  request: () => Promise<T>,
  then: (holder: pg.PoolClient, waiting: number) => Promise<unknown> = async () => {},
): Promise<T> {
  const holder = await pool.connect();
  try {
    await holder.query('BEGIN');
    for (const [text, values = []] of held) await holder.query(text, [...values]);
    const {
      rows: [{ pid }],
    } = await holder.query('SELECT pg_backend_pid() AS pid');
    const asked = request();
    // The request may be refused before the commit ends; the caller awaits it below and gets the error.
    asked.catch(() => {});
    const waiting = 'SELECT pid FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))';
    await expect.poll(async () => (await pool.query(waiting, [pid])).rowCount, { timeout: 60_000 }).toBe(1);
    await then(holder, (await pool.query(waiting, [pid])).rows[0].pid);
    await holder.query('COMMIT');
    return await asked;
  } finally {
    const isBroken = await holder.query('ROLLBACK').then(
      () => false,
      () => true,
    );
    holder.release(isBroken);
  }
}

/** Locks a user's row: requests that change the user wait. */
export const userHeld = (id: string): Held => ['SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]];

/**
 * `change` is made first but committed only when the request waits for it.
 * @param change one statement with the id of user or client as `$1`; the user's row is locked before it
 */
export const overtaken = <T>(pool: pg.Pool, id: string, change: string, request: () => Promise<T>): Promise<T> =>
  whileItWaits(pool, [userHeld(id), [change, [id]]], request);

/** Terminates the database connection on which the request waits for the user's row. */
export const cutOff = <T>(pool: pg.Pool, id: string, request: () => Promise<T>): Promise<T> =>
  whileItWaits(pool, [userHeld(id)], request, (_holder, waiting) =>
    pool.query('SELECT pg_terminate_backend($1)', [waiting]),
  );
