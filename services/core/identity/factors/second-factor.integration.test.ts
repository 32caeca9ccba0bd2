import { describe, expect, test } from 'vitest';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { act, answer, enable, enrolled } from '#tools/testing/flows/factor-flows.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { readSession, signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson, openIdentityHarness } from '#tools/testing/harness/identity.ts';
import { opened } from '#tools/testing/opened.ts';
import { listSessions } from '../sessions/manage-sessions.ts';
import { readSessionRow } from '../sessions/sessions.store.ts';

const harness = opened(openIdentityHarness);

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);
const countOf = async (table: string, column: string, userId: string): Promise<number> =>
  (await rows(`SELECT count(*)::int FROM ${table} WHERE "${column}" = $1`, [userId]))[0].count;
const liveFamilies = async (userId: string): Promise<number> =>
  (await rows`SELECT count(*)::int FROM refresh_families WHERE user_id = ${userId} AND revoked_at IS NULL`)[0].count;
/** Moves time on by half a minute, so that the app shows another code. */
const nextStep = (userId: string) => rows`UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = ${userId}`;
const events = (userId: string) =>
  rows`SELECT type, outcome, detail FROM audit_outbox
    WHERE target_id = ${userId} AND (type LIKE 'factor.%' OR type LIKE 'recovery%'
    OR type IN ('user.login', 'user.stepped_up')) ORDER BY id`;
const CODE_FORM = /^[a-zA-Z2-9]{6}-[a-zA-Z2-9]{6}$/;

describe('enrolling an authenticator app', () => {
  test('requires the password, shows ten codes once, becomes active with its first code, and ends every existing session', async () => {
    const person = newPerson();
    const first = await signUp(harness, person);
    const other = await signIn(harness, person);
    const userId = first.body.user.id;
    expect((await enable(harness, first.cookie, 'not the right one')).body.code).toBe('current_password_wrong');
    const enrolment = await enable(harness, first.cookie, person.password);
    const { totp_uri: uri, recovery_codes: codes } = enrolment.body;
    expect(uri).toMatch(/^otpauth:\/\/totp\/Sallyport:/);
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(CODE_FORM);

    // Not confirmed yet: no second factor is required, and its recovery codes are rejected.
    const [row] = await rows`SELECT * FROM two_factors WHERE "userId" = ${userId}`;
    expect(row).toMatchObject({ verified: false, codesLeft: 10 });
    expect(JSON.stringify(row)).not.toContain(new URL(uri).searchParams.get('secret'));
    expect(JSON.stringify(row)).not.toContain(codes[0]);
    expect((await signIn(harness, person)).status).toBe(200);
    expect((await act(harness, first.cookie, '/api/auth/two-factor/confirm', { code: '000000x' })).body.code).toBe(
      'factor_code_wrong',
    );

    // Enrolling again gives another secret, and codes of the first are rejected.
    const again = await enable(harness, first.cookie, person.password);
    expect((await act(harness, first.cookie, '/api/auth/two-factor/confirm', { code: codeOf(uri) })).status).toBe(400);
    const confirmed = await act(harness, first.cookie, '/api/auth/two-factor/confirm', {
      code: codeOf(again.body.totp_uri),
    });
    expect(confirmed.status).toBe(200);
    expect(confirmed.body.session.id).not.toBe(first.body.session.id);
    expect(claimsIn(confirmed.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
    expect((await readSession(harness, first.cookie)).status).toBe(401);
    expect((await readSession(harness, other.cookie)).status).toBe(401);
    expect((await readSession(harness, confirmed.cookie)).status).toBe(200);
    expect(await countOf('sessions', 'userId', userId)).toBe(1);
    expect(await liveFamilies(userId)).toBe(1);
    expect((await events(userId)).filter(({ type }) => type.startsWith('factor.'))).toEqual([
      { type: 'factor.enrolled', outcome: 'ok', detail: { factor: 'totp' } },
    ]);
    expect((await enable(harness, confirmed.cookie, person.password)).body.code).toBe('factor_conflict');
    const twice = { code: codeOf(again.body.totp_uri, 1) };
    expect((await act(harness, confirmed.cookie, '/api/auth/two-factor/confirm', twice)).body.code).toBe(
      'factor_conflict',
    );
    expect((await act(harness, confirmed.cookie, '/api/auth/factors', {}, 'POST')).status).toBe(405);
  });
});

/** Inserts more challenges of one user than sign-ins create; the n-th of them, from 1. */
async function manyChallenges(userId: string, count: number): Promise<(n: number) => string> {
  const made = await rows`WITH given AS (SELECT n, 'challenge-of-the-test-' || ${userId} || '-' || n AS challenge
    FROM generate_series(1, ${count}) n)
    INSERT INTO login_challenges (hash, user_id, user_epoch, amr, expires_at)
    SELECT sha256(challenge::bytea), u.id, u."tokenEpoch", 'pwd', now() + interval '10 minutes' FROM users u, given
    WHERE u.id = ${userId} RETURNING (SELECT 1)`;
  expect(made).toHaveLength(count);
  return (n) => `challenge-of-the-test-${userId}-${n}`;
}

describe('signing in with a second factor', () => {
  test('GHSA-xg6x-h9c9-2m83 the password alone creates no session, cookie or token; the code completes the sign-in', async () => {
    const { person, userId, uri, cookie } = await enrolled(harness);
    await act(harness, cookie, '/api/auth/signout');
    await nextStep(userId);
    const asked = await signIn(harness, person);
    expect(asked.status).toBe(401);
    expect(asked.body).toMatchObject({ code: 'second_factor_required', factors: ['totp', 'recovery_code'] });
    expect(asked.body).not.toHaveProperty('tokens');
    expect(asked.headers.getSetCookie()).toEqual([]);
    expect(await countOf('sessions', 'userId', userId)).toBe(0);
    expect(await liveFamilies(userId)).toBe(0);
    const { challenge } = asked.body;
    expect(JSON.stringify(await rows`SELECT * FROM login_challenges`)).not.toContain(challenge);

    expect((await answer(harness, { challenge, totp: '12345' })).body.code).toBe('second_factor_refused');
    const totp = codeOf(uri);
    const opened = await answer(harness, { challenge, totp });
    expect(opened.status).toBe(200);
    expect(opened.body.user.email).toBe(person.email);
    expect((await readSession(harness, opened.cookie)).body.session.id).toBe(opened.body.session.id);
    const claims = claimsIn(opened.body.tokens.access_token);
    expect(claims).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'], sid: opened.body.session.id });
    const [session] = await rows`SELECT amr, acr FROM sessions WHERE "userId" = ${userId}`;
    expect(session).toEqual({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' });
    const [family] = await rows`SELECT amr, acr FROM refresh_families WHERE id = ${claims.fid}`;
    expect(family).toEqual({ amr: 'pwd otp mfa', acr: 'aal2' });
    expect((await events(userId)).filter(({ type }) => type === 'user.login').map(({ outcome }) => outcome)).toEqual([
      'second_factor_asked',
      'refused',
      'ok',
    ]);
    // Used up: neither the challenge nor the code is accepted again.
    expect((await answer(harness, { challenge, totp })).body.code).toBe('challenge_over');
    const second = await signIn(harness, person);
    expect((await answer(harness, { challenge: second.body.challenge, totp })).body.code).toBe('second_factor_refused');
  });

  test('its session lives a day, and ends after an hour without use', async () => {
    const { confirmed, cookie } = await enrolled(harness);
    const sessionOf = async (of: string) => (await rows`SELECT * FROM sessions WHERE id = ${of}`)[0];
    const { id, createdAt, expiresAt, token } = await sessionOf(confirmed.body.session.id);
    expect(Math.round((expiresAt - createdAt) / 1_000)).toBe(86_400);
    const rest = async (minutes: number): Promise<number> => {
      await rows`UPDATE sessions SET "updatedAt" = now() - make_interval(mins => ${minutes}) WHERE id = ${id}`;
      await harness.deps.auth.forget(token);
      return (await readSession(harness, cookie)).status;
    };
    expect(await rest(59)).toBe(200);
    expect(Date.now() - (await sessionOf(id)).updatedAt).toBeLessThan(50 * 60_000);
    expect(await rest(61)).toBe(401);
    const listed = async (): Promise<boolean> =>
      (await listSessions(harness.deps, { limit: 100 })).sessions.some((session) => session.id === id);
    const inUse = async (): Promise<boolean> => !(await readSessionRow(harness.deps.sql, id, 3_600))?.isIdle;
    // Refreshing a token family of the session counts as a use.
    await rows`UPDATE refresh_families SET idle_expires_at = now() + interval '1 minute' WHERE sid = ${id}`;
    expect([await listed(), await inUse()]).toEqual([true, true]);
    await rows`UPDATE refresh_families SET idle_expires_at = now() - make_interval(secs => 1) WHERE sid = ${id}`;
    expect([await listed(), await inUse()]).toEqual([false, false]);
    await rows`UPDATE sessions SET "updatedAt" = now() WHERE id = ${id}`;
    expect([await listed(), await inUse()]).toEqual([true, true]);
  });

  test('the second step renews the session of the browser, and the password step alone changes nothing', async () => {
    const { person, userId, uri, cookie, confirmed } = await enrolled(harness);
    await nextStep(userId);
    const { challenge } = (await signIn(harness, person, { cookie })).body;
    expect((await readSession(harness, cookie)).body.session.id).toBe(confirmed.body.session.id);
    const opened = await answer(harness, { challenge, totp: codeOf(uri) }, cookie);
    expect([opened.status, opened.body.session.id]).toEqual([200, confirmed.body.session.id]);
    expect((await readSession(harness, cookie)).status).toBe(401);
  });

  test('a challenge allows five attempts, ten minutes, and no change of its user', async () => {
    const { person, userId, uri } = await enrolled(harness);
    await nextStep(userId);
    const asked = async (): Promise<string> => (await signIn(harness, person)).body.challenge;
    const spent = await asked();
    for (let tries = 0; tries < 5; tries++)
      expect((await answer(harness, { challenge: spent, totp: 'wrong' })).body.code).toBe('second_factor_refused');
    expect((await answer(harness, { challenge: spent, totp: codeOf(uri) })).body.code).toBe('challenge_over');
    const late = await asked();
    await rows`UPDATE login_challenges SET expires_at = now() - interval '1 second' WHERE attempts = 0`;
    expect((await answer(harness, { challenge: late, totp: codeOf(uri) })).body.code).toBe('challenge_over');
    const stale = await asked();
    await rows`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ${userId}`;
    expect((await answer(harness, { challenge: stale, totp: codeOf(uri) })).body.code).toBe('challenge_over');
    // Refused requests did not use up the code.
    expect((await answer(harness, { challenge: await asked(), totp: codeOf(uri) })).status).toBe(200);
    expect((await answer(harness, { challenge: 'x'.repeat(43), totp: codeOf(uri) })).body.code).toBe('challenge_over');
  });

  test('of twenty concurrent requests with one code, each with its own challenge, one gets a session', async () => {
    const { person, userId, uri, codes } = await enrolled(harness);
    await nextStep(userId);
    const challengeOf = await manyChallenges(userId, 40);
    /** How many of twenty concurrent requests succeed; the others are refused, the later ones because of the lock. */
    const letIn = async (from: number, code: object): Promise<number> => {
      const all = Array.from({ length: 20 }, (_, n) => answer(harness, { challenge: challengeOf(from + n), ...code }));
      const statuses = (await Promise.all(all)).map(({ status }) => status);
      expect(statuses.filter((status) => ![200, 401, 429].includes(status))).toEqual([]);
      return statuses.filter((status) => status === 200).length;
    };
    expect(await letIn(1, { totp: codeOf(uri) })).toBe(1);
    await rows`UPDATE two_factors SET "failedVerificationCount" = 0, "lockedUntil" = NULL WHERE "userId" = ${userId}`;
    expect(await letIn(21, { recovery_code: codes[0] })).toBe(1);
    expect((await signIn(harness, person)).body.factors).toContain('recovery_code');
    const [{ codesLeft }] = await rows`SELECT "codesLeft" FROM two_factors WHERE "userId" = ${userId}`;
    expect(codesLeft).toBe(9);
    expect((await events(userId)).filter(({ type }) => type === 'recovery_code.used')).toEqual([
      { type: 'recovery_code.used', outcome: 'ok', detail: { left: 9 } },
    ]);
  });

  test('ten wrong codes lock the authenticator for a while, a hundred lock it permanently; a recovery code still works (CVE-2024-32868, ZITADEL: codes of an authenticator app could be guessed without end)', async () => {
    const { person, userId, uri, codes } = await enrolled(harness);
    await nextStep(userId);
    await rows`UPDATE two_factors SET "failedVerificationCount" = 9 WHERE "userId" = ${userId}`;
    const { challenge } = (await signIn(harness, person)).body;
    expect((await answer(harness, { challenge, totp: '000' })).status).toBe(401);
    const locked = await answer(harness, { challenge, totp: codeOf(uri) });
    expect([locked.status, locked.body.code]).toEqual([429, 'second_factor_locked']);
    expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(600);
    const recovered = await answer(harness, { challenge, recovery_code: ` ${codes[3]} ` });
    expect(recovered.status).toBe(200);
    expect(claimsIn(recovered.body.tokens.access_token)).toMatchObject({ acr: 'aal2' });
    await rows`UPDATE two_factors SET "failedVerificationCount" = 100 WHERE "userId" = ${userId}`;
    const next = (await signIn(harness, person)).body.challenge;
    expect((await answer(harness, { challenge: next, totp: codeOf(uri) })).headers.get('retry-after')).toBe('86400');
  });

  test('of fifty concurrent wrong codes, each with its own challenge, ten are verified; then the right one is refused', async () => {
    const { userId, uri } = await enrolled(harness);
    await nextStep(userId);
    const challengeOf = await manyChallenges(userId, 51);
    const tries = Array.from({ length: 50 }, (_, n) =>
      answer(harness, { challenge: challengeOf(n + 1), totp: 'wrong' }),
    );
    const codes = (await Promise.all(tries)).map(({ body }) => body.code);
    expect(codes.filter((code) => code === 'second_factor_refused')).toHaveLength(10);
    expect(codes.filter((code) => code === 'second_factor_locked')).toHaveLength(40);
    const [counted] =
      await rows`SELECT "failedVerificationCount" AS failures, "lockedUntil" > now() AS "isLocked" FROM two_factors
        WHERE "userId" = ${userId}`;
    expect(counted).toEqual({ failures: 10, isLocked: true });
    const right = await answer(harness, { challenge: challengeOf(51), totp: codeOf(uri) });
    expect([right.status, right.body.code]).toEqual([429, 'second_factor_locked']);
    expect(await liveFamilies(userId)).toBe(1);
  });

  test('a user has at most five challenges: the sixth replaces the oldest', async () => {
    const { person, userId } = await enrolled(harness);
    const challengeOf = await manyChallenges(userId, 5);
    await rows`UPDATE login_challenges SET expires_at = expires_at - interval '1 minute'
      WHERE hash = sha256(${Buffer.from(challengeOf(3))})`;
    const { challenge: sixth } = (await signIn(harness, person)).body;
    expect(await countOf('login_challenges', 'user_id', userId)).toBe(5);
    const codes = [];
    for (const challenge of [challengeOf(3), challengeOf(1), challengeOf(2), challengeOf(4), challengeOf(5), sixth])
      codes.push((await answer(harness, { challenge, totp: 'wrong' })).body.code);
    expect(codes).toEqual(['challenge_over', ...Array(5).fill('second_factor_refused')]);
  });

  test('a page of another site answers no challenge, and a body has exactly one factor', async () => {
    const { person } = await enrolled(harness);
    const { challenge } = (await signIn(harness, person)).body;
    const { send } = await import('#tools/testing/harness/identity.ts');
    const foreign = await send(harness, 'POST', '/api/auth/second-factor', {
      body: { challenge, totp: '123456' },
      headers: { origin: 'https://evil.example' },
    });
    expect(foreign.body.code).toBe('origin_refused');
    expect((await answer(harness, { challenge })).body.code).toBe('second_factor_refused');
    expect((await answer(harness, { challenge, admin: true })).body.code).toBe('request_invalid');
  });
});
