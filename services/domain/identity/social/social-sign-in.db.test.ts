import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_URL, type ApiCopy } from '../../../platform/testing/api-copy.ts';
import { type ApiWorld, openApiWorld } from '../../../platform/testing/api-world.ts';
import { signUp, type TestUser, verdictOn } from '../../../platform/testing/flows.ts';
import { cookieOf, type Json, type Received, type Sent, send } from '../../../platform/testing/http-client.ts';
import { type MailFolder, openMailFolder } from '../../../platform/testing/mail-folder.ts';
import { type ProviderAccount, startOidcProvider, type TestProvider } from '../../../platform/testing/oidc-provider.ts';
import { overtaken } from '../../../platform/testing/overtaken.ts';
import { testCaller } from '../../../platform/testing/ports.ts';
import { personCaller } from '../finish-login.ts';
import { unlinkAccount } from './linked-accounts.ts';

let world: ApiWorld;
let copy: ApiCopy;
let mails: MailFolder;
let oidc: TestProvider;
/** It stops in the middle of a sign-in. */
let leaving: TestProvider;

const callbackOf = (name: string): string => `${API_URL}/api/auth/callback/${name}`;

beforeAll(async () => {
  oidc = await startOidcProvider([callbackOf('company'), callbackOf('other')]);
  leaving = await startOidcProvider([callbackOf('leaving')]);
  const provider = { issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: oidc.clientSecret };
  world = await openApiWorld();
  copy = await world.startCopy({
    env: {
      RATE_LIMIT_PROFILE: 'load',
      GITHUB_CLIENT_ID: 'x',
      GITHUB_CLIENT_SECRET: 'y',
      SOCIAL_PROVIDERS: JSON.stringify({
        company: { ...provider, allowPrivateAddresses: true },
        other: { ...provider, allowPrivateAddresses: true },
        leaving: { ...provider, issuer: leaving.issuer, allowPrivateAddresses: true },
        guarded: provider,
        impostor: { ...provider, issuer: `${oidc.issuer}/`, allowPrivateAddresses: true },
      }),
    },
  });
  mails = await openMailFolder(copy.ports);
});
afterAll(async () => {
  await mails?.close();
  await world?.close();
  await Promise.all([oidc?.close(), leaving?.close()]);
});

const ask = (method: string, path: string, sent: Sent = {}): Promise<Received> => send(copy.url, method, path, sent);
const account = (members: Partial<ProviderAccount> = {}): ProviderAccount => ({
  sub: randomUUID(),
  email: `${randomUUID()}@people.test`,
  email_verified: true,
  name: 'Ada',
  ...members,
});

type Begun = { readonly url: string; readonly cookie: string };

/** From our side to the provider's door. */
async function begin(
  { provider = 'company', cookie = '', path = '/api/auth/sign-in/social' } = {},
  members: object = {},
): Promise<Begun> {
  const headers = { origin: API_URL };
  const answer = await ask('POST', path, { json: { provider, ...members }, cookie, headers });
  expect(answer.status, answer.text).toBe(200);
  return { url: answer.body.url, cookie: [cookie, cookieOf(answer)].filter((part) => part !== '').join('; ') };
}

/** What the provider sends the browser back with, as a path of ours. */
const comeBack = async ({ url }: Begun, who: ProviderAccount, at = oidc): Promise<string> => {
  const back = await at.signIn(url, who);
  expect(back.href.startsWith(`${API_URL}/api/auth/callback/`)).toBe(true);
  return back.pathname + back.search;
};

async function signInAs(who: ProviderAccount, members: object = {}): Promise<Received> {
  const begun = await begin({}, members);
  return ask('GET', await comeBack(begun, who), { cookie: begun.cookie });
}

async function expectRefused(answer: Received, status: number, code: string): Promise<void> {
  expect([answer.status, answer.body?.code]).toEqual([status, code]);
  expect(answer.headers.getSetCookie()).toEqual([]);
}

const usersOf = (email: string): Promise<Json[]> => world.rows('SELECT * FROM users WHERE email = $1', [email]);

test('A-OAU-03 a provider that lacks what it needs is refused at the start, by name and fix, not at a sign-in', async () => {
  const startWith = (providers: object): Promise<ApiCopy> =>
    world.startCopy({ env: { SOCIAL_PROVIDERS: JSON.stringify(providers) } });
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

describe('a provider that answers by a form, as Apple does', () => {
  test('sends its cross-site POST, which has no cookie, on to the GET; the state is judged there', async () => {
    const begun = await begin();
    const back = new URL(await comeBack(begun, account()), API_URL);
    const form = { ...Object.fromEntries(back.searchParams), user: '{"name":"Ada"}', id_token: 'not-in-an-address' };
    const headers = { origin: oidc.issuer, 'sec-fetch-site': 'cross-site' };
    const posted = await ask('POST', back.pathname, { form, headers });
    const location = posted.headers.get('location') ?? '';
    expect([posted.status, posted.text, posted.headers.getSetCookie()]).toEqual([303, '', []]);
    expect(new URL(location, API_URL).pathname).toBe(back.pathname);
    expect(location).not.toMatch(/user|id_token/);
    await expectRefused(await ask('GET', location), 400, 'social_sign_in_refused');
    const again = await begin();
    const query = new URL(await comeBack(again, account()), API_URL).searchParams;
    const path = `/api/auth/callback/company`;
    const on = await ask('POST', path, { form: Object.fromEntries(query), headers });
    expect((await ask('GET', on.headers.get('location') ?? '', { cookie: again.cookie })).status).toBe(200);
    await expectRefused(await ask('POST', path, { form: { code: 'x' } }), 400, 'request_invalid');
    await expectRefused(
      await ask('POST', '/api/auth/callback/nobody', { form: { state: 'x' } }),
      404,
      'social_provider_unknown',
    );
  });
});

describe('A-OAU-01 a code for a user, a session and a pair', () => {
  test('the first time an account begins, the second time it is the same one', async () => {
    const who = account();
    const first = await signInAs(who);
    expect(first.status, first.text).toBe(200);
    expect(first.body).toMatchObject({
      isNewUser: true,
      user: { email: who.email, emailVerified: true, name: 'Ada' },
      session: { userId: first.body.user.id },
      tokens: { token_type: 'Bearer' },
    });
    expect((await ask('GET', '/api/auth/session', { cookie: cookieOf(first) })).body.user.id).toBe(first.body.user.id);
    expect(await verdictOn({ api: copy.url }, first.body.tokens.access_token)).toBe('active');
    const second = await signInAs({ ...who, email: 'moved@people.test' });
    expect(second.body).toMatchObject({ isNewUser: false, user: { id: first.body.user.id, email: who.email } });
    const events = await world.rows(
      `SELECT type, outcome, detail FROM audit_outbox WHERE type = 'user.login' AND target_id = $1`,
      [first.body.user.id],
    );
    expect(events).toHaveLength(2);
    expect(events[0]).toMatchObject({ outcome: 'ok', detail: { factor: 'social', provider: 'company' } });
  });

  test('a browser is sent on to the page it asked for, with cookies and without a token in the address (T15, T17)', async () => {
    const answer = await signInAs(account(), { callbackURL: '/welcome?a=b' });
    expect([answer.status, answer.headers.get('location'), answer.text]).toEqual([303, '/welcome?a=b', '']);
    expect((await ask('GET', '/api/auth/session', { cookie: cookieOf(answer) })).status).toBe(200);
  });

  test('A-OAU-02 tokens of the provider are sealed at rest', async () => {
    const { body } = await signInAs(account());
    const [row] = await world.rows(`SELECT * FROM accounts WHERE "userId" = $1`, [body.user.id]);
    const [given] = oidc.tokens;
    for (const token of [given?.access_token, given?.id_token]) {
      expect(token).toMatch(/^[\w.-]{43,}$/);
      expect(JSON.stringify(row)).not.toContain(token);
    }
    for (const token of [row.accessToken, row.idToken]) expect(token).toMatch(/^1\.v1\.[\w-]{40,}$/);
  });

  test('A-OAU-03 providers are those that are configured, and no other', async () => {
    expect((await ask('GET', '/api/auth/social-providers')).body.providers).toEqual(
      expect.arrayContaining(['company', 'other', 'github']),
    );
    for (const provider of ['google', 'credential', '__proto__', 'constructor', ''])
      await expectRefused(
        await ask('POST', '/api/auth/sign-in/social', { json: { provider } }),
        404,
        'social_provider_unknown',
      );
    const github = new URL((await begin({ provider: 'github' })).url);
    expect([github.origin, github.searchParams.get('code_challenge_method')]).toEqual(['https://github.com', 'S256']);
  });
});

describe('what does not belong together', () => {
  test('GHSA-wxw3-q3m9-c3jr a state that is wrong, used, late, or of another browser is refused', async () => {
    const who = account();
    const used = await begin();
    const path = await comeBack(used, who);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('GET', path, { cookie: used.cookie })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 7 }, () => 400)]);

    const wrong = await begin();
    const good = new URL(await comeBack(wrong, who), copy.url);
    good.searchParams.set('state', randomUUID());
    await expectRefused(
      await ask('GET', good.pathname + good.search, { cookie: wrong.cookie }),
      400,
      'social_sign_in_refused',
    );

    const stranger = await begin();
    for (const cookie of ['', stranger.cookie]) {
      const begun = await begin();
      await expectRefused(await ask('GET', await comeBack(begun, who), { cookie }), 400, 'social_sign_in_refused');
    }

    const late = await begin();
    const latePath = await comeBack(late, who);
    await world.rows(`UPDATE social_sign_ins SET expires_at = now() - interval '1 second'`);
    await expectRefused(await ask('GET', latePath, { cookie: late.cookie }), 400, 'social_sign_in_refused');
  });

  test('an answer of one provider to the question of another is refused (mix-up), as is a foreign issuer (RFC 9207)', async () => {
    const begun = await begin();
    const path = await comeBack(begun, account());
    const elsewhere = path.replace('/callback/company', '/callback/other');
    await expectRefused(await ask('GET', elsewhere, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
    // The question is used up by that.
    await expectRefused(await ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
    const second = await begin();
    const url = new URL(await comeBack(second, account()), copy.url);
    expect(url.searchParams.get('iss')).toBe(oidc.issuer);
    url.searchParams.set('iss', 'https://evil.example');
    await expectRefused(
      await ask('GET', url.pathname + url.search, { cookie: second.cookie }),
      400,
      'social_sign_in_refused',
    );
  });

  test('PKCE and nonce: a code of another attempt, and an ID token for another nonce, are refused', async () => {
    const [mine, theirs] = [await begin(), await begin()];
    const stolen = new URL(await comeBack(theirs, account()), copy.url).searchParams.get('code') as string;
    const url = new URL(await comeBack(mine, account()), copy.url);
    url.searchParams.set('code', stolen);
    await expectRefused(
      await ask('GET', url.pathname + url.search, { cookie: mine.cookie }),
      400,
      'social_sign_in_refused',
    );

    const begun = await begin();
    const changed = new URL(begun.url);
    changed.searchParams.set('nonce', 'another');
    const path = await comeBack({ ...begun, url: changed.href }, account());
    await expectRefused(await ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
  });

  test('what the person refused at the provider opens nothing, and cannot be tried again', async () => {
    const begun = await begin();
    const state = new URL(begun.url).searchParams.get('state');
    const path = `/api/auth/callback/company?state=${state}&error=access_denied&code=x`;
    for (const _ of [1, 2])
      await expectRefused(await ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
  });
});

describe('CVE-2026-53516 whose account it is', () => {
  test('P-OAU-04 without a proved address no account begins, and none is found: the answers are alike (U6)', async () => {
    const known = await signUp({ api: copy.url });
    const answers = [];
    for (const email of [known.email, `${randomUUID()}@people.test`]) {
      const answer = await signInAs(account({ email, email_verified: false }));
      await expectRefused(answer, 403, 'social_email_unproven');
      const { trace_id: _, ...body } = answer.body;
      answers.push(body);
    }
    expect(answers[0]).toEqual(answers[1]);
    await expectRefused(await signInAs({ sub: randomUUID() }), 403, 'social_email_unproven');
    expect(await usersOf(known.email)).toHaveLength(1);
    expect(await world.rows(`SELECT FROM accounts WHERE "userId" = $1`, [known.id])).toHaveLength(1);
  });

  test('GHSA-qq9h-g4jm-xgf3 who registered somebody else’s address first loses password, session, tokens and what it was given when its owner comes', async () => {
    const attacker: TestUser = await signUp({ api: copy.url });
    await world.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'compliance')`, [attacker.id]);
    await world.rows('INSERT INTO invitations (id, user_id) VALUES ($1, $2)', [randomUUID(), attacker.id]);
    const owner = await signInAs(account({ email: attacker.email }));
    expect(owner.body, owner.text).toMatchObject({ isNewUser: false, user: { id: attacker.id, emailVerified: true } });
    expect(await usersOf(attacker.email)).toMatchObject([{ roles: ['user'] }]);
    const { email, password } = attacker;
    expect((await ask('POST', '/api/auth/signin', { json: { email, password } })).status).toBe(401);
    expect((await ask('GET', '/api/auth/session', { cookie: attacker.cookie })).status).toBe(401);
    const refresh = { json: { refresh_token: attacker.tokens.refresh_token } };
    expect((await ask('POST', '/v1/tokens/refresh', refresh)).status).toBe(401);
    await expect.poll(() => verdictOn({ api: copy.url }, attacker.tokens.access_token)).not.toBe('active');
    expect((await ask('GET', '/api/auth/session', { cookie: cookieOf(owner) })).status).toBe(200);
    expect(await world.rows(`SELECT FROM accounts WHERE "userId" = $1`, [attacker.id])).toHaveLength(1);
  });

  test('an address that was proved here is linked, and its password and sessions stay', async () => {
    const person = await signUp({ api: copy.url });
    await world.rows('UPDATE users SET "emailVerified" = now() WHERE id = $1', [person.id]);
    const { body } = await signInAs(account({ email: person.email.toUpperCase() }));
    expect(body).toMatchObject({ isNewUser: false, user: { id: person.id } });
    expect((await ask('GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(200);
    expect(await world.rows(`SELECT FROM accounts WHERE "userId" = $1`, [person.id])).toHaveLength(2);
    const told = (await mails.to(person.email)).filter(({ subject }) => subject.includes('another way to sign in'));
    expect(told.map(({ text }) => text.includes('by company'))).toEqual([true]);
  });

  test('a disabled account is refused, and one with a second factor gets no session by the first alone', async () => {
    const who = account();
    const { body } = await signInAs(who);
    await world.rows(
      `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified) VALUES ($1, $2, 'x', '[]', true)`,
      [randomUUID(), body.user.id],
    );
    await world.rows('UPDATE users SET "twoFactorEnabled" = true WHERE id = $1', [body.user.id]);
    const asked = await signInAs(who);
    await expectRefused(asked, 401, 'second_factor_required');
    expect(asked.body).toMatchObject({ factors: expect.arrayContaining(['totp']), challenge: expect.any(String) });
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [body.user.id]);
    const disabled = await signInAs(who);
    expect(disabled.status).toBe(401);
    expect(disabled.headers.getSetCookie()).toEqual([]);
  });
});

describe('linking by who is signed in', () => {
  const link = async (person: { cookie: string }, who: ProviderAccount): Promise<Received> => {
    const begun = await begin({ cookie: person.cookie, path: '/api/auth/link-social' });
    return ask('GET', await comeBack(begun, who), { cookie: begun.cookie });
  };
  const accountsOf = async ({ cookie }: { cookie: string }): Promise<string[]> =>
    (await ask('GET', '/api/auth/list-accounts', { cookie })).body.accounts.map(({ providerId }: Json) => providerId);
  const unlink = (cookie: string, providerId: string): Promise<Received> =>
    ask('POST', '/api/auth/unlink-account', { json: { providerId }, cookie, headers: { origin: API_URL } });

  test('either way then reaches the same user; unlinked, it does not', async () => {
    const person = await signUp({ api: copy.url });
    const who = account();
    expect((await link(person, who)).body).toEqual({ linked: true });
    expect((await link(person, who)).body).toEqual({ linked: true });
    expect(await accountsOf(person)).toEqual(['credential', 'company']);
    expect((await signInAs(who)).body.user.id).toBe(person.id);
    expect((await unlink(person.cookie, 'company')).body).toEqual({ status: 'unlinked' });
    await expectRefused(await unlink(person.cookie, 'company'), 404, 'linked_account_unknown');
    await expectRefused(await unlink(person.cookie, 'credential'), 404, 'linked_account_unknown');
    expect((await signInAs(who)).body).toMatchObject({ isNewUser: true });
    // Once for each change, and to the address of the account.
    expect((await mails.to(person.email)).map(({ subject }) => subject)).toEqual([
      'Confirm your e-mail address',
      'Your account has another way to sign in',
      'Your account has lost a way to sign in',
    ]);
  });

  test('P-OAU-04 an account that somebody has is nobody else’s: 409; nor does another session finish what one began', async () => {
    const who = account();
    await signInAs(who);
    const [one, two] = [await signUp({ api: copy.url }), await signUp({ api: copy.url })];
    await expectRefused(await link(one, who), 409, 'social_account_taken');
    const begun = await begin({ cookie: one.cookie, path: '/api/auth/link-social' });
    const [, secret = ''] = begun.cookie.split('; sallyport.social=');
    const swapped = `${two.cookie}; sallyport.social=${secret}`;
    await expectRefused(
      await ask('GET', await comeBack(begun, account()), { cookie: swapped }),
      400,
      'social_sign_in_refused',
    );
    await expectRefused(await link(one, account({ email_verified: false })), 403, 'social_email_unproven');
    expect(await accountsOf(one)).toEqual(['credential']);
    expect(await accountsOf(two)).toEqual(['credential']);
  });

  test('a way in that is taken away while somebody comes by it opens nothing, and is not there again', async () => {
    const person = await signUp({ api: copy.url });
    const who = account();
    await link(person, who);
    const begun = await begin();
    const path = await comeBack(begun, who);
    const takeAway = `DELETE FROM accounts WHERE "userId" = $1 AND "providerId" = 'company'`;
    const answer = await overtaken(copy.stores.pools.main, person.id, takeAway, () =>
      ask('GET', path, { cookie: begun.cookie }),
    );
    await expectRefused(answer, 400, 'social_sign_in_refused');
    expect(await accountsOf(person)).toEqual(['credential']);
  });

  test('a session that is ended while it links another way in links none', async () => {
    const person = await signUp({ api: copy.url });
    const begun = await begin({ cookie: person.cookie, path: '/api/auth/link-social' });
    const path = await comeBack(begun, account());
    const end = `DELETE FROM sessions WHERE "userId" = $1`;
    const answer = await overtaken(copy.stores.pools.main, person.id, end, () =>
      ask('GET', path, { cookie: begun.cookie }),
    );
    await expectRefused(answer, 400, 'social_sign_in_refused');
    expect(await world.rows(`SELECT FROM accounts WHERE "userId" = $1`, [person.id])).toHaveLength(1);
  });

  test('the last way in stays', async () => {
    const only = await signInAs(account());
    const cookie = cookieOf(only);
    await expectRefused(await unlink(cookie, 'company'), 409, 'last_way_in');
    await world.rows(
      `INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
       VALUES ($1, $2, 'x', $1, 0, 'singleDevice', false)`,
      [randomUUID(), only.body.user.id],
    );
    // The first passkey ended the session.
    const owner = personCaller(only.body.user.id, testCaller);
    expect(await unlinkAccount(copy.ports, { providerId: 'company' }, owner)).toEqual({ status: 'unlinked' });
    expect((await ask('POST', '/api/auth/link-social', { json: { provider: 'company' } })).status).toBe(401);
    expect((await ask('GET', '/api/auth/list-accounts')).status).toBe(401);
  });
});

describe('A6 the provider itself', () => {
  test('on a private address is not asked unless that is configured; one that calls itself otherwise is not believed', async () => {
    for (const provider of ['guarded', 'impostor']) {
      const answer = await ask('POST', '/api/auth/sign-in/social', { json: { provider } });
      await expectRefused(answer, 503, 'social_provider_unavailable');
      expect(answer.headers.get('retry-after')).toBe('5');
    }
  });

  test('gone between question and answer is no fault of the person, and no session', async () => {
    const begun = await begin({ provider: 'leaving' });
    const path = await comeBack(begun, account(), leaving);
    await leaving.close();
    const answer = await ask('GET', path, { cookie: begun.cookie });
    await expectRefused(answer, 503, 'social_provider_unavailable');
    await expectRefused(await ask('GET', path, { cookie: begun.cookie }), 400, 'social_sign_in_refused');
  });

  test('U9 a foreign page begins nothing, and no address is returned to that is not ours', async () => {
    const json = { provider: 'company' };
    await expectRefused(
      await ask('POST', '/api/auth/sign-in/social', { json, headers: { origin: 'https://evil.example' } }),
      403,
      'origin_refused',
    );
    for (const callbackURL of ['https://evil.example/', '//evil.example', '/\\evil.example'])
      await expectRefused(
        await ask('POST', '/api/auth/sign-in/social', { json: { ...json, callbackURL } }),
        400,
        'callback_refused',
      );
  });
});
