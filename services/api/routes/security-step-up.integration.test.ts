import { beforeAll, expect, test } from 'vitest';
import { accountKeyOf } from '#services/core/identity/sign-in/sign-in-counters.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { enrolled } from '#tools/testing/flows/factor-flows.ts';
import { newEmail, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { providerAccount } from '#tools/testing/harness/social.ts';
import { expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { from } from './security-harness.ts';
import { openSecuritySocialHarness } from './security-social-harness.ts';

const harness = opened(() => openSecuritySocialHarness());
let url: string;
const mails = partOf(() => harness.mails);
beforeAll(() => {
  ({ url } = harness.api);
});

const post = (path: string, json: object, cookie = '', place = {}): Promise<Received> =>
  send(url, 'POST', path, { json, cookie, headers: { origin: API_URL, ...place } });

const proved = (userId: string) => harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${userId}`;

/** A user with a verified address. */
async function person(): Promise<TestUser> {
  const user = await signUp({ api: url });
  await proved(user.id);
  return user;
}

/** Signs in at home, then elsewhere from an unknown device, and runs the detections. */
async function travel(user: TestUser, n: number): Promise<void> {
  await harness.rows`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE "userId" = ${user.id}`;
  expect((await harness.signInFrom(user, `192.0.2.${n}`, 'Firefox on the desk')).status).toBe(200);
  expect((await harness.signInFrom(user, `203.0.113.${n}`, 'curl')).status).toBe(200);
  await harness.detect();
}

/** The unlock mails that the owner of a locked account gets without a request. */
const unasked = async (email: string) =>
  (await mails.to(email)).filter(({ subject }) => subject === 'Was this you? New sign-in to your account');

const unlock = (token: string | undefined): Promise<Received> => post('/api/auth/unlock', { token });

const AWAY = from('203.0.113.10', 'curl');

test('mails requested by an attacker do not use up the unrequested unlock mail', async () => {
  const user = await person();
  await harness.failFrom('198.51.100.1', user.email);
  const asks = ['request-password-reset', 'request-password-reset', 'request-password-reset', 'request-unlock'];
  for (const ask of [...asks, 'request-unlock'])
    expect((await post(`/api/auth/${ask}`, { email: user.email })).status).toBe(200);
  expect((await mails.to(user.email)).filter(({ code }) => code !== undefined)).toHaveLength(5);
  await harness.rows`UPDATE login_failures SET failures = 0, locked_until = NULL WHERE user_id = ${user.id}`;
  await travel(user, 1);
  const [mail, ...others] = await unasked(user.email);
  expect(others).toEqual([]);
  expect((await unlock(mail?.code)).body).toEqual({ status: 'unlocked' });
  // A sixth requested mail is still not sent.
  await harness.rows`UPDATE one_time_codes SET purpose = 'verify_email' WHERE user_id = ${user.id}`;
  await post('/api/auth/request-password-reset', { email: user.email });
  expect((await mails.to(user.email)).filter(({ code }) => code !== undefined)).toHaveLength(6);
});

test('one mail for each lock: an owner who unlocked the account is mailed when the same incident locks it again', async () => {
  const user = await person();
  await travel(user, 2);
  await harness.detect();
  const [first] = await unasked(user.email);
  expect((await unlock(first?.code)).status).toBe(200);
  await travel(user, 3);
  const [incident, ...others] = await harness.incidentsOf(user.id);
  expect([incident?.count, others]).toEqual([2, []]);
  const [, second, ...more] = await unasked(user.email);
  expect(more).toEqual([]);
  expect((await unlock(second?.code)).body).toEqual({ status: 'unlocked' });
});

test('an action that invalidates the code of an earlier mail sends another; without a valid code it sends none', async () => {
  const user = await enrolled({ url });
  const { userId, person: owner, uri } = user;
  await proved(userId);
  const stuffer = from('203.0.113.200', 'stuffer');
  for (let n = 0; n < 50; n += 1) await harness.failFrom('203.0.113.200', newEmail());
  const who = providerAccount({ email: owner.email });
  // With a second factor after the provider's sign-in, an attacker gets in while the account is locked.
  const takeOver = async (count: number): Promise<void> => {
    await harness.rows`UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = ${userId}`;
    const { challenge } = (await harness.byProvider(who, stuffer)).body;
    const login = await post('/api/auth/second-factor', { challenge, totp: codeOf(uri) }, '', stuffer);
    expect(login.status, login.text).toBe(200);
    await harness.detect();
    expect(await harness.incidentsOf(userId)).toMatchObject([{ detection: 'account_takeover', count }]);
  };
  await takeOver(1);
  const [first] = await unasked(owner.email);
  await takeOver(2);
  const [, second, ...more] = await unasked(owner.email);
  expect(more).toEqual([]);
  expectProblem(await unlock(first?.code), 400, 'code_invalid');
  await harness.rows`UPDATE one_time_codes SET expires_at = now() - make_interval(secs => 1)
    WHERE user_id = ${userId} AND purpose = 'unlock_account'`;
  await takeOver(3);
  expect(await unasked(owner.email)).toHaveLength(2);
  expect(second?.code).toBeDefined();
  // The code has expired, so the owner requests another one.
  await harness.rows`DELETE FROM one_time_codes WHERE user_id = ${userId}`;
  await post('/api/auth/request-unlock', { email: owner.email });
  expect((await unlock((await mails.to(owner.email)).at(-1)?.code)).body).toEqual({ status: 'unlocked' });
});

test('changing the address does not unlock the account: its code is refused until then and stays valid', async () => {
  const user = await person();
  const email = newEmail();
  await harness.closeAccount(user.id, user.email);
  // Backdates further than the clock difference of copies.
  await harness.rows`UPDATE users SET "devicesSince" = now() - interval '1 second' WHERE id = ${user.id}`;
  expect((await post('/api/auth/change-email', { new_email: email }, user.cookie)).status).toBe(200);
  const token = (await mails.to(email)).at(-1)?.code;
  const refused = await post('/api/auth/verify-email', { token }, user.cookie);
  expectProblem(refused, 429, 'login_locked');
  expect(Number(refused.headers.get('retry-after'))).toBe(86_400);
  expect(await harness.rows`SELECT email FROM users WHERE id = ${user.id}`).toEqual([{ email: user.email }]);
  expect((await harness.post(`/v1/admin/users/${user.id}/unlock`, { reason: 'it was them' })).body.failed_logins).toBe(
    100,
  );
  expect((await post('/api/auth/verify-email', { token }, user.cookie)).body).toEqual({ status: 'verified' });
  expect(await harness.rows`SELECT email FROM users WHERE id = ${user.id}`).toEqual([{ email }]);
});

test('an account created by a provider sign-in starts unlocked, whatever was counted for its address before', async () => {
  const [before, email] = [await person(), newEmail()];
  await harness.rows`INSERT INTO login_failures (key, failures, user_id, stepped_up)
    VALUES (${accountKeyOf(harness.api.ports, email)}, 100, ${before.id}, true)`;
  const who = providerAccount({ email });
  for (const isNewUser of [true, false]) {
    const login = await harness.byProvider(who, AWAY);
    expect([login.status, login.body.is_new_user ?? login.body.isNewUser]).toEqual([200, isNewUser]);
  }
});

test('an unverified address gets no unrequested mail; a requested one is sent', async () => {
  const user = await signUp({ api: url });
  await travel(user, 4);
  expect(await harness.incidentsOf(user.id)).toMatchObject([{ actions: ['end_session', 'step_up'] }]);
  expect(await unasked(user.email)).toEqual([]);
  const oneTimeCodes =
    await harness.rows`SELECT FROM one_time_codes WHERE user_id = ${user.id} AND purpose = 'unlock_account'`;
  expect(oneTimeCodes).toEqual([]);
  await post('/api/auth/request-unlock', { email: user.email });
  expect((await unlock((await mails.to(user.email)).at(-1)?.code)).body).toEqual({ status: 'unlocked' });
});

test('a refused provider sign-in links nothing, verifies nothing and ends nothing: it only writes its event', async () => {
  const [owner, unproven] = [await person(), await signUp({ api: url })];
  for (const user of [owner, unproven]) {
    await harness.closeAccount(user.id, user.email);
    const state = () =>
      harness.rows`SELECT (SELECT "emailVerified" IS NOT NULL FROM users WHERE id = ${user.id}) AS proved,
        (SELECT array_agg("providerId") FROM accounts WHERE "userId" = ${user.id}) AS ways,
        (SELECT count(*)::int FROM sessions WHERE "userId" = ${user.id}) AS sessions,
        (SELECT count(*)::int FROM mail_outbox) AS mails`;
    const before = await state();
    expect(before).toMatchObject([{ ways: ['credential'], sessions: 1 }]);
    expectProblem(await harness.byProvider(providerAccount({ email: user.email }), AWAY), 429, 'login_locked');
    expect(await state()).toEqual(before);
    const events = await harness.rows`SELECT outcome, detail FROM audit_outbox
      WHERE type = 'user.login' AND target_id = ${user.id} AND outcome <> 'ok'`;
    expect(events).toEqual([
      { outcome: 'locked', detail: { factor: 'social', provider: 'company', known_device: false } },
    ]);
  }
});
