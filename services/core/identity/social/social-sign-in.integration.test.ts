import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import type { ProviderAccount } from '#tools/testing/fakes/oidc-provider.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newPassword, signUp, type TestUser, verdictOn } from '#tools/testing/flows/flows.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { expectRefusedSignIn, openSocialHarness, providerAccount } from '#tools/testing/harness/social.ts';
import { cookieOf, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { unlinkAccount } from './linked-accounts.ts';

const harness = opened(openSocialHarness);

test('a provider with missing settings is refused at start with name and fix, not at a sign-in', async () => {
  const startWith = (providers: object): Promise<ApiCopy> =>
    harness.startCopy({ env: { SOCIAL_PROVIDERS: JSON.stringify(providers) }, hashes: false });
  const cognito = { clientId: 'x', clientSecret: 'y', options: { region: 'eu-west-1' } };
  await expect(startWith({ cognito })).rejects.toMatchObject({
    name: 'ConfigError',
    problems: [
      {
        env: 'SOCIAL_PROVIDERS',
        problem: 'cannot configure cognito: DOMAIN_AND_REGION_REQUIRED',
        fix: expect.stringContaining('"options"'),
      },
    ],
  });
  const options = { region: 'eu-west-1', domain: 'login.example.test', userPoolId: 'eu-west-1_ab12' };
  const { url } = await startWith({ cognito: { ...cognito, options } });
  const json = { provider: 'cognito' };
  const begun = await send(url, 'POST', '/api/auth/sign-in/social', { json, headers: { origin: API_URL } });
  expect([begun.status, new URL(begun.body.url).host]).toEqual([200, 'login.example.test']);
});

describe('a provider that answers with form_post, as Apple does', () => {
  test('its cross-site POST, which carries no cookie, is redirected to the GET, which verifies the state', async () => {
    const begun = await harness.begin();
    const back = new URL(await harness.comeBack(begun, providerAccount()), API_URL);
    const form = { ...Object.fromEntries(back.searchParams), user: '{"name":"Ada"}', id_token: 'not-in-an-address' };
    const headers = { origin: harness.oidc.issuer, 'sec-fetch-site': 'cross-site' };
    const posted = await harness.ask('POST', back.pathname, { form, headers });
    const location = posted.headers.get('location') ?? '';
    expect([posted.status, posted.text, posted.headers.getSetCookie()]).toEqual([303, '', []]);
    expect(new URL(location, API_URL).pathname).toBe(back.pathname);
    expect(location).not.toMatch(/[?&](user|id_token)=|not-in-an-address/);
    expectRefusedSignIn(await harness.ask('GET', location), 400, 'social_sign_in_refused');
    const again = await harness.begin();
    const query = new URL(await harness.comeBack(again, providerAccount()), API_URL).searchParams;
    const path = `/api/auth/callback/company`;
    const on = await harness.ask('POST', path, { form: Object.fromEntries(query), headers });
    const home = await harness.ask('GET', on.headers.get('location') ?? '', { cookie: again.cookie });
    expect(home.status, home.text).toBe(200);
    expectRefusedSignIn(await harness.ask('POST', path, { form: { code: 'x' } }), 400, 'request_invalid');
    const atUnknown = await harness.ask('POST', '/api/auth/callback/acme', { form: { state: 'x' } });
    expectRefusedSignIn(atUnknown, 404, 'social_provider_unknown');
  });
});

describe('exchanging a code for a user, a session and a token pair', () => {
  test('creates an account the first time, and finds it the second time', async () => {
    const profile = providerAccount();
    const first = await harness.signInAs(profile);
    expect(first.status, first.text).toBe(200);
    expect(first.body).toMatchObject({
      isNewUser: true,
      user: { email: profile.email, emailVerified: true, name: 'Ada' },
      session: { userId: first.body.user.id },
      tokens: { token_type: 'Bearer' },
    });
    expect((await harness.ask('GET', '/api/auth/session', { cookie: cookieOf(first) })).body.user.id).toBe(
      first.body.user.id,
    );
    expect(await verdictOn({ api: harness.copy.url }, first.body.tokens.access_token)).toBe('active');
    const second = await harness.signInAs({ ...profile, email: 'moved@people.test' });
    expect(second.body).toMatchObject({ isNewUser: false, user: { id: first.body.user.id, email: profile.email } });
    const events = await harness.rows`SELECT type, outcome, detail FROM audit_outbox
      WHERE type = 'user.login' AND target_id = ${first.body.user.id}`;
    expect(events).toHaveLength(2);
    expect(events[0]).toMatchObject({ outcome: 'ok', detail: { factor: 'social', provider: 'company' } });
  });

  test('redirects a browser to the requested page, with cookies and without a token in the URL', async () => {
    const answer = await harness.signInAs(providerAccount(), { callbackURL: '/welcome?a=b' });
    expect([answer.status, answer.headers.get('location'), answer.text]).toEqual([303, '/welcome?a=b', '']);
    expect((await harness.ask('GET', '/api/auth/session', { cookie: cookieOf(answer) })).status).toBe(200);
  });

  test('tokens of the provider are sealed at rest', async () => {
    const { body } = await harness.signInAs(providerAccount());
    const [row] = await harness.rows`SELECT * FROM accounts WHERE "userId" = ${body.user.id}`;
    const [given] = harness.oidc.tokens;
    for (const token of [given?.access_token, given?.id_token]) {
      expect(token).toMatch(/^[\w.-]{43,}$/);
      expect(JSON.stringify(row)).not.toContain(token);
    }
    for (const token of [row.accessToken, row.idToken]) expect(token).toMatch(/^1\.v1\.[\w-]{40,}$/);
  });

  test('only configured providers exist', async () => {
    expect((await harness.ask('GET', '/api/auth/social-providers')).body.providers).toEqual(
      expect.arrayContaining(['company', 'other', 'github']),
    );
    for (const provider of ['google', 'credential', '__proto__', 'constructor', '']) {
      const withUnknown = await harness.ask('POST', '/api/auth/sign-in/social', { json: { provider } });
      expectRefusedSignIn(withUnknown, 404, 'social_provider_unknown');
    }
    const github = new URL((await harness.begin({ provider: 'github' })).url);
    expect([github.origin, github.searchParams.get('code_challenge_method')]).toEqual(['https://github.com', 'S256']);
  });
});

describe('mismatched callbacks', () => {
  test('GHSA-wxw3-q3m9-c3jr a state that is wrong, used, expired, or from another browser is refused', async () => {
    const profile = providerAccount();
    const used = await harness.begin();
    const path = await harness.comeBack(used, profile);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => harness.ask('GET', path, { cookie: used.cookie })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 7 }, () => 400)]);

    const wrong = await harness.begin();
    const good = new URL(await harness.comeBack(wrong, profile), harness.copy.url);
    good.searchParams.set('state', randomUUID());
    const otherState = await harness.ask('GET', good.pathname + good.search, { cookie: wrong.cookie });
    expectRefusedSignIn(otherState, 400, 'social_sign_in_refused');

    const stranger = await harness.begin();
    for (const cookie of ['', stranger.cookie]) {
      const begun = await harness.begin();
      const byStranger = await harness.ask('GET', await harness.comeBack(begun, profile), { cookie });
      expectRefusedSignIn(byStranger, 400, 'social_sign_in_refused');
    }

    const late = await harness.begin();
    const latePath = await harness.comeBack(late, profile);
    await harness.rows`UPDATE social_sign_ins SET expires_at = now() - interval '1 second'`;
    expectRefusedSignIn(await harness.ask('GET', latePath, { cookie: late.cookie }), 400, 'social_sign_in_refused');
  });

  test('an answer by another provider is refused (mix-up), and so is another issuer (RFC 9207)', async () => {
    const begun = await harness.begin();
    const path = await harness.comeBack(begun, providerAccount());
    const elsewhere = path.replace('/callback/company', '/callback/other');
    expectRefusedSignIn(await harness.ask('GET', elsewhere, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
    // That consumed the attempt.
    expectRefusedSignIn(await harness.ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
    const second = await harness.begin();
    const url = new URL(await harness.comeBack(second, providerAccount()), harness.copy.url);
    expect(url.searchParams.get('iss')).toBe(harness.oidc.issuer);
    url.searchParams.set('iss', 'https://evil.example');
    const otherIssuer = await harness.ask('GET', url.pathname + url.search, { cookie: second.cookie });
    expectRefusedSignIn(otherIssuer, 400, 'social_sign_in_refused');
  });

  test('an answer without its issuer, or with a parameter twice, is refused: RFC 9207 is not optional for this provider', async () => {
    const bend: ((answer: URLSearchParams, stolen: URLSearchParams) => void)[] = [
      (answer) => answer.delete('iss'),
      (answer) => answer.set('iss', ''),
      (answer) => answer.append('iss', 'https://evil.example'),
      (answer, stolen) => answer.append('code', stolen.get('code') ?? ''),
      (answer, stolen) => answer.append('state', stolen.get('state') ?? ''),
    ];
    for (const change of bend) {
      const [begun, theirs] = [await harness.begin(), await harness.begin()];
      const url = new URL(await harness.comeBack(begun, providerAccount()), harness.copy.url);
      const stolen = new URL(await harness.comeBack(theirs, providerAccount()), harness.copy.url);
      change(url.searchParams, stolen.searchParams);
      const answer = await harness.ask('GET', url.pathname + url.search, { cookie: begun.cookie });
      expect([change.toString(), answer.status]).toEqual([change.toString(), 400]);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
  });

  test('PKCE and nonce: a code of another attempt, and an ID token for another nonce, are refused', async () => {
    const [mine, theirs] = [await harness.begin(), await harness.begin()];
    const stolen = new URL(await harness.comeBack(theirs, providerAccount()), harness.copy.url).searchParams.get(
      'code',
    ) as string;
    const url = new URL(await harness.comeBack(mine, providerAccount()), harness.copy.url);
    url.searchParams.set('code', stolen);
    const stolenCode = await harness.ask('GET', url.pathname + url.search, { cookie: mine.cookie });
    expectRefusedSignIn(stolenCode, 400, 'social_sign_in_refused');

    const begun = await harness.begin();
    const changed = new URL(begun.url);
    changed.searchParams.set('nonce', 'another');
    const path = await harness.comeBack({ ...begun, url: changed.href }, providerAccount());
    expectRefusedSignIn(await harness.ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
  });

  test('a sign-in declined at the provider opens no session, and cannot be retried', async () => {
    const begun = await harness.begin();
    const state = new URL(begun.url).searchParams.get('state');
    const path = `/api/auth/callback/company?state=${state}&error=access_denied&code=x`;
    for (const _ of [1, 2])
      expectRefusedSignIn(await harness.ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
  });
});

describe('the provider’s server', () => {
  test('on a private address is not called unless configured; one that publishes another issuer is not trusted', async () => {
    for (const provider of ['guarded', 'impostor']) {
      const answer = await harness.ask('POST', '/api/auth/sign-in/social', { json: { provider } });
      expectRefusedSignIn(answer, 503, 'social_provider_unavailable');
      expect(answer.headers.get('retry-after')).toBe('5');
    }
  });

  test('if it becomes unavailable during a sign-in, the answer is 503, not a refusal, and no session is opened', async () => {
    const begun = await harness.begin({ provider: 'leaving' });
    const path = await harness.comeBack(begun, providerAccount(), harness.leaving);
    await harness.leaving.close();
    const answer = await harness.ask('GET', path, { cookie: begun.cookie });
    expectRefusedSignIn(answer, 503, 'social_provider_unavailable');
    expectRefusedSignIn(await harness.ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
  });

  test('a page of another site starts nothing, and no return address on another origin is accepted', async () => {
    const json = { provider: 'company' };
    const crossSite = await harness.ask('POST', '/api/auth/sign-in/social', {
      json,
      headers: { origin: 'https://evil.example' },
    });
    expectRefusedSignIn(crossSite, 403, 'origin_refused');
    for (const callbackURL of ['https://evil.example/', '//evil.example', '/\\evil.example']) {
      const elsewhere = await harness.ask('POST', '/api/auth/sign-in/social', { json: { ...json, callbackURL } });
      expectRefusedSignIn(elsewhere, 400, 'callback_refused');
    }
  });
});

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
    expect(await harness.rows`SELECT * FROM users WHERE email = ${known.email}`).toHaveLength(1);
    expect(await harness.rows`SELECT FROM accounts WHERE "userId" = ${known.id}`).toHaveLength(1);
  });

  test('GHSA-qq9h-g4jm-xgf3 an attacker who registered another person’s address first loses password, session, tokens and grants when its owner signs in', async () => {
    const attacker: TestUser = await signUp({ api: harness.copy.url });
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${attacker.id}, 'compliance')`;
    await harness.rows`INSERT INTO invitations (id, user_id) VALUES (${randomUUID()}, ${attacker.id})`;
    const owner = await harness.signInAs(providerAccount({ email: attacker.email }));
    expect(owner.body, owner.text).toMatchObject({ isNewUser: false, user: { id: attacker.id, emailVerified: true } });
    expect(await harness.rows`SELECT * FROM users WHERE email = ${attacker.email}`).toMatchObject([
      { roles: ['user'] },
    ]);
    const { email, password } = attacker;
    expect((await harness.ask('POST', '/api/auth/signin', { json: { email, password } })).status).toBe(401);
    expect((await harness.ask('GET', '/api/auth/session', { cookie: attacker.cookie })).status).toBe(401);
    const refresh = { json: { refresh_token: attacker.tokens.refresh_token } };
    expect((await harness.ask('POST', '/v1/tokens/refresh', refresh)).status).toBe(401);
    await expect.poll(() => verdictOn({ api: harness.copy.url }, attacker.tokens.access_token)).not.toBe('active');
    expect((await harness.ask('GET', '/api/auth/session', { cookie: cookieOf(owner) })).status).toBe(200);
    expect(await harness.rows`SELECT FROM accounts WHERE "userId" = ${attacker.id}`).toHaveLength(1);
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
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${person.id}`;
    const { body } = await harness.signInAs(providerAccount({ email: person.email.toUpperCase() }));
    expect(body).toMatchObject({ isNewUser: false, user: { id: person.id } });
    expect((await harness.ask('GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(200);
    expect(await harness.rows`SELECT FROM accounts WHERE "userId" = ${person.id}`).toHaveLength(2);
    const mails = (await harness.mails.to(person.email)).filter(({ subject }) =>
      subject.includes('sign-in method was added'),
    );
    expect(mails.map(({ text }) => text.includes('with company'))).toEqual([true]);
  });

  test('a disabled account is refused, and one with a second factor gets no session from the first factor alone', async () => {
    const profile = providerAccount();
    const { body } = await harness.signInAs(profile);
    await harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      VALUES (${randomUUID()}, ${body.user.id}, 'x', '[]', true)`;
    const asked = await harness.signInAs(profile);
    expectRefusedSignIn(asked, 401, 'second_factor_required');
    expect(asked.body).toMatchObject({ factors: expect.arrayContaining(['totp']), challenge: expect.any(String) });
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${body.user.id}`;
    const disabled = await harness.signInAs(profile);
    expect([disabled.status, disabled.headers.getSetCookie()]).toEqual([401, []]);
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
    const bySwapped = await harness.ask('GET', await harness.comeBack(begun, providerAccount()), { cookie: swapped });
    expectRefusedSignIn(bySwapped, 400, 'social_sign_in_refused');
    expectRefusedSignIn(await link(one, providerAccount({ email_verified: false })), 403, 'social_email_unproven');
    expect([await accountsOf(one), await accountsOf(two)]).toEqual([['credential'], ['credential']]);
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
    expect(await harness.rows`SELECT FROM accounts WHERE "userId" = ${person.id}`).toHaveLength(1);
  });

  test('a session that ends while it removes a sign-in method removes none', async () => {
    const person = await signUp({ api: harness.copy.url });
    await link(person, providerAccount());
    const end = `DELETE FROM sessions WHERE "userId" = $1`;
    const answer = await overtaken(harness.copy.stores.pools.main, person.id, end, () =>
      unlink(person.cookie, 'company'),
    );
    expectRefusedSignIn(answer, 401, 'unauthenticated');
    expect(await harness.rows`SELECT FROM accounts WHERE "userId" = ${person.id}`).toHaveLength(2);
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
    await harness.rows`INSERT INTO sessions (id, "userId", "expiresAt", token, acr)
      VALUES (${sessionId}, ${only.body.user.id}, now() + interval '1 hour', ${sessionId}, 'aal2')`;
    const owner = { ...userCaller(only.body.user.id, testCaller), sessionId } as Caller;
    expect(await unlinkAccount(harness.copy.ports, { providerId: 'company' }, owner)).toEqual({ status: 'unlinked' });
    expect((await harness.ask('POST', '/api/auth/link-social', { json: { provider: 'company' } })).status).toBe(401);
    expect((await harness.ask('GET', '/api/auth/list-accounts')).status).toBe(401);
  });
});
