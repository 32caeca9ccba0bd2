// For tests only: API copies that wait for the same row, and another transaction, which the test holds open.
import type pg from 'pg';
import { expect } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import {
  type FamilyCopy,
  type FamilyCopyOptions,
  insertUser,
  refreshSettings,
} from '#tools/testing/fixtures/families.ts';
import { PATIENCE_MS, patient, rowsOf } from '#tools/testing/harness/ports.ts';
import type { CreatedFamily, NewFamily } from './create-family.ts';
import { type FamilyHarness, openFamilyHarness } from './family-harness.ts';
import type { PresentedToken } from './refresh-families.store.ts';
import { type CheckedRefreshToken, checkRefreshToken } from './refresh-token-format.ts';

type OpenTransaction = { client: pg.PoolClient; sql: Sql; end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> };

type ContentionHarness = Pick<FamilyHarness, 'close'> & {
  readonly copy: FamilyCopy;
  /** A copy without grace. */
  readonly strict: FamilyCopy;
  /** Opens another copy with the short lock timeout of the product. */
  copyWith(options?: Partial<FamilyCopyOptions>): FamilyCopy;
  newFamily(family?: Partial<NewFamily>, at?: FamilyCopy): Promise<CreatedFamily>;
  successor(token: string): string;
  /** The token as a client presents it without naming itself. */
  presentedOf(token: string): Omit<PresentedToken, 'notAfterMs'>;
  generationOf(familyId: string): Promise<number>;
  openTransaction(): Promise<OpenTransaction>;
  /** Resolves when this many statements wait for a lock in this database. */
  waiters(count: number): Promise<void>;
};

/** A grace window so long that it does not close during a slow test. */
export const settings = { ...refreshSettings, graceSeconds: 3_600 };

export async function openContentionHarness(): Promise<ContentionHarness> {
  const harness = await openFamilyHarness();
  const { secrets, incarnation } = harness;
  const copyWith: ContentionHarness['copyWith'] = (options = {}) =>
    harness.copyWith({}, { lockTimeoutMs: 200, settings, ...options });
  const copy = copyWith(patient);
  const strict = copyWith({ ...patient, settings: { ...settings, graceSeconds: 0 } });
  const checked = (token: string): CheckedRefreshToken =>
    checkRefreshToken(token, [''], secrets, incarnation) as CheckedRefreshToken;
  return {
    close: harness.close,
    copy,
    strict,
    copyWith,
    newFamily: async (family = {}, at = copy) => at.create({ user_id: await insertUser(copy.pool), ...family }),
    successor: (token) => harness.forge(token, checked(token).generation + 1),
    presentedOf: (token) => {
      const { familyBytes, generation, kv, nonceHash } = checked(token);
      return {
        familyBytes,
        generation,
        kv,
        nonceHash,
        isClientBound: false,
        clientId: null,
        isClientAuthenticated: false,
        ipHash: null,
        agentHash: null,
        traceparent: null,
      };
    },
    generationOf: async (familyId) => (await harness.rowOf(familyId)).generation,
    openTransaction: async () => {
      const client = await copy.pool.connect();
      await client.query('BEGIN');
      return {
        client,
        sql: { query: async (statement, values = []) => (await client.query(statement.text, [...values])).rows },
        end: async (how) => {
          await client.query(how);
          client.release();
        },
      };
    },
    waiters: (count) =>
      expect
        .poll(
          async () =>
            (
              await rowsOf(copy.pool)`SELECT count(*)::int FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'`
            )[0]?.count,
          { interval: 5, timeout: PATIENCE_MS },
        )
        .toBe(count),
  };
}
