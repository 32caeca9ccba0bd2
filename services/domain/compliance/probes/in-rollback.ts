import type { Ports, Tx } from '#services/domain/ports.ts';

/** Carries the result of a probe out of its transaction, which it ends. */
class ProbeEnded<T> extends Error {
  readonly result: T;
  constructor(result: T) {
    super('probe ended');
    this.name = 'ProbeEnded';
    this.result = result;
  }
}

/** Runs a probe in a transaction that is always rolled back: its rows, and what triggers write for them, never exist. */
export async function inRollback<T>({ transact }: Pick<Ports, 'transact'>, probe: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await transact(async (tx): Promise<T> => {
      throw new ProbeEnded(await probe(tx));
    });
  } catch (err) {
    if (err instanceof ProbeEnded) return err.result as T;
    throw err;
  }
}
