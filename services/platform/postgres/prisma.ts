import { AsyncLocalStorage } from 'node:async_hooks';
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import type { DatabaseGuard, Transact, Tx } from '#services/domain/ports.ts';
import { PrismaClient } from './generated/client.ts';
import { type ConnectionTransact, createConnectionTransact, translate } from './pool.ts';

/** What a library that only knows Prisma is given, and how its queries join our transactions. */
export type PrismaDatabase = {
  /** For the library. Its queries inside `transact` run on that transaction's connection. */
  readonly client: object;
  /** One transaction for the library's queries and for SQL of our own; joins the one that is open. */
  readonly transact: Transact;
  /** The open transaction of this call chain. Throws outside of one. */
  currentTx(): Tx;
  /**
   * Runs library code that hides a failed query behind an error of its own: the query's error is thrown instead,
   * `storeUnavailable` (503) where the database is the trouble.
   */
  unmask<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

type Scope = { readonly connection: pg.PoolClient | null; readonly tx: Tx | null; failure: unknown };

/**
 * Prisma on our pool, for Better Auth. One place turns `emailVerified` (a timestamp) into the boolean that
 * Better Auth keeps, and back.
 */
export function createPrismaDatabase(
  pool: pg.Pool,
  onAfterCommitError: (err: unknown) => void,
  guard?: DatabaseGuard,
): PrismaDatabase {
  const scopes = new AsyncLocalStorage<Scope>();
  const openTransaction = createConnectionTransact(pool, onAfterCommitError, guard);
  const adapter = new PrismaPg(poolInScope(pool, scopes, guard && openTransaction));
  const prisma = new PrismaClient({ adapter }).$extends({
    query: {
      $allModels: {
        async $allOperations({ operation, args, query }) {
          // Prisma batches unique reads of concurrent callers: one would run in the transaction of another.
          if (operation.startsWith('findUnique')) throw new Error('use findFirst: findUnique leaves its transaction');
          return withProofAsBoolean(await query(withProofAsTimestamp(args)));
        },
      },
    },
  });

  const inScope = async <T>(scope: Scope, work: () => Promise<T>): Promise<T> => {
    // A query of Prisma begins when it is awaited: that must happen inside the scope.
    const result = await scopes
      .run(scope, async () => await work())
      .catch((err: unknown) => {
        throw scope.failure ?? err;
      });
    // A swallowed failure inside a transaction would let COMMIT roll back in silence.
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

const isWrite = (query: unknown): boolean =>
  /^\s*(insert|update|delete)\b/i.test(typeof query === 'string' ? query : String((query as { text?: unknown }).text));

/**
 * The pool as Prisma sees it: queries go to the scope's connection, and their failures are remembered there.
 * @param writeAlone gives a write outside of a transaction one of its own
 */
function poolInScope(pool: pg.Pool, scopes: AsyncLocalStorage<Scope>, writeAlone?: ConnectionTransact): pg.Pool {
  const query = async (...args: Parameters<pg.Pool['query']>): Promise<unknown> => {
    const scope = scopes.getStore();
    try {
      if (writeAlone && !scope?.connection && isWrite(args[0]))
        return await writeAlone(async (_tx, connection): Promise<unknown> => connection.query(...args));
      return await (scope?.connection ?? pool).query(...args);
    } catch (err) {
      if (scope) scope.failure ??= err;
      throw err;
    }
  };
  const connect = (): never => {
    throw new Error('a transaction of Prisma would be none of ours');
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
