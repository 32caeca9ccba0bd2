import { AsyncLocalStorage } from 'node:async_hooks';
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import type { DatabaseGuard, Transact, Tx } from '#services/core/ports.ts';
import { PrismaClient } from './generated/client.ts';
import { type ConnectionTransact, createConnectionTransact, isPooled, nameRefusal, translate } from './pool.ts';
import { queryInTime, sendInTime } from './request-time.ts';

/** A Prisma client for a library, and the functions by which its queries join our transactions. */
export type PrismaDatabase = {
  /** Client for the library. Its queries inside `transact` run on that transaction's connection. */
  readonly client: object;
  /** Runs the library's queries and our SQL in one transaction; joins the open one. */
  readonly transact: Transact;
  /** The open transaction of this call chain. Throws if there is none. */
  currentTx(): Tx;
  /**
   * Runs library code that replaces the error of a failed query by another error, and throws the query's error,
   * `storeUnavailable` (503) if the database caused it.
   */
  unmask<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

type Scope = { readonly connection: pg.PoolClient | null; readonly tx: Tx | null; failure: unknown };

/**
 * Prisma on our pool, for Better Auth. Converts `emailVerified` between our timestamp and the boolean that
 * Better Auth expects.
 */
export function createPrismaDatabase(
  pool: pg.Pool,
  onAfterCommitError: (err: unknown) => void,
  guard?: DatabaseGuard,
): PrismaDatabase {
  const scopes = new AsyncLocalStorage<Scope>();
  const openTransaction = createConnectionTransact(pool, onAfterCommitError, guard);
  const alone = {
    write: guard && openTransaction,
    read: isPooled(pool) ? createConnectionTransact(pool, onAfterCommitError) : undefined,
  };
  const adapter = new PrismaPg(poolInScope(pool, scopes, alone));
  const prisma = new PrismaClient({ adapter }).$extends({
    query: {
      $allModels: {
        async $allOperations({ operation, args, query }) {
          // Prisma batches unique reads of concurrent callers: one would run in the transaction of another.
          if (operation.startsWith('findUnique'))
            throw new Error('use findFirst: findUnique may run in another transaction');
          return withProofAsBoolean(await query(withProofAsTimestamp(args)));
        },
      },
    },
  });

  const inScope = async <T>(scope: Scope, work: () => Promise<T>): Promise<T> => {
    // A Prisma query starts when it is awaited, which must happen inside the scope.
    const result = await scopes
      .run(scope, async () => await work())
      .catch((err: unknown) => {
        throw scope.failure ?? err;
      });
    // A swallowed failure inside a transaction would make COMMIT roll back without an error.
    if (scope.failure !== undefined) throw scope.failure;
    return result;
  };

  const transact: Transact = (work) => {
    const open = scopes.getStore()?.tx;
    if (open) return work(open);
    return openTransaction((tx, connection) => inScope({ connection, tx, failure: undefined }, () => work(tx)));
  };

  return {
    client: Object.assign(Object.create(prisma), {
      $transaction: <T>(work: (client: object) => Promise<T>) => transact(() => work(prisma)),
    }),
    transact,
    currentTx: () => {
      const tx = scopes.getStore()?.tx;
      if (!tx) throw new Error('no transaction is open here');
      return tx;
    },
    unmask: (work) =>
      scopes.getStore()
        ? work()
        : inScope({ connection: null, tx: null, failure: undefined }, work).catch((err: unknown) => {
            throw translate(err);
          }),
    close: () => prisma.$disconnect(),
  };
}

const textOf = (query: unknown): string =>
  typeof query === 'string' ? query : String((query as { text?: unknown }).text);
const isWrite = (query: unknown): boolean => /^\s*(insert|update|delete)\b/i.test(textOf(query));

/**
 * The pool for Prisma: queries go to the scope's connection, and the scope records their failures.
 * @param alone runs a query outside a transaction in a separate one; undefined: without one
 */
function poolInScope(
  pool: pg.Pool,
  scopes: AsyncLocalStorage<Scope>,
  alone: Readonly<Record<'read' | 'write', ConnectionTransact | undefined>>,
): pg.Pool {
  const query = async (...args: Parameters<pg.Pool['query']>): Promise<unknown> => {
    const scope = scopes.getStore();
    try {
      const send = async (connection: pg.PoolClient): Promise<unknown> => connection.query(...args);
      const sendWithin = (connection: pg.PoolClient): Promise<unknown> =>
        sendInTime(connection, () => send(connection));
      if (scope?.connection) return await sendWithin(scope.connection);
      const runAlone = (isWrite(args[0]) && alone.write) || alone.read;
      if (runAlone) return await runAlone((_tx, connection) => sendWithin(connection));
      return await queryInTime(pool, send);
    } catch (err) {
      if (scope) scope.failure ??= nameRefusal(err, scope.connection ?? pool, textOf(args[0]));
      throw err;
    }
  };
  const connect = (): never => {
    throw new Error('transactions of Prisma are not supported: use transact');
  };
  return new Proxy(pool, {
    get: (target, key) => {
      if (key === 'query') return query;
      if (key === 'connect') return connect;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

type Record_ = Record<string, unknown>;
const isRecord = (value: unknown): value is Record_ =>
  typeof value === 'object' && value !== null && !(value instanceof Date);

function withProofAsTimestamp<A>(args: A): A {
  if (!isRecord(args)) return args;
  const { data, where } = args;
  const changed: Record_ = { ...args };
  if (isRecord(data) && typeof data.emailVerified === 'boolean')
    changed.data = { ...data, emailVerified: data.emailVerified ? new Date() : null };
  if (isRecord(where) && typeof where.emailVerified === 'boolean')
    changed.where = { ...where, emailVerified: where.emailVerified ? { not: null } : null };
  return changed as A;
}

function withProofAsBoolean<R>(result: R): R {
  if (Array.isArray(result)) return result.map(withProofAsBoolean) as R;
  if (!isRecord(result)) return result;
  if ('emailVerified' in result) return { ...result, emailVerified: result.emailVerified !== null };
  return isRecord(result.user) ? { ...result, user: withProofAsBoolean(result.user) } : result;
}
