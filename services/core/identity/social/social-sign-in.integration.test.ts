import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verdictOn } from '#tools/testing/flows/flows.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import {
  expectRefusedSignIn,
  openSocialHarness,
  providerAccount,
  type SocialHarness,
} from '#tools/testing/harness/social.ts';
import { cookieOf, send } from '#tools/testing/http-client.ts';

let harness: SocialHarness;
beforeAll(async () => {
  harness = await openSocialHarness();
});
afterAll(() => harness?.close());

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
    expect((await harness.ask('GET', on.headers.get('location') ?? '', { cookie: again.cookie })).status).toBe(200);
    expectRefusedSignIn(await harness.ask('POST', path, { form: { code: 'x' } }), 400, 'request_invalid');
    expectRefusedSignIn(
      await harness.ask('POST', '/api/auth/callback/acme', { form: { state: 'x' } }),
      404,
      'social_provider_unknown',
    );
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
    const events = await harness.rows(
      `SELECT type, outcome, detail FROM audit_outbox WHERE type = 'user.login' AND target_id = $1`,
      [first.body.user.id],
    );
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
    const [row] = await harness.rows(`SELECT * FROM accounts WHERE "userId" = $1`, [body.user.id]);
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
    for (const provider of ['google', 'credential', '__proto__', 'constructor', ''])
      expectRefusedSignIn(
        await harness.ask('POST', '/api/auth/sign-in/social', { json: { provider } }),
        404,
        'social_provider_unknown',
      );
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
    expectRefusedSignIn(
      await harness.ask('GET', good.pathname + good.search, { cookie: wrong.cookie }),
      400,
      'social_sign_in_refused',
    );

    const stranger = await harness.begin();
    for (const cookie of ['', stranger.cookie]) {
      const begun = await harness.begin();
      expectRefusedSignIn(
        await harness.ask('GET', await harness.comeBack(begun, profile), { cookie }),
        400,
        'social_sign_in_refused',
      );
    }

    const late = await harness.begin();
    const latePath = await harness.comeBack(late, profile);
    await harness.rows(`UPDATE social_sign_ins SET expires_at = now() - interval '1 second'`);
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
    expectRefusedSignIn(
      await harness.ask('GET', url.pathname + url.search, { cookie: second.cookie }),
      400,
      'social_sign_in_refused',
    );
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
    expectRefusedSignIn(
      await harness.ask('GET', url.pathname + url.search, { cookie: mine.cookie }),
      400,
      'social_sign_in_refused',
    );

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
    expectRefusedSignIn(
      await harness.ask('POST', '/api/auth/sign-in/social', { json, headers: { origin: 'https://evil.example' } }),
      403,
      'origin_refused',
    );
    for (const callbackURL of ['https://evil.example/', '//evil.example', '/\\evil.example'])
      expectRefusedSignIn(
        await harness.ask('POST', '/api/auth/sign-in/social', { json: { ...json, callbackURL } }),
        400,
        'callback_refused',
      );
  });
});
