import type pg from 'pg';
import type { DatabaseGuard, Sql, Transact, Tx } from '#services/core/ports.ts';
import { createConnectionTransact, translate } from './pool.ts';

/** Ends the transaction of a rehearsal that came to its end. */
class Undone extends Error {}

type Rehearsed = { readonly sql: Sql; readonly transact: Transact };

/**
 * Runs work in one transaction that is undone at its end: what an act would do is said by the act itself. Its own
 * transactions are savepoints, and what they do after their commit is left out.
 */
export async function rehearse<T>(
  pool: pg.Pool,
  work: (ports: Rehearsed) => Promise<T>,
  guard?: DatabaseGuard,
): Promise<T> {
  let result: { readonly of: T } | undefined;
  try {
    await createConnectionTransact(
      pool,
      () => {},
      guard,
    )(async (tx, client) => {
      result = { of: await work(portsIn(tx, client)) };
      throw new Undone();
    });
  } catch (err) {
    if (!(err instanceof Undone)) throw err;
  }
  return (result as { readonly of: T }).of;
}

function portsIn(tx: Tx, client: pg.PoolClient): Rehearsed {
  let before: Promise<unknown> = Promise.resolve();
  /** The connection takes one statement at a time. */
  const inTurn = <R>(send: () => Promise<R>): Promise<R> => {
    const sent = before.then(send);
    before = sent.catch(() => {});
    return sent;
  };
  const query: Sql['query'] = (statement, values) => inTurn(() => tx.query(statement, values));
  const say = (text: string): Promise<unknown> => inTurn(() => client.query(text));
  let count = 0;
  const transact: Transact = async (work) => {
    count += 1;
    const place = `rehearsed_${count}`;
    await say(`SAVEPOINT ${place}`);
    try {
      const done = await work({ query, afterCommit: () => {} });
      // What a commit would check.
      await say('SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED');
      await say(`RELEASE SAVEPOINT ${place}`);
      return done;
    } catch (err) {
      await say(`ROLLBACK TO SAVEPOINT ${place}`);
      throw translate(err);
    }
  };
  return { sql: { query }, transact };
}
