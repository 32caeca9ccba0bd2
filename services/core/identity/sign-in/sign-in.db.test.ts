import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, test } from 'vitest';
import { createAccessDirectory } from '#services/core/access/access-directory.ts';
import { signingUnavailable } from '#services/core/keys/errors.ts';
import type { Caller, HashAdmission, PasswordHasher } from '#services/core/ports.ts';
import { HasherBusyError } from '#services/platform/hasher/errors.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { cookieOf, type Holder, openFactorsHarness } from '../factors/factors-harness.ts';
import { type SignInInput, type SignInPorts, signIn } from './sign-in.ts';

const harness = opened(openFactorsHarness);

let networks = 0;
/** A user on a network without failures. */
const newcomer = (): Caller => callerAt(`198.51.100.${++networks}`);
const enter = (
  input: Partial<SignInInput> & { readonly email: string },
  ports: Partial<SignInPorts> = {},
  caller = newcomer(),
) => signIn({ ...harness.deps, ...ports }, { password: harness.password, ...input }, caller);
/** A hasher that runs this once, after the password was verified and before the result is used. */
const whenJudged = (act: () => Promise<unknown>): { readonly hasher: PasswordHasher } => {
  let acts = act;
  const { hasher } = harness.deps;
  const verify: PasswordHasher['verify'] = async (...args) => {
    const matches = await hasher.verify(...args);
    await acts();
    acts = async () => {};
    return matches;
  };
  return { hasher: { ...hasher, verify } };
};
const loginsOf = async (userId: string) =>
  (
    await harness.rows`SELECT outcome, detail FROM audit_outbox
      WHERE type = 'user.login' AND target_id = ${userId} ORDER BY id`
  ).map(({ outcome, detail }) => ({ outcome, ...detail }));
const sessionsOf = async (userId: string): Promise<string[]> =>
  (await harness.rows`SELECT id FROM sessions WHERE "userId" = ${userId}`).map(({ id }) => id);
/** A user whose password has an old, weaker digest. */
async function withWeakDigest(): Promise<Holder> {
  const person = await harness.person();
  const weak = hashSync(harness.password, 4);
  await harness.rows`UPDATE accounts SET password = ${weak} WHERE "userId" = ${person.id}`;
  await harness.rows`DELETE FROM sessions WHERE "userId" = ${person.id}`;
  return person;
}
const digestOf = async ({ id }: Holder): Promise<string> =>
  (await harness.rows`SELECT password FROM accounts WHERE "userId" = ${id}`)[0].password;

describe('the correct password', () => {
  test('opens a session for its browser, with a token pair, and the audit log records it; addresses are case-insensitive', async () => {
    const person = await harness.person();
    const caller = newcomer();
    const { body, setCookie } = await enter({ email: person.email.toUpperCase() }, {}, caller);
    expect(body).toMatchObject({
      user: { id: person.id, email: person.email },
      session: { userId: person.id, ipAddress: caller.request.ip, userAgent: 'guess' },
      tokens: { token_type: 'Bearer' },
    });
    expect(setCookie.map((line) => line.slice(0, line.indexOf('=')))).toEqual([
      'better-auth.session_token',
      'sallyport.csrf',
      'sallyport.device',
    ]);
    expect((await harness.callerBy(cookieOf({ setCookie }))).sessionId).toBe(body.session.id);
    expect(await loginsOf(person.id)).toEqual([
      expect.objectContaining({ outcome: 'ok', factor: 'password', session_id: body.session.id, known_device: false }),
    ]);
  });

  test('ends the browser’s previous session and no other (session fixation)', async () => {
    const [before, person] = [await harness.person(), await harness.person()];
    const { body } = await enter({ email: person.email, cookie: before.cookie });
    // Its response comes after the process has read that revocation.
    expect(harness.deps.revocations.isSessionEnded(before.sessionId)).toBe(true);
    expect(await sessionsOf(before.id)).toEqual([]);
    expect((await sessionsOf(person.id)).sort()).toEqual([person.sessionId, body.session.id].sort());
  });

  test('from a browser that has signed in before is recorded as a known device', async () => {
    const person = await harness.person();
    const { setCookie } = await enter({ email: person.email });
    await enter({ email: person.email, cookie: cookieOf({ setCookie }) });
    expect((await loginsOf(person.id)).map(({ known_device }) => known_device)).toEqual([false, true]);
  });

  test('with a second factor opens no session: a challenge is returned and recorded', async () => {
    const holder = await harness.appHolder();
    await expect(enter({ email: holder.email })).rejects.toMatchObject({
      code: 'second_factor_required',
      options: { members: { challenge: expect.any(String), factors: ['totp', 'recovery_code'] } },
    });
    expect(await sessionsOf(holder.id)).toEqual([holder.sessionId]);
    expect(await loginsOf(holder.id)).toMatchObject([{ outcome: 'second_factor_asked', factor: 'password' }]);
  });

  test('of an unverified address opens no session while verification is required', async () => {
    const person = await harness.person();
    const strict = { verificationRequired: true };
    await expect(enter({ email: person.email }, strict)).rejects.toMatchObject({ code: 'email_unverified' });
    expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
    expect(await loginsOf(person.id)).toMatchObject([{ outcome: 'refused', reason: 'email_unverified' }]);
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${person.id}`;
    expect((await enter({ email: person.email }, strict)).body.user.id).toBe(person.id);
  });

  test('with a weak digest is accepted and the digest is upgraded, which ends no session', async () => {
    const person = await withWeakDigest();
    const { body } = await enter({ email: person.email });
    await expect.poll(() => digestOf(person)).toMatch(/^\$2b\$12\$/);
    expect(await sessionsOf(person.id)).toEqual([body.session.id]);
  });
});

describe('a refusal', () => {
  test('is the same for a wrong or unhashable password, an unknown address, and an account that is disabled or has no password', async () => {
    const [person, disabled, social] = [await harness.person(), await harness.person(), await harness.person()];
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    await harness.rows`DELETE FROM accounts WHERE "userId" = ${social.id}`;
    const before = await sessionsOf(person.id);
    const refusals: unknown[] = [];
    for (const input of [
      { email: person.email, password: newPassword() },
      { email: newEmail() },
      { email: disabled.email },
      { email: social.email },
      { email: person.email, password: 'lone \ud800 surrogate' },
      { email: person.email, password: '' },
    ])
      refusals.push(await enter(input).catch(({ code, options }) => ({ code, options })));
    expect(refusals).toEqual(refusals.map(() => ({ code: 'login_refused', options: {} })));
    expect(await loginsOf(person.id)).toMatchObject([
      { outcome: 'refused', known_device: false },
      { outcome: 'refused' },
      { outcome: 'refused' },
    ]);
    expect(await loginsOf(disabled.id)).toMatchObject([{ outcome: 'refused' }]);
    expect(await sessionsOf(person.id)).toEqual(before);
  });

  test('for the fifth time locks the account for unknown browsers, even with the correct password, but not for a known browser', async () => {
    const person = await harness.person();
    const { setCookie } = await enter({ email: person.email });
    for (let tries = 0; tries < 5; tries += 1)
      expect(await outcomeOf(enter({ email: person.email, password: 'wrong password' }))).toBe('login_refused');
    const locked = await enter({ email: person.email }).catch((err) => err);
    expect(locked.code).toBe('login_locked');
    expect(locked.options.retryAfterSeconds).toBeGreaterThan(0);
    expect((await loginsOf(person.id)).filter(({ outcome }) => outcome === 'ok')).toHaveLength(1);
    expect((await enter({ email: person.email, cookie: cookieOf({ setCookie }) })).body.user.id).toBe(person.id);
  });

  test('for a full hashing queue happens before any read or count, and the queue keeps places for known devices', async () => {
    const person = await harness.person();
    const cookie = cookieOf(await enter({ email: person.email }));
    const refusalOf = ({ knownDevice }: HashAdmission) => (knownDevice ? undefined : new HasherBusyError('full', 3));
    const hasher = { ...harness.deps.hasher, refusalOf };
    const ran = () => expect.fail('a statement was run');
    const sql = new Proxy(harness.deps.sql, { get: ran, apply: ran });
    await expect(enter({ email: person.email }, { hasher, sql })).rejects.toMatchObject({
      code: 'hashing_busy',
      options: { retryAfterSeconds: 3 },
    });
    expect((await enter({ email: person.email, cookie }, { hasher })).body.user.id).toBe(person.id);
    expect((await loginsOf(person.id)).map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
  });

  test('by a copy with a rewound database happens first, because the copy may have lost revocations', async () => {
    const person = await harness.person();
    const { revocations: real } = harness.deps;
    const revocations = { ...real, issuingRefusal: () => 'state_rewound' as const };
    await expect(enter({ email: person.email }, { revocations })).rejects.toMatchObject({ code: 'state_rewound' });
    expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
  });

  test('a client that disconnects frees its place in the hashing queue', async () => {
    const person = await harness.person();
    const gone = new AbortController();
    const ahead = enter({ email: person.email });
    const left = enter({ email: person.email, signal: gone.signal });
    gone.abort();
    await expect(left).rejects.toMatchObject({ code: 'hashing_busy' });
    await ahead;
  });
});

describe('between verification of the password and the session', () => {
  test.each([
    ['another password', `UPDATE accounts SET password = password || ' ' WHERE "userId" = $1`],
    ['a disabled account', `UPDATE users SET "disabledAt" = now() WHERE id = $1`],
    ['a deleted account', 'DELETE FROM users WHERE id = $1'],
  ])('%s is refused like a wrong password, and no session is opened', async (_what, change) => {
    const person = await harness.person();
    await harness.rows`DELETE FROM sessions WHERE "userId" = ${person.id}`;
    const entered = overtaken(harness.pool, person.id, change, () => enter({ email: person.email }));
    await expect(entered).rejects.toMatchObject({ code: 'login_refused' });
    expect(await sessionsOf(person.id)).toEqual([]);
    expect(await loginsOf(person.id)).toMatchObject([{ outcome: 'refused' }]);
  });

  test('if the account forgets its devices, the browser is evaluated again as unknown', async () => {
    const person = await harness.person();
    const { setCookie } = await enter({ email: person.email });
    const forget = `UPDATE users SET "devicesSince" = now() + interval '1 hour' WHERE id = $1`;
    const forgetting = whenJudged(() => harness.rows(forget, [person.id]));
    await enter({ email: person.email, cookie: cookieOf({ setCookie }) }, forgetting);
    expect((await loginsOf(person.id)).map(({ known_device }) => known_device)).toEqual([false, false]);
  });

  test('a digest upgraded by a concurrent sign-in is verified again', async () => {
    const person = await withWeakDigest();
    const weak = await digestOf(person);
    const upgrade = 'SELECT account_password_upgrade($1, $2, $3)';
    const upgrading = whenJudged(() => harness.rows(upgrade, [person.id, weak, harness.digest]));
    const { body } = await enter({ email: person.email }, upgrading);
    expect(await sessionsOf(person.id)).toEqual([body.session.id]);
    expect(await loginsOf(person.id)).toMatchObject([{ outcome: 'ok' }]);
    expect(await digestOf(person)).toBe(harness.digest);
  });

  test('an internal failure is not answered as a wrong password and is not counted', async () => {
    const person = await harness.person();
    const unread = createAccessDirectory(harness.deps);
    await expect(enter({ email: person.email }, { access: unread })).rejects.toThrow('a required value is missing');
    expect(await loginsOf(person.id)).toEqual([]);
    expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
  });
});

test('a sign-in on a database found older in the meantime gets no response, and its session ends', async () => {
  const person = await harness.person();
  let isRewound = false;
  const { revocations: real } = harness.deps;
  const revocations = { ...real, issuingRefusal: () => (isRewound ? ('state_rewound' as const) : null) };
  const rewinding = whenJudged(async () => {
    isRewound = true;
  });
  expect(await outcomeOf(enter({ email: person.email }, { ...rewinding, revocations }))).toBe('state_rewound');
  expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
});

describe('a session whose tokens cannot be signed', () => {
  const unsigned = () => ({
    keyRing: { ...harness.deps.keyRing, sign: () => Promise.reject(signingUnavailable({ retryAfterSeconds: 1 })) },
  });

  test('ends, because its cookie was never sent', async () => {
    const person = await harness.person();
    await expect(enter({ email: person.email }, unsigned())).rejects.toMatchObject({ code: 'signing_unavailable' });
    expect(await sessionsOf(person.id)).toEqual([person.sessionId]);
    const [family] = await harness.rows`SELECT revoke_reason FROM refresh_families
      WHERE user_id = ${person.id} AND sid <> ${person.sessionId}`;
    expect(family).toEqual({ revoke_reason: 'issue_failed' });
  });

  test('is answered as a signing failure even if it cannot be ended', async () => {
    const person = await harness.person();
    const transact = () => Promise.reject(new Error('no store'));
    expect(await outcomeOf(enter({ email: person.email }, { ...unsigned(), transact }))).toBe('signing_unavailable');
  });
});
