import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson } from '#tools/testing/harness/identity.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import { type AdmittedSignIn, admitSignIn, countSignInFailure, forgiveSignIn } from './sign-in-guard.ts';
import { crowd, deviceOf, type GuardHarness, openGuardHarness } from './sign-in-guard-harness.ts';

let guard: GuardHarness;
let harness: IdentityHarness;
let other: IdentityHarness;
beforeAll(async () => {
  guard = await openGuardHarness();
  ({ one: harness, other } = guard);
});
afterAll(() => guard?.close());

test('a known device that failed five times is locked even with the correct password, and gets a new cookie after the lock', async () => {
  const person = newPerson();
  const cookie = deviceOf(await signUp(harness, person));
  const key = `key LIKE 'device:%'`;
  for (let n = 0; n < 5; n += 1)
    await guard.fail(n % 2 ? harness : other, person.email, guard.homeOf(person.email), cookie);
  expect((await signIn(other, person, { cookie })).status).toBe(429);
  await guard.rows(`UPDATE login_failures SET failures = 10, locked_until = NULL WHERE ${key}`);
  const answer = await signIn(harness, person, { cookie });
  expect([answer.status, deviceOf(answer)]).toEqual([200, expect.stringMatching(/./)]);
  expect(await guard.rows(`SELECT 1 FROM login_failures WHERE ${key}`)).toEqual([]);
});

describe('a network', () => {
  test('is locked after failures for a hundred accounts over all copies, and stores at most 64 of the names', async () => {
    const caller = callerAt('198.51.100.7');
    await crowd(100, (n) => guard.fail(n % 2 ? harness : other, newPerson().email, caller));
    await expect(admitSignIn(harness.deps, { email: newPerson().email }, caller)).rejects.toMatchObject({
      code: 'login_locked',
    });
    const [network] = await guard.rows(
      `SELECT cardinality(tried) AS tried, successes FROM login_failures WHERE locked_until IS NOT NULL AND key LIKE 'network:%'`,
    );
    expect(network).toEqual({ tried: 64, successes: 0 });
  });

  test('concurrent failures and successes in one network never deadlock', async () => {
    const caller = callerAt('198.51.100.20');
    const names = Array.from({ length: 8 }, () => newPerson().email);
    const each = async (email: string, isRight: boolean, at: IdentityHarness): Promise<void> => {
      const admitted: AdmittedSignIn | null = await admitSignIn(at.deps, { email }, caller).catch(() => null);
      if (admitted === null) return;
      const work = at.deps.transact(async (tx) => {
        if (isRight) await forgiveSignIn(tx, admitted);
        else await countSignInFailure(tx, admitted, undefined, caller);
      });
      await work.catch((err: Error & { code: string }) => expect(err.code, String(err.cause)).toBe('login_locked'));
    };
    await crowd(160, (n) => each(names[n % 8] as string, n % 3 === 0, n % 2 ? harness : other));
    const [{ successes }] = await guard.rows(
      `SELECT max(successes) AS successes FROM login_failures WHERE key LIKE 'network:%'`,
    );
    expect(successes).toBeGreaterThan(0);
  });
});
