import type { Transact } from '../ports.ts';

/** Ends a transaction that came to its end. */
class Undone extends Error {}

/**
 * Transactions that are undone at their end, without what follows a commit: a rule that gets them is its own dry run, and
 * refuses what the act refuses.
 */
export const undone =
  (transact: Transact): Transact =>
  async (work) => {
    const done: { of: Awaited<ReturnType<typeof work>> }[] = [];
    try {
      await transact(async (tx) => {
        done.push({ of: await work({ query: tx.query, afterCommit: () => {} }) });
        throw new Undone();
      });
    } catch (err) {
      if (!(err instanceof Undone)) throw err;
    }
    return (done[0] as (typeof done)[number]).of;
  };
