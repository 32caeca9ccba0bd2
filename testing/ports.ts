import type { Caller, Clock, Ports, Row } from '../services/domain/ports.ts';
import { systemClock, systemRandom } from '../services/platform/crypto/system.ts';
import { createVault } from '../services/platform/crypto/vault.ts';
import { defineStatement } from '../services/platform/define/statement.ts';
import { createSql, createTransact } from '../services/platform/postgres/pool.ts';
import { createPatientPool } from './patient-stores.ts';

/** What a use-case takes, on a real database. `end` closes its connections. */
export type TestPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'vault' | 'log'> & {
  /** SQL of the test's own: to set a scene, or to look at rows. */
  raw<R = Row>(text: string, values?: readonly unknown[]): Promise<R[]>;
  end(): Promise<void>;
};

export type PortsOptions = {
  readonly clock?: Clock;
  readonly keyEncryptionKey?: Uint8Array;
  readonly applicationName?: string;
};

/** Opens ports on a database of `createTestDatabase`. An error of an `afterCommit` action fails the test. */
export function createTestPorts(url: string, options: PortsOptions = {}): TestPorts {
  const pool = createPatientPool({ url, connections: 8, applicationName: options.applicationName ?? 'test' });
  const silent = (): void => {};
  const sql = createSql(pool);
  return {
    sql,
    raw: (text, values = []) => sql.query(defineStatement('', text), values),
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
  by: 'client',
  isVetted: true,
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

/** Somebody at an address, who is nobody yet. */
export const callerAt = (ip: string): Caller => ({
  kind: 'anonymous',
  request: { ip, userAgent: 'guess', traceId: '', traceparent: '' },
});
