// For tests only: work that dies at a chosen statement, just before it is sent or just after its answer. A process dies
// by kill -9. A pool dies by losing all its connections: of what its work does from then on, nothing happens.
import pg from 'pg';

export type KillPoint = { readonly statement: number; readonly moment: 'before' | 'after' };

type Query = (...args: unknown[]) => unknown;
type Callback = (...answer: unknown[]) => void;

const callbackIn = (args: readonly unknown[]): Callback | undefined => {
  const last = args.at(-1);
  return typeof last === 'function' ? (last as Callback) : undefined;
};

/** Kills this process at its nth statement, BEGIN and COMMIT counted. Returns how many it has sent. */
export function dieAt(point: KillPoint | null): () => number {
  let sent = 0;
  const die = (): void => void process.kill(process.pid, 'SIGKILL');
  const query = pg.Client.prototype.query as Query;
  pg.Client.prototype.query = function counted(this: pg.Client, ...args: unknown[]): unknown {
    sent += 1;
    if (sent !== point?.statement) return query.apply(this, args);
    if (point.moment === 'before') die();
    if (callbackIn(args)) return query.apply(this, [...args.slice(0, -1), die]);
    return (query.apply(this, args) as Promise<unknown>).finally(die);
  } as typeof pg.Client.prototype.query;
  return () => sent;
}

type MortalPool = {
  /** How many statements it has sent. */
  statements(): number;
  die(): void;
  /** Resolves when it has died. */
  readonly death: Promise<void>;
};

/** Cuts all connections of a pool at its nth statement. What waits for the pool from then on waits for ever. */
export function dieOfPool(pool: pg.Pool, point: KillPoint | null): MortalPool {
  let sent = 0;
  let isDead = false;
  const connected = new Set<pg.PoolClient>();
  const death = Promise.withResolvers<void>();
  const cut = (client: pg.PoolClient): void =>
    void (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  const die = (): void => {
    isDead = true;
    for (const client of connected) cut(client);
    death.resolve();
  };
  /** Calls back unless the pool has died meanwhile. */
  const alive =
    (settle: Callback): Callback =>
    (...answer) =>
      isDead ? undefined : settle(...answer);
  /** The same for both ways of calling: with a callback, and for a promise. */
  const mortal =
    (call: Query, before: () => Callback | undefined): Query =>
    (...args) => {
      const callback = callbackIn(args);
      const send = (settle: Callback, fail: Callback): unknown => {
        const last = isDead ? undefined : before();
        if (isDead) return;
        if (callback) return call(...args.slice(0, -1), last ?? alive(settle));
        return (call(...args) as Promise<unknown>).then(last ?? alive(settle), last ?? alive(fail));
      };
      if (callback) return void send(callback, callback);
      return new Promise(send);
    };
  pool.on('connect', (client) => {
    connected.add(client);
    client.once('end', () => connected.delete(client));
    if (isDead) cut(client);
    client.query = mortal(client.query.bind(client) as Query, () => {
      sent += 1;
      if (sent !== point?.statement) return undefined;
      if (point.moment === 'after') return die;
      die();
      return undefined;
    }) as typeof client.query;
  });
  pool.connect = mortal(pool.connect.bind(pool) as Query, () => undefined) as typeof pool.connect;
  return { statements: () => sent, die, death: death.promise };
}
