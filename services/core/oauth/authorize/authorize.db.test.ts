import { beforeAll, describe, expect, test } from 'vitest';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import {
  anonymousCaller,
  answered,
  challengeOf,
  type GrantClient,
  newVerifier,
  openGrantHarness,
  REDIRECT,
} from '../grant-harness.ts';
import { redeemAuthorizationCode } from '../redeem-code.ts';
import type { AuthorizePorts } from './admit-authorization.ts';
import { authorize } from './authorize.ts';
import { codeHashOf } from './issue-code.ts';

const harness = opened(() => openGrantHarness());
const user = opened(() => harness.newUser());
const site = opened(() => harness.newClient());

const ask = (query: string, cookie: string | undefined = user.cookie, changes: Partial<AuthorizePorts> = {}) =>
  authorize({ ...harness.ports, ...changes }, { query, cookie }, anonymousCaller);
/** A clock that is this many seconds ahead. */
const later = (seconds: number): Partial<AuthorizePorts> => ({
  clock: { ...harness.ports.clock, now: () => harness.ports.clock.now() + seconds * 1_000 },
});
const agreed = async (members: Record<string, string> = {}, changes = {}): Promise<GrantClient> => {
  const client = await harness.newClient(changes);
  await harness.codeFor(user, client, members);
  return client;
};

test.each([
  ['an unknown client', { client_id: 'unknown' }, 'not registered'],
  ['a redirect URI that is not registered', { redirect_uri: 'https://evil.test/cb' }, 'not registered'],
  ['a query that is too long', { state: 'x'.repeat(8_192) }, 'too long'],
])('%s is shown only to the user, without a redirect', async (_what, members, why) => {
  expect(await ask(harness.query(site, members))).toEqual({ kind: 'page-error', why: expect.stringContaining(why) });
});

test('an error of a known client redirects to it, with its state and the issuer', async () =>
  expect(answered(await ask(harness.query(site, { response_type: 'token' })))).toEqual({
    error: 'unsupported_response_type',
    error_description: expect.any(String),
    state: 's',
    iss: harness.ports.tokenSettings.issuer,
  }));

test('without a session the user must sign in, or prompt=none returns login_required', async () => {
  const query = harness.query(site);
  expect(await ask(query, '')).toEqual({ kind: 'sign-in', query: expect.stringContaining('login_after=') });
  expect(await ask(query, 'better-auth.session_token=made-up')).toMatchObject({ kind: 'sign-in' });
  expect(answered(await ask(harness.query(site, { prompt: 'none' }), ''))).toMatchObject({ error: 'login_required' });
});

test.each(['login', 'select_account'])('prompt=%s requires one new sign-in', async (prompt) => {
  const first = await ask(harness.query(site, { prompt }));
  const marked = first.kind === 'sign-in' ? first.query : '';
  expect(marked).not.toBe('');
  const { cookie } = await openSessionFor(harness, user.id);
  expect((await ask(marked, cookie)).kind).toBe('consent');
  // The marker is valid neither for another request nor an hour later.
  const moved = new URLSearchParams(marked);
  moved.set('state', 'another');
  expect((await ask(moved.toString(), cookie)).kind).toBe('sign-in');
  expect((await ask(marked, cookie, later(3_602))).kind).toBe('sign-in');
});

test('a sign-in from before prompt=login does not satisfy it', async () => {
  const first = await ask(harness.query(site, { prompt: 'login' }), user.cookie, later(60));
  expect((await ask(first.kind === 'sign-in' ? first.query : '', user.cookie, later(61))).kind).toBe('sign-in');
});

test('max_age accepts a recent sign-in and requires a new one for an older sign-in or for 0', async () => {
  const of = (max_age: string) => harness.query(site, { max_age });
  expect((await ask(of('3600'))).kind).toBe('consent');
  expect((await ask(of('3600'), user.cookie, later(7_200))).kind).toBe('sign-in');
  expect((await ask(of('0'))).kind).toBe('sign-in');
});

test('a user that claims names is the only one who gets a code (OpenID Connect Core §3.1.2.2)', async () => {
  const client = await agreed();
  const naming = (sub: string, prompt = 'none') =>
    harness.query(client, { prompt, claims: JSON.stringify({ id_token: { sub: { value: sub } } }) });
  expect(answered(await ask(naming(user.id)))).toHaveProperty('code');
  expect(answered(await ask(naming('another')))).toMatchObject({ error: 'login_required' });
});

test('an essential acr that the sign-in has not reached is an error, and one that it has gives a code (§5.5.1.1)', async () => {
  const client = await agreed();
  const needing = (...values: string[]) =>
    harness.query(client, { claims: JSON.stringify({ id_token: { acr: { essential: true, values } } }) });
  expect(answered(await ask(needing('aal1', 'aal2')))).toHaveProperty('code');
  expect(answered(await ask(needing('aal2')))).toMatchObject({
    error: 'unmet_authentication_requirements',
    state: 's',
  });
});

describe('without a page, a client without consent learns nothing of the user (OpenID Connect Core §3.1.2.6)', () => {
  const silently = (client: GrantClient, claims: object, members: Record<string, string> = {}) =>
    ask(harness.query(client, { prompt: 'none', claims: JSON.stringify({ id_token: claims }), ...members }));

  test.each([
    ['who it is', () => ({ sub: { value: user.id } })],
    ['who it is not', () => ({ sub: { value: 'another' } })],
    ['how they signed in', () => ({ acr: { essential: true, values: ['aal2'] } })],
  ])('not %s', async (_what, claims) => {
    expect(answered(await silently(site, claims()))).toMatchObject({ error: 'consent_required' });
  });

  test('nor when they signed in', async () => {
    const query = harness.query(site, { prompt: 'none', max_age: '60' });
    expect(answered(await ask(query))).toMatchObject({ error: 'consent_required' });
    expect(answered(await ask(query, user.cookie, later(120)))).toMatchObject({ error: 'consent_required' });
  });

  test('and one with a consent to fewer scopes than it asks for is answered the same', async () => {
    const client = await agreed({ scope: 'openid' });
    const named = { sub: { value: 'another' } };
    expect(answered(await silently(client, named))).toMatchObject({ error: 'consent_required' });
    expect(answered(await silently(client, named, { scope: 'openid' }))).toMatchObject({ error: 'login_required' });
  });
});

describe('id_token_hint (OpenID Connect Core §3.1.2.1)', () => {
  /** An ID token of this user for the client; the user has consented to the client then. */
  async function idTokenOf(by: TestUser, client: GrantClient): Promise<string> {
    const codeVerifier = newVerifier();
    const code = await harness.codeFor(by, client, { code_challenge: challengeOf(codeVerifier) });
    const at = { clientId: client.clientId, isAuthenticated: true };
    const input = { code, codeVerifier, client: at, redirectUri: REDIRECT, resource: undefined, keys: {} };
    return (await redeemAuthorizationCode(harness.ports, input, client.caller)).id_token as string;
  }
  let client: GrantClient;
  let other: TestUser;
  /** ID tokens of the user, of another user, and of the user for another client. */
  let hints: { readonly own: string; readonly others: string; readonly elsewhere: string };
  beforeAll(async () => {
    [client, other] = await Promise.all([harness.newClient(), harness.newUser()]);
    const rival = await harness.newClient();
    hints = {
      own: await idTokenOf(user, client),
      others: await idTokenOf(other, client),
      elsewhere: await idTokenOf(user, rival),
    };
  });
  const by = (id_token_hint: string, members: Record<string, string> = {}) =>
    harness.query(client, { id_token_hint, ...members });

  test('the ID token of the signed-in user continues, also without a page and after it has expired', async () => {
    expect(answered(await ask(by(hints.own)))).toHaveProperty('code');
    expect(answered(await ask(by(hints.own, { prompt: 'none' }), user.cookie, later(7_200)))).toHaveProperty('code');
  });

  test.each(['others', 'elsewhere'] as const)(
    'the token of another user or client (%s) gives no code without a sign-in, and login_required with prompt=none',
    async (which) => {
      expect((await ask(by(hints[which]))).kind).toBe('sign-in');
      expect(answered(await ask(by(hints[which], { prompt: 'none' })))).toMatchObject({ error: 'login_required' });
    },
  );

  test.each(['no token', 'e30.e30.e30'])('so does one that this issuer did not sign: %s', async (forged) => {
    expect((await ask(by(forged))).kind).toBe('sign-in');
    expect(answered(await ask(by(forged, { prompt: 'none' })))).toMatchObject({ error: 'login_required' });
  });

  test('after the sign-in the expected user gets a code, and the client of another user gets login_required', async () => {
    const step = await ask(by(hints.others));
    const marked = step.kind === 'sign-in' ? step.query : '';
    const expected = await openSessionFor(harness, other.id);
    expect(answered(await ask(marked, expected.cookie))).toHaveProperty('code');
    const again = await openSessionFor(harness, user.id);
    expect(answered(await ask(marked, again.cookie))).toMatchObject({ error: 'login_required', state: 's' });
  });

  test('after a sign-in a token that names no user does not stop the user', async () => {
    const step = await ask(by('no token'));
    const again = await openSessionFor(harness, user.id);
    expect(answered(await ask(step.kind === 'sign-in' ? step.query : '', again.cookie))).toHaveProperty('code');
  });
});

test('acr_values is accepted and changes nothing', async () =>
  expect((await ask(harness.query(site, { acr_values: 'aal2 aal1' }))).kind).toBe('consent'));

test('without consent the user is asked, or prompt=none returns consent_required', async () => {
  const step = await ask(harness.query(site));
  expect(step).toMatchObject({
    kind: 'consent',
    request: { scopes: ['openid', 'email'] },
    live: { user: { id: user.id } },
  });
  expect(answered(await ask(harness.query(site, { prompt: 'none' })))).toMatchObject({ error: 'consent_required' });
});

test('after an earlier consent a code is issued without asking: valid for a minute, stored as a hash, with an event', async () => {
  const client = await agreed();
  const step = await ask(harness.query(client, { prompt: 'none', nonce: 'n' }));
  const { code = '', ...others } = answered(step);
  expect(others).toEqual({ state: 's', iss: harness.ports.tokenSettings.issuer });
  const [row] = await harness.rows`SELECT user_id, session_id, client_id, scope, audience, nonce, dpop_jkt,
    expires_at BETWEEN now() AND now() + interval '61 seconds' AS "isShort" FROM oauth_codes
      WHERE code_hash = ${codeHashOf(code)}`;
  const { audience } = harness.ports.tokenSettings;
  expect(row).toEqual({
    user_id: user.id,
    session_id: user.sessionId,
    client_id: client.clientId,
    scope: 'openid email',
    audience,
    nonce: 'n',
    dpop_jkt: null,
    isShort: true,
  });
  const events = await harness.rows`SELECT outcome, detail FROM audit_outbox
    WHERE type = 'oauth.authorized' AND client_id = ${client.clientId}`;
  const detail = { scope: 'openid email', audience, session_id: user.sessionId };
  expect(events).toEqual([
    { outcome: 'ok', detail },
    { outcome: 'ok', detail },
  ]);
});

test('the user is asked for scopes without consent, and for every scope with prompt=consent', async () => {
  const client = await agreed({ scope: 'openid' });
  expect((await ask(harness.query(client, { scope: 'openid' }))).kind).toBe('redirect');
  expect((await ask(harness.query(client, { scope: 'openid email' }))).kind).toBe('consent');
  expect((await ask(harness.query(client, { scope: 'openid', prompt: 'consent' }))).kind).toBe('consent');
});

test('a client that skips consent gets its code without a question', async () => {
  const { clientId, caller } = await harness.newClient();
  await harness.rows`UPDATE oauth_clients SET skip_consent = true WHERE "clientId" = ${clientId}`;
  await harness.ports.access.load();
  expect(answered(await ask(harness.query({ clientId, caller })))).toHaveProperty('code');
});

test('users of a public client are asked each time, unless its redirect URI is https', async () => {
  const redirect_uri = 'http://127.0.0.1/callback';
  const changes = { auth_method: 'none' as const, redirect_uris: [redirect_uri, 'https://app.example.test/cb'] };
  const app = await agreed({}, changes);
  await harness.rows`UPDATE oauth_clients SET skip_consent = true WHERE "clientId" = ${app.clientId}`;
  await harness.ports.access.load();
  expect((await ask(harness.query(app, { redirect_uri }))).kind).toBe('consent');
  expect((await ask(harness.query(app))).kind).toBe('redirect');
});
