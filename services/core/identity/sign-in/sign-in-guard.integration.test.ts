import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Caller, HashAdmission, PasswordHasher } from '#services/core/ports.ts';
import { signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import {
  type HttpAnswer,
  type IdentityHarness,
  newPerson,
  startIdentityHarness,
} from '#tools/testing/harness/identity.ts';
import { callerAt, queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { forgiveFailures } from '../users/sign-in-failures.store.ts';
import { accountKeyOf, LOCK_POLICY, PASSWORD_FAILURES_EVER } from './sign-in-counters.ts';
import {
  type AdmittedSignIn,
  admitSignIn,
  clearSignInFailures,
  countSignInFailure,
  disablePasswordSignIn,
  forgiveSignIn,
} from './sign-in-guard.ts';
import { forgetDevices } from './sign-in-origin.ts';
import { readSignInStatus } from './sign-in-status.ts';

/** Runs many calls concurrently, but no more than the two pools have connections for. */
async function crowd<T>(size: number, work: (n: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < size; n = next++) results[n] = await work(n);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return results;
}
const deviceOf = ({ cookie }: HttpAnswer): string => /sallyport\.device=[^;]+/.exec(cookie)?.[0] ?? '';

/** The admissions with which passwords entered the hashing queue. */
const admissions: HashAdmission[] = [];
/** Runs while a password is being verified. */
let whileHashing: (() => Promise<unknown>) | undefined;
/** Wraps a hasher, so that `admissions` and `whileHashing` observe its verifications. */
const watched = (real: PasswordHasher): PasswordHasher => ({
  ...real,
  hash: (password, admission) => real.hash(password, admission),
  dummyDigest: real.dummyDigest,
  refusalOf: (admission) => real.refusalOf(admission),
  needsUpgrade: (digest) => real.needsUpgrade(digest),
  verify: async (password, digest, admission) => {
    admissions.push(admission);
    const matches = await real.verify(password, digest, admission);
    await whileHashing?.();
    return matches;
  },
});

const database = opened(createTestDatabase);
const shared = { redisUrl: testRedisUrl(), authSecret: randomBytes(32).toString('base64url') };
const start = () => startIdentityHarness({ ...shared, databaseUrl: database.url, around: { hasher: watched } });
const harness = opened(start);
const other = opened(start);

const rows = rawSql<Json>((text, values) => queryRows(database.url)(text, values));
const homes = new Map<string, Caller>();
/** A network for each account, so that a test that locks one does not affect another test. */
function homeOf(email: string): Caller {
  const home = homes.get(email) ?? callerAt(`10.1.${homes.size >> 8}.${homes.size & 255}`);
  homes.set(email, home);
  return home;
}
/** Counts one wrong password as the use-case does, without hashing it. */
async function fail(at: IdentityHarness, email: string, caller = homeOf(email), cookie?: string) {
  const seconds = await admitSignIn(at.deps, { email, cookie }, caller).then(
    (admitted) => at.deps.transact((tx) => countSignInFailure(tx, admitted, undefined, caller)),
    (err: { code: string }) => {
      if (err.code === 'login_locked') return 1;
      throw err;
    },
  );
  return seconds > 0 ? 'locked' : 'refused';
}
/** Calls `fail` at both copies alternately. */
async function failTimes(times: number, email: string, caller = homeOf(email)): Promise<void> {
  for (let n = 0; n < times; n += 1) await fail(n % 2 === 0 ? harness : other, email, caller);
}
const statusOf = (email: string) => readSignInStatus(harness.deps, email);

test('a known device that failed five times is locked even with the correct password, and gets a new cookie after the lock', async () => {
  const person = newPerson();
  const cookie = deviceOf(await signUp(harness, person));
  const key = `key LIKE 'device:%'`;
  for (let n = 0; n < 5; n += 1) await fail(n % 2 ? harness : other, person.email, homeOf(person.email), cookie);
  expect((await signIn(other, person, { cookie })).status).toBe(429);
  await rows(`UPDATE login_failures SET failures = 10, locked_until = NULL WHERE ${key}`);
  const answer = await signIn(harness, person, { cookie });
  expect([answer.status, deviceOf(answer)]).toEqual([200, expect.stringMatching(/./)]);
  expect(await rows(`SELECT 1 FROM login_failures WHERE ${key}`)).toEqual([]);
});

describe('a network', () => {
  test('is locked after failures for a hundred accounts over all copies, and stores at most 64 of the names', async () => {
    const caller = callerAt('198.51.100.7');
    await crowd(100, (n) => fail(n % 2 ? harness : other, newPerson().email, caller));
    await expect(admitSignIn(harness.deps, { email: newPerson().email }, caller)).rejects.toMatchObject({
      code: 'login_locked',
    });
    const [network] = await rows`SELECT cardinality(tried) AS tried, successes FROM login_failures
      WHERE locked_until IS NOT NULL AND key LIKE 'network:%'`;
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
    const [{ successes }] =
      await rows`SELECT max(successes) AS successes FROM login_failures WHERE key LIKE 'network:%'`;
    expect(successes).toBeGreaterThan(0);
  });
});

/** Moves the counters back in time. */
const age = (email: string, seconds: number) =>
  rows`UPDATE login_failures SET window_began_at = window_began_at - ${seconds} * interval '1 second',
    locked_until = locked_until - ${seconds} * interval '1 second' WHERE key = ${accountKeyOf(harness.deps, email)}`;
const comparable = (answer: HttpAnswer) => ({
  status: answer.status,
  body: { ...answer.body, trace_id: '' },
  headers: [...answer.headers.keys()].filter((name) => name !== 'date').sort(),
  retryAfter: answer.headers.get('retry-after'),
});

describe('a guessed password', () => {
  test('five wrong passwords lock the account for unknown devices: the sixth is refused before it is hashed, even if it is right', async () => {
    const person = newPerson();
    const { cookie } = await signUp(harness, person);
    const unknown = { ...newPerson(), password: 'not the password at all' };
    const answers: Record<'known' | 'unknown', ReturnType<typeof comparable>[]> = { known: [], unknown: [] };
    await failTimes(4, person.email);
    await failTimes(4, unknown.email);
    answers.known.push(comparable(await signIn(harness, { email: person.email, password: 'wrong wrong wrong' })));
    answers.unknown.push(comparable(await signIn(harness, unknown)));
    admissions.length = 0;
    answers.known.push(comparable(await signIn(other, person)));
    answers.unknown.push(comparable(await signIn(other, unknown)));
    expect(admissions, 'nothing was hashed').toEqual([]);
    expect(answers.known.map(({ status }) => status)).toEqual([401, 429]);
    const [locked] = answers.known.slice(-1);
    expect(locked?.body).toMatchObject({ code: 'login_locked', retryable: true });
    expect(Number(locked?.retryAfter)).toBeGreaterThan(600);
    expect(Number(locked?.retryAfter)).toBeLessThanOrEqual(900);

    // No response reveals which of the two has an account.
    const withoutSeconds = (list: ReturnType<typeof comparable>[]) => list.map(({ retryAfter: _, ...rest }) => rest);
    expect(withoutSeconds(answers.unknown)).toEqual(withoutSeconds(answers.known));
    expect(await statusOf(person.email)).toMatchObject({ failedLogins: 5, isSpent: false });

    // Other users cannot lock out a known browser: it may still sign in and keeps its place in the queue.
    admissions.length = 0;
    const again = await signIn(other, person, { cookie: deviceOf({ cookie } as HttpAnswer) });
    expect(again.status, again.text).toBe(200);
    expect(admissions).toMatchObject([{ knownDevice: true }]);
    expect(await statusOf(person.email)).toEqual({ failedLogins: 0, lockedUntil: null, isSpent: false });
    expect((await signIn(harness, person)).status, 'a success has cleared the lock').toBe(200);
  });

  test('a new password makes every browser unknown: old cookies are locked like all others', async () => {
    const person = newPerson();
    const { cookie, body } = await signUp(harness, person);
    await failTimes(5, person.email);
    await rows`UPDATE users SET "passwordChangedAt" = clock_timestamp() + interval '5 seconds'
      WHERE id = ${body.user.id}`;
    const sent = { cookie: deviceOf({ cookie } as HttpAnswer) };
    expect((await signIn(harness, person, sent)).status).toBe(429);
  });

  test('a device that was forgotten while its password was verified is evaluated again as unknown', async () => {
    const person = newPerson();
    const { cookie, body } = await signUp(harness, person);
    const { id: userId, email } = body.user;
    const sent = { cookie: deviceOf({ cookie } as HttpAnswer) };
    whileHashing = async () => {
      whileHashing = undefined;
      await other.deps.transact(async (tx) => {
        await forgetDevices(tx, userId);
        await disablePasswordSignIn(tx, other.deps, { userId, email });
      });
    };
    const answer = await signIn(harness, person, sent);
    whileHashing = undefined;
    expect([answer.status, answer.body.code]).toEqual([429, 'login_locked']);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await statusOf(email)).toMatchObject({ failedLogins: PASSWORD_FAILURES_EVER, isSpent: true });
  });

  test('counters of an account name its user, so that they are not purged; counters of an unknown address name none', async () => {
    const person = newPerson();
    const { body } = await signUp(harness, person);
    const owner = async (email: string) =>
      (await rows`SELECT user_id FROM login_failures WHERE key = ${accountKeyOf(harness.deps, email)}`)[0].user_id;
    await fail(harness, person.email);
    expect(await owner(person.email), 'an address whose account was not looked up').toBeNull();
    expect((await signIn(harness, { email: person.email, password: 'wrong wrong wrong' })).status).toBe(401);
    expect(await owner(person.email)).toBe(body.user.id);
    await fail(harness, person.email);
    expect(await owner(person.email)).toBe(body.user.id);
    const unknown = newPerson();
    expect((await signIn(harness, unknown)).status).toBe(401);
    expect(await owner(unknown.email)).toBeNull();
    await rows`DELETE FROM users WHERE id = ${body.user.id}`;
    expect(await statusOf(person.email)).toMatchObject({ failedLogins: 0 });
  });

  test('the network window comes from the policy and is passed to the database', async () => {
    const caller = callerAt('198.51.100.90');
    for (let n = 0; n < 3; n += 1) await fail(harness, newPerson().email, caller);
    const { clearedKeys } = await admitSignIn(harness.deps, { email: newPerson().email }, caller);
    const names = (windowSeconds: number) =>
      harness.deps.transact((tx) =>
        forgiveFailures(tx, clearedKeys, [], { failuresEver: PASSWORD_FAILURES_EVER, windowSeconds }),
      );
    await rows`UPDATE login_failures SET window_began_at = now() - interval '20 minutes'
      WHERE key = ANY (${clearedKeys})`;
    expect((await names(LOCK_POLICY.windowSeconds)).tried_names).toBe(0);
    expect((await names(1_800)).tried_names).toBe(3);
  });

  test('each attempt writes one event and the lock another one, and the public log names no account', async () => {
    const email = newPerson().email;
    await failTimes(7, email);
    const { identifier } = await admitSignIn(harness.deps, { email: newPerson().email }, homeOf(email));
    expect(identifier).toMatch(/^1\./);
    const [own] = await rows`SELECT detail->>'identifier' AS id FROM audit_outbox
      WHERE type = 'user.login' ORDER BY audit_outbox.id DESC LIMIT 1`;
    const events = await rows`SELECT type, outcome, target_id, detail->>'of' AS of FROM audit_outbox
      WHERE detail->>'identifier' = ${own.id} ORDER BY id`;
    const login = (outcome: string) => ({ type: 'user.login', outcome, target_id: null, of: null });
    expect(events).toEqual([
      ...Array.from({ length: 5 }, () => login('refused')),
      { type: 'user.login_locked', outcome: 'refused', target_id: null, of: 'account' },
      login('locked'),
      login('locked'),
    ]);
  });

  test('fifty concurrent failures on two copies are all counted, and at most five reveal whether the password was right (CVE-2024-4629, Keycloak: guesses sent at once went past the lock)', async () => {
    const { email } = newPerson();
    const home = homeOf(email);
    const admitted = await crowd(50, (n) => admitSignIn((n % 2 ? harness : other).deps, { email }, home));
    const lockedSeconds = await crowd(50, (n) =>
      (n % 2 ? harness : other).deps.transact((tx) =>
        countSignInFailure(tx, admitted[n] as AdmittedSignIn, undefined, home),
      ),
    );
    expect(lockedSeconds.filter((seconds) => seconds === 0)).toHaveLength(5);
    expect(await statusOf(email)).toMatchObject({ failedLogins: 50 });
    const [{ locks }] = await rows`SELECT locks FROM login_failures WHERE key = ${accountKeyOf(harness.deps, email)}`;
    expect(locks, 'failures during a lock do not extend it').toBe(1);
  });

  test('a correct password is refused if a lock began while it was being verified', async () => {
    const person = newPerson();
    await signUp(harness, person);
    whileHashing = () =>
      Promise.all(Array.from({ length: 5 }, () => fail(other, person.email, callerAt('203.0.113.9'))));
    const answer = await signIn(harness, person);
    whileHashing = undefined;
    expect([answer.status, answer.body.code, answer.headers.getSetCookie()]).toEqual([429, 'login_locked', []]);
    const sessions =
      await rows`SELECT 1 FROM sessions s JOIN users u ON u.id = s."userId" WHERE u.email = ${person.email}`;
    expect(sessions).toHaveLength(1);
  });

  test('a wrong password gets the same response, if a lock began while it was being verified', async () => {
    const { email } = newPerson();
    whileHashing = () => Promise.all(Array.from({ length: 5 }, () => fail(other, email, callerAt('203.0.113.9'))));
    const answer = await signIn(harness, { email, password: 'not the right one' });
    whileHashing = undefined;
    expect([answer.status, answer.body.code]).toEqual([429, 'login_locked']);
  });

  test('each lock is twice as long as the last, up to a day', async () => {
    const { email } = newPerson();
    const seconds: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      await failTimes(5, email);
      const until = (await statusOf(email)).lockedUntil;
      seconds.push(Math.round((Date.parse(until as string) - harness.deps.clock.now()) / 60_000) * 60);
      await age(email, 86_400);
    }
    expect(seconds).toEqual([900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400]);
  });

  test('four wrong passwords an hour lock no account, but are counted permanently', async () => {
    const { email } = newPerson();
    for (let hour = 0; hour < 5; hour += 1) {
      await failTimes(4, email);
      await age(email, 3_600);
    }
    expect(await statusOf(email)).toEqual({ failedLogins: 20, lockedUntil: null, isSpent: false });
  });

  test('the hundredth consecutive failure disables the password alone, regardless of time, address, /64 and copy', async () => {
    const person = newPerson();
    const { cookie } = await signUp(harness, person);
    await failTimes(1, person.email);
    await rows`UPDATE login_failures SET failures = ${PASSWORD_FAILURES_EVER - 6}
      WHERE key = ${accountKeyOf(harness.deps, person.email)}`;
    for (let n = 0; n < 6; n += 1) {
      expect((await statusOf(person.email)).isSpent).toBe(false);
      // Each from its own /64.
      await fail(n % 2 ? harness : other, person.email, callerAt(`2001:db8:0:${n.toString(16)}::1`));
      await age(person.email, 90_000);
    }
    await age(person.email, 10 * 365 * 86_400);
    expect(await statusOf(person.email)).toEqual({ failedLogins: 100, lockedUntil: null, isSpent: true });
    const refused = await signIn(harness, person);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '86400']);
    expect((await signIn(other, person, { cookie: deviceOf({ cookie } as HttpAnswer) })).status).toBe(200);
    expect((await signIn(harness, person)).status, 'reset by success').toBe(200);
  });

  test('a mailed code, a new password or an administrator clears the lock', async () => {
    const { email } = newPerson();
    await failTimes(5, email);
    expect(await fail(harness, email)).toBe('locked');
    expect(await harness.deps.transact((tx) => clearSignInFailures(tx, harness.deps, email.toUpperCase()))).toBe(5);
    expect(await harness.deps.transact((tx) => clearSignInFailures(tx, harness.deps, email))).toBeUndefined();
    expect(await fail(other, email)).toBe('refused');
  });
});
