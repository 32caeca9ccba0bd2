// For tests only: two copies of identity on one database, for tests that guess passwords.
import { randomBytes } from 'node:crypto';
import type { Caller, HashAdmission, PasswordHasher } from '#services/core/ports.ts';
import { type HttpAnswer, type IdentityHarness, startIdentityHarness } from '#tools/testing/harness/identity.ts';
import { callerAt, queryRows } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { admitSignIn, countSignInFailure } from './sign-in-guard.ts';
import { readSignInStatus } from './sign-in-status.ts';

export type GuardHarness = {
  readonly one: IdentityHarness;
  readonly other: IdentityHarness;
  /** The admissions with which passwords entered the hashing queue. */
  readonly admissions: HashAdmission[];
  /** Runs while a password is being verified. */
  whileHashing: (() => Promise<unknown>) | undefined;
  /** Wraps a hasher, so that `admissions` and `whileHashing` observe its verifications. */
  watched(real: PasswordHasher): PasswordHasher;
  rows(text: string, values?: unknown[]): Promise<Json[]>;
  /** A network for each account, so that a test that locks one does not affect another test. */
  homeOf(email: string): Caller;
  /** Counts one wrong password as the use-case does, without hashing it. */
  fail(at: IdentityHarness, email: string, caller?: Caller, cookie?: string): Promise<'refused' | 'locked'>;
  /** Calls `fail` at both copies alternately. */
  failTimes(times: number, email: string, caller?: Caller): Promise<void>;
  statusOf(email: string): ReturnType<typeof readSignInStatus>;
  close(): Promise<void>;
};

/** Runs many calls concurrently, but no more than the two pools have connections for. */
export async function crowd<T>(size: number, work: (n: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < size; n = next++) results[n] = await work(n);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return results;
}
export const deviceOf = ({ cookie }: HttpAnswer): string => /sallyport\.device=[^;]+/.exec(cookie)?.[0] ?? '';

/** Starts both copies: one harness per test file. */
export async function openGuardHarness(): Promise<GuardHarness> {
  const database = await createTestDatabase();
  const admissions: HashAdmission[] = [];
  const homes = new Map<string, Caller>();

  const watched = (real: PasswordHasher): PasswordHasher => ({
    ...real,
    hash: (password, admission) => real.hash(password, admission),
    dummyDigest: real.dummyDigest,
    refusalOf: (admission) => real.refusalOf(admission),
    needsUpgrade: (digest) => real.needsUpgrade(digest),
    verify: async (password, digest, admission) => {
      admissions.push(admission);
      const matches = await real.verify(password, digest, admission);
      await harness.whileHashing?.();
      return matches;
    },
  });

  const homeOf = (email: string): Caller => {
    const home = homes.get(email) ?? callerAt(`10.1.${homes.size >> 8}.${homes.size & 255}`);
    homes.set(email, home);
    return home;
  };
  const fail: GuardHarness['fail'] = async (at, email, caller = homeOf(email), cookie) => {
    const seconds = await admitSignIn(at.deps, { email, cookie }, caller).then(
      (admitted) => at.deps.transact((tx) => countSignInFailure(tx, admitted, undefined, caller)),
      (err: { code: string }) => {
        if (err.code === 'login_locked') return 1;
        throw err;
      },
    );
    return seconds > 0 ? 'locked' : 'refused';
  };

  const authSecret = randomBytes(32).toString('base64url');
  const options = { databaseUrl: database.url, redisUrl: testRedisUrl(), authSecret, around: { hasher: watched } };
  const one = await startIdentityHarness(options);
  const other = await startIdentityHarness(options);
  const harness: GuardHarness = {
    one,
    other,
    admissions,
    whileHashing: undefined,
    watched,
    rows: (text, values = []) => queryRows<Json>(database.url, text, values),
    homeOf,
    fail,
    async failTimes(times, email, caller = homeOf(email)) {
      for (let n = 0; n < times; n += 1) await fail(n % 2 === 0 ? one : other, email, caller);
    },
    statusOf: (email) => readSignInStatus(one.deps, email),
    async close() {
      await one.close();
      await other.close();
      await database.drop();
    },
  };
  return harness;
}
