import type { Caller, Ports, Tx } from '#services/core/ports.ts';

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

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };

export const probeUser = (userId: string, roles: readonly string[]): Caller => ({
  kind: 'user',
  userId,
  sessionId: null,
  clientId: 'sallyport',
  permissions: new Set(),
  roles,
  by: 'bearer',
  tokenId: null,
  familyId: null,
  // Above 0: a user who did not sign in has no roles for health data.
  authTime: 1,
  request,
});

/** A client of a probe, which acts for its own users. */
export const probeClient: Caller = {
  kind: 'client',
  clientId: 'sallyport',
  permissions: new Set(),
  by: 'secret',
  isVetted: true,
  request,
};

/** Ports with which a use-case runs inside the probe's transaction, and is rolled back with it. */
export const insideOf = (tx: Tx, { random }: Pick<Ports, 'random'>): Pick<Ports, 'transact' | 'sql' | 'random'> => ({
  transact: (work) => work(tx),
  sql: tx,
  random,
});
