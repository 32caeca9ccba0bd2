import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import type { ProviderAccount } from '#tools/testing/fakes/oidc-provider.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newPassword, signUp, type TestUser, verdictOn } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import {
  expectRefusedSignIn,
  openSocialHarness,
  providerAccount,
  type SocialHarness,
} from '#tools/testing/harness/social.ts';
import { cookieOf, type Json, type Received } from '#tools/testing/http-client.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { unlinkAccount } from './linked-accounts.ts';

let harness: SocialHarness;
beforeAll(async () => {
  harness = await openSocialHarness();
});
afterAll(() => harness?.close());

describe('CVE-2026-53516 matching accounts by address', () => {
  test('without a verified address, no account is created or found: the responses are the same', async () => {
    const known = await signUp({ api: harness.copy.url });
    const answers = [];
    for (const email of [known.email, `${randomUUID()}@people.test`]) {
      const answer = await harness.signInAs(providerAccount({ email, email_verified: false }));
      expectRefusedSignIn(answer, 403, 'social_email_unproven');
      const { trace_id: _, ...body } = answer.body;
      answers.push(body);
    }
    expect(answers[0]).toEqual(answers[1]);
    expectRefusedSignIn(await harness.signInAs({ sub: randomUUID() }), 403, 'social_email_unproven');
    expect(await harness.rows('SELECT * FROM users WHERE email = $1', [known.email])).toHaveLength(1);
    expect(await harness.rows(`SELECT FROM accounts WHERE "userId" = $1`, [known.id])).toHaveLength(1);
  });

  test('GHSA-qq9h-g4jm-xgf3 an attacker who registered another person’s address first loses password, session, tokens and grants when its owner signs in', async () => {
    const attacker: TestUser = await signUp({ api: harness.copy.url });
    await harness.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'compliance')`, [attacker.id]);
    await harness.rows('INSERT INTO invitations (id, user_id) VALUES ($1, $2)', [randomUUID(), attacker.id]);
    const owner = await harness.signInAs(providerAccount({ email: attacker.email }));
    expect(owner.body, owner.text).toMatchObject({ isNewUser: false, user: { id: attacker.id, emailVerified: true } });
    expect(await harness.rows('SELECT * FROM users WHERE email = $1', [attacker.email])).toMatchObject([
      { roles: ['user'] },
    ]);
    const { email, password } = attacker;
    expect((await harness.ask('POST', '/api/auth/signin', { json: { email, password } })).status).toBe(401);
    expect((await harness.ask('GET', '/api/auth/session', { cookie: attacker.cookie })).status).toBe(401);
    const refresh = { json: { refresh_token: attacker.tokens.refresh_token } };
    expect((await harness.ask('POST', '/v1/tokens/refresh', refresh)).status).toBe(401);
    await expect.poll(() => verdictOn({ api: harness.copy.url }, attacker.tokens.access_token)).not.toBe('active');
    expect((await harness.ask('GET', '/api/auth/session', { cookie: cookieOf(owner) })).status).toBe(200);
    expect(await harness.rows(`SELECT FROM accounts WHERE "userId" = $1`, [attacker.id])).toHaveLength(1);
  });

  test('a social sign-in that takes over an unverified account removes its second factor; its owner can set a password and sign in', async () => {
    const attacker = await signUp({ api: harness.copy.url });
    const headers = { origin: API_URL };
    const write = (path: string, json: object) =>
      harness.ask('POST', `/api/auth/${path}`, { json, cookie: attacker.cookie, headers });
    const enabled = await write('two-factor/enable', { password: attacker.password });
    expect(enabled.status, enabled.text).toBe(200);
    expect((await write('two-factor/confirm', { code: codeOf(enabled.body.totp_uri) })).status).toBe(200);
    const { email } = attacker;
    expect((await harness.signInAs(providerAccount({ email }))).status).toBe(200);
    await harness.ask('POST', '/api/auth/request-password-reset', { json: { email } });
    const token = (await harness.mails.to(email)).at(-1)?.code;
    const password = newPassword();
    const reset = await harness.ask('POST', '/api/auth/reset-password', { json: { token, new_password: password } });
    expect(reset.status, reset.text).toBe(200);
    const signedIn = await harness.ask('POST', '/api/auth/signin', { json: { email, password } });
    expect(signedIn.status, signedIn.text).toBe(200);
    expect((await harness.ask('GET', '/api/auth/session', { cookie: cookieOf(signedIn) })).status).toBe(200);
  });

  test('an address verified here is linked, and its password and sessions stay', async () => {
    const person = await signUp({ api: harness.copy.url });
    await harness.rows('UPDATE users SET "emailVerified" = now() WHERE id = $1', [person.id]);
    const { body } = await harness.signInAs(providerAccount({ email: person.email.toUpperCase() }));
    expect(body).toMatchObject({ isNewUser: false, user: { id: person.id } });
    expect((await harness.ask('GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(200);
    expect(await harness.rows(`SELECT FROM accounts WHERE "userId" = $1`, [person.id])).toHaveLength(2);
    const mails = (await harness.mails.to(person.email)).filter(({ subject }) =>
      subject.includes('sign-in method was added'),
    );
    expect(mails.map(({ text }) => text.includes('with company'))).toEqual([true]);
  });

  test('a disabled account is refused, and one with a second factor gets no session from the first factor alone', async () => {
    const profile = providerAccount();
    const { body } = await harness.signInAs(profile);
    await harness.rows(
      `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified) VALUES ($1, $2, 'x', '[]', true)`,
      [randomUUID(), body.user.id],
    );
    const asked = await harness.signInAs(profile);
    expectRefusedSignIn(asked, 401, 'second_factor_required');
    expect(asked.body).toMatchObject({ factors: expect.arrayContaining(['totp']), challenge: expect.any(String) });
    await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [body.user.id]);
    const disabled = await harness.signInAs(profile);
    expect(disabled.status).toBe(401);
    expect(disabled.headers.getSetCookie()).toEqual([]);
  });
});

describe('linking by a signed-in user', () => {
  const link = async (person: { cookie: string }, profile: ProviderAccount): Promise<Received> => {
    const begun = await harness.begin({ cookie: person.cookie, path: '/api/auth/link-social' });
    return harness.ask('GET', await harness.comeBack(begun, profile), { cookie: begun.cookie });
  };
  const accountsOf = async ({ cookie }: { cookie: string }): Promise<string[]> =>
    (await harness.ask('GET', '/api/auth/list-accounts', { cookie })).body.map(({ providerId }: Json) => providerId);
  const unlink = (cookie: string, providerId: string): Promise<Received> =>
    harness.ask('POST', '/api/auth/unlink-account', { json: { providerId }, cookie, headers: { origin: API_URL } });

  test('both methods open the same account; after unlinking, one no longer does', async () => {
    const person = await signUp({ api: harness.copy.url });
    const profile = providerAccount();
    expect((await link(person, profile)).body).toEqual({ linked: true });
    expect((await link(person, profile)).body).toEqual({ linked: true });
    expect(await accountsOf(person)).toEqual(['credential', 'company']);
    expect((await harness.signInAs(profile)).body.user.id).toBe(person.id);
    expect((await unlink(person.cookie, 'company')).body).toEqual({ status: true });
    expectRefusedSignIn(await unlink(person.cookie, 'company'), 404, 'linked_account_unknown');
    expectRefusedSignIn(await unlink(person.cookie, 'credential'), 404, 'linked_account_unknown');
    expect((await harness.signInAs(profile)).body).toMatchObject({ isNewUser: true });
    // One mail for each change, to the address of the account.
    expect((await harness.mails.to(person.email)).map(({ subject }) => subject)).toEqual([
      'Confirm your e-mail address',
      'A sign-in method was added to your account',
      'A sign-in method was removed from your account',
    ]);
  });

  test('an account linked to a user cannot be linked to another (409), and another session cannot complete linking', async () => {
    const profile = providerAccount();
    await harness.signInAs(profile);
    const [one, two] = [await signUp({ api: harness.copy.url }), await signUp({ api: harness.copy.url })];
    expectRefusedSignIn(await link(one, profile), 409, 'social_account_taken');
    const begun = await harness.begin({ cookie: one.cookie, path: '/api/auth/link-social' });
    const [, secret = ''] = begun.cookie.split('; sallyport.social=');
    const swapped = `${two.cookie}; sallyport.social=${secret}`;
    expectRefusedSignIn(
      await harness.ask('GET', await harness.comeBack(begun, providerAccount()), { cookie: swapped }),
      400,
      'social_sign_in_refused',
    );
    expectRefusedSignIn(await link(one, providerAccount({ email_verified: false })), 403, 'social_email_unproven');
    expect(await accountsOf(one)).toEqual(['credential']);
    expect(await accountsOf(two)).toEqual(['credential']);
  });

  test('a sign-in method removed during a sign-in with it opens no session, and is not linked again', async () => {
    const person = await signUp({ api: harness.copy.url });
    const profile = providerAccount();
    await link(person, profile);
    const begun = await harness.begin();
    const path = await harness.comeBack(begun, profile);
    const takeAway = `DELETE FROM accounts WHERE "userId" = $1 AND "providerId" = 'company'`;
    const answer = await overtaken(harness.copy.stores.pools.main, person.id, takeAway, () =>
      harness.ask('GET', path, { cookie: begun.cookie }),
    );
    expectRefusedSignIn(answer, 400, 'social_sign_in_refused');
    expect(await accountsOf(person)).toEqual(['credential']);
  });

  test('a session that ends while it links a sign-in method links none', async () => {
    const person = await signUp({ api: harness.copy.url });
    const begun = await harness.begin({ cookie: person.cookie, path: '/api/auth/link-social' });
    const path = await harness.comeBack(begun, providerAccount());
    const end = `DELETE FROM sessions WHERE "userId" = $1`;
    const answer = await overtaken(harness.copy.stores.pools.main, person.id, end, () =>
      harness.ask('GET', path, { cookie: begun.cookie }),
    );
    expectRefusedSignIn(answer, 400, 'social_sign_in_refused');
    expect(await harness.rows(`SELECT FROM accounts WHERE "userId" = $1`, [person.id])).toHaveLength(1);
  });

  test('a session that ends while it removes a sign-in method removes none', async () => {
    const person = await signUp({ api: harness.copy.url });
    await link(person, providerAccount());
    const end = `DELETE FROM sessions WHERE "userId" = $1`;
    const answer = await overtaken(harness.copy.stores.pools.main, person.id, end, () =>
      unlink(person.cookie, 'company'),
    );
    expectRefusedSignIn(answer, 401, 'unauthenticated');
    expect(await harness.rows(`SELECT FROM accounts WHERE "userId" = $1`, [person.id])).toHaveLength(2);
  });

  test('the last sign-in method stays', async () => {
    const only = await harness.signInAs(providerAccount());
    const cookie = cookieOf(only);
    expectRefusedSignIn(await unlink(cookie, 'company'), 409, 'last_way_in');
    await harness.rows(
      `INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
       VALUES ($1, $2, 'x', $1, 0, 'singleDevice', false)`,
      [randomUUID(), only.body.user.id],
    );
    // The first passkey ended the session; this is a new one.
    const sessionId = randomUUID();
    await harness.rows(
      `INSERT INTO sessions (id, "userId", "expiresAt", token, acr) VALUES ($1, $2, now() + interval '1 hour', $1, 'aal2')`,
      [sessionId, only.body.user.id],
    );
    const owner = { ...userCaller(only.body.user.id, testCaller), sessionId } as Caller;
    expect(await unlinkAccount(harness.copy.ports, { providerId: 'company' }, owner)).toEqual({ status: 'unlinked' });
    expect((await harness.ask('POST', '/api/auth/link-social', { json: { provider: 'company' } })).status).toBe(401);
    expect((await harness.ask('GET', '/api/auth/list-accounts')).status).toBe(401);
  });
});
