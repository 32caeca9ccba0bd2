import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Caller, Clock, Log, Ports, Row } from '#services/core/ports.ts';
import { systemClock, systemRandom } from '#services/platform/crypto/system.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createPool, createSql, createTransact, type PoolSettings } from '#services/platform/postgres/pool.ts';

/** A text and its values in a list, or a template, which binds each value that it takes in. */
type Asked = readonly [text: string, values?: readonly unknown[]] | readonly [TemplateStringsArray, ...unknown[]];

/** SQL with which a test prepares or reads rows: ``rows`SELECT name FROM users WHERE id = ${id}` ``. */
export type RawSql<D = Row> = <R = D>(...asked: Asked) => Promise<R[]>;

/** The same over what runs a text with the values of `$1`, `$2` and so on. */
export const rawSql =
  <D = Row>(run: (text: string, values: readonly unknown[]) => Promise<unknown[]>): RawSql<D> =>
  <R = D>(...[text, ...rest]: Asked) => {
    const [numbered, values] =
      typeof text === 'string' ? [text, rest[0] ?? []] : [text.reduce((all, part, at) => `${all}$${at}${part}`), rest];
    return run(numbered, values as readonly unknown[]) as Promise<R[]>;
  };

/** Rows of one statement, by this connection or pool. */
export const rowsOf = <D = pg.QueryResultRow>(on: Pick<pg.ClientBase, 'query'>): RawSql<D> =>
  rawSql(async (text, values) => (await on.query(text, [...values])).rows);

/** What a use-case takes, on a real database. `end` closes its connections. */
export type TestPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'vault' | 'log'> & {
  readonly raw: RawSql;
  end(): Promise<void>;
};

export type PortsOptions = {
  readonly clock?: Clock;
  readonly keyEncryptionKey?: Uint8Array;
  readonly applicationName?: string;
  /** By default one of its own; `end` closes it. */
  readonly pool?: pg.Pool;
};

/** Opens ports on a database of `createTestDatabase`. An error of an `afterCommit` action fails the test. */
export function createTestPorts(url: string, options: PortsOptions = {}): TestPorts {
  const { applicationName = 'test', pool = createPatientPool({ url, connections: 8, applicationName }) } = options;
  const silent = (): void => {};
  const sql = createSql(pool);
  return {
    sql,
    raw: rawSql((text, values) => sql.query(defineStatement('', text), values)),
    transact: createTransact(pool, (err) => {
      throw err;
    }),
    clock: options.clock ?? systemClock,
    random: systemRandom,
    vault: createVault(options.keyEncryptionKey ?? Buffer.alloc(32, 7)),
    log: { debug: silent, info: silent, warn: silent, error: silent },
    end: () => pool.end(),
  };
}

/** A caller for what the test does itself. */
export const testCaller: Caller = {
  kind: 'system',
  name: 'test',
  request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
};

/** A client of the installation's own, by its secret, that may do this and nothing else. */
export const clientCaller = (
  clientId: string,
  permissions: readonly string[] = [],
): Caller & { readonly kind: 'client' } => ({
  kind: 'client',
  clientId,
  permissions: new Set(permissions),
  by: 'secret',
  isVetted: true,
  request: testCaller.request,
});

/** An agent of this user, by its secret, that may do this and nothing else. */
export const agentCaller = (
  clientId: string,
  ownerId: string,
  permissions: readonly string[] = [],
): Caller & { readonly kind: 'agent' } => ({
  kind: 'agent',
  clientId,
  ownerId,
  permissions: new Set(permissions),
  by: 'secret',
  request: testCaller.request,
});

type UserCaller = Caller & { readonly kind: 'user' };

/** A user of the installation's own client, by a token that may do nothing in particular, but for the changes. */
export const userCaller = (userId: string, changes: Partial<UserCaller> = {}): UserCaller => ({
  kind: 'user',
  userId,
  sessionId: null,
  clientId: 'sallyport',
  permissions: new Set(),
  by: 'bearer',
  tokenId: null,
  familyId: null,
  authTime: 0,
  request: testCaller.request,
  ...changes,
});

/** An unauthenticated caller at an IP address. */
export const callerAt = (ip: string): Caller => ({
  kind: 'anonymous',
  request: { ip, userAgent: 'guess', traceId: '', traceparent: '' },
});

/** Longer than a test waits for anything that comes. */
export const PATIENCE_MS = 60_000;

/** For what is tested without its deadlines; a transaction that a test holds stays until the test ends it. */
export const patient = {
  connectTimeoutMs: PATIENCE_MS,
  statementTimeoutMs: PATIENCE_MS,
  lockTimeoutMs: PATIENCE_MS,
  idleInTransactionTimeoutMs: 0,
};

export const createPatientPool = (
  settings: Pick<PoolSettings, 'url' | 'role' | 'connections' | 'applicationName' | 'genericPlans' | 'onLost'> &
    Partial<Pick<PoolSettings, 'idleInTransactionTimeoutMs'>>,
): pg.Pool => createPool({ ...patient, ...settings });

export const quietLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A connection with the owner rights of `dev-credentials.json`. */
export async function connectedClient(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

/** Rows of one statement, with the owner rights of `dev-credentials.json`: ``queryRows(url)`SELECT …` ``. */
export const queryRows = (databaseUrl: string): RawSql<pg.QueryResultRow> =>
  rawSql(async (text, values) => {
    const client = new pg.Client({ connectionString: databaseUrl });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(text, [...values])).rows;
    } finally {
      await client.end();
    }
  });

/** Statements past every trigger, as a superuser may run them. */
export async function runPastTriggers(databaseUrl: string, ...statements: readonly string[]): Promise<void> {
  const client = await connectedClient(databaseUrl);
  try {
    for (const statement of ['SET session_replication_role = replica', ...statements]) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A new database on the server of this one, with nothing in it at all. */
export async function createEmptyDatabase(serverUrl: string): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const [admin, url] = [new URL(serverUrl), new URL(serverUrl)];
  admin.pathname = '/postgres';
  url.pathname = `/${name}`;
  await queryRows(admin.href)(`CREATE DATABASE ${name}`);
  return {
    url: url.href,
    drop: async () => void (await queryRows(admin.href)(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}
