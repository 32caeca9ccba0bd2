import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { signingUnavailable } from '../keys/errors.ts';
import type { ProvenKeys } from '../tokens/issue/grant-token.ts';
import { codeHashOf } from './authorize/issue-code.ts';
import { readUserInfo } from './claims/read-user-info.ts';
import { challengeOf, type GrantClient, newVerifier, openGrantHarness, REDIRECT } from './grant-harness.ts';
import { type RedeemCodeInput, redeemAuthorizationCode } from './redeem-code.ts';

const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);
const user = opened(() => harness.newUser());
const site = opened(() => harness.newClient());

const codeVerifier = newVerifier();
const code_challenge = challengeOf(codeVerifier);
const codeAt = (client: GrantClient = site, members: Record<string, string> = {}, by: TestUser = user) =>
  harness.codeFor(by, client, { code_challenge, ...members });
const redeem = (
  code: string | undefined,
  changes: Partial<RedeemCodeInput> = {},
  client: GrantClient = site,
  keyRing = ports.keyRing,
) =>
  redeemAuthorizationCode(
    { ...ports, keyRing },
    {
      code,
      codeVerifier,
      redirectUri: REDIRECT,
      resource: undefined,
      client: { clientId: client.clientId, isAuthenticated: client.caller.kind === 'client' },
      keys: {},
      ...changes,
    },
    client.caller,
  );
const familyOf = async (code: string) =>
  (await harness.rows`SELECT * FROM refresh_families WHERE code_id = ${codeHashOf(code)}`)[0];

test('a code creates a token family of its client in the session, with tokens of the granted scope', async () => {
  const code = await codeAt(site, { nonce: 'n' });
  const tokens = await redeem(code);
  expect(tokens).toEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: expect.any(Number),
    scope: 'openid email',
    refresh_token: expect.any(String),
    refresh_expires_in: expect.any(Number),
    id_token: expect.any(String),
  });
  expect(decodeJwt(tokens.access_token)).toMatchObject({ sub: user.id, client_id: site.clientId, sid: user.sessionId });
  expect(decodeJwt(tokens.id_token as string)).toMatchObject({ sub: user.id, aud: site.clientId, nonce: 'n' });
  expect(await familyOf(code)).toMatchObject({ user_id: user.id, client_bound: true, jkt: null, revoked_at: null });
});

describe('an ID token says about the user', () => {
  const claims = JSON.stringify({ id_token: { email: null, updated_at: null }, userinfo: { name: null } });
  const idTokenOf = async (client: GrantClient, members: Record<string, string>) =>
    decodeJwt((await redeem(await codeAt(client, members), {}, client)).id_token as string);

  test('what the parameter claims asked, and the scope that releases it is granted with it (Core §5.5)', async () => {
    const client = await harness.newClient();
    const { access_token, id_token, scope } = await redeem(
      await codeAt(client, { scope: 'openid', claims }),
      {},
      client,
    );
    expect(scope).toBe('openid email profile');
    expect(decodeJwt(id_token as string)).toMatchObject({ email: user.email, updated_at: expect.any(Number) });
    expect(decodeJwt(id_token as string)).not.toHaveProperty('email_verified');
    expect(await readUserInfo(ports, access_token)).toMatchObject({ email: user.email, email_verified: false });
  });

  test('what its client is set to, of what the granted scopes release (Core §5.4)', async () => {
    const client = await harness.newClient({ id_token_claims: ['email', 'email_verified', 'updated_at'] });
    expect(await idTokenOf(client, { scope: 'openid email' })).toMatchObject({
      sub: user.id,
      email: user.email,
      email_verified: false,
    });
    expect(await idTokenOf(client, { scope: 'openid email' })).not.toHaveProperty('updated_at');
    expect(await idTokenOf(client, { scope: 'openid' })).not.toHaveProperty('email');
    const { id_token } = await redeem(await codeAt(client, { scope: 'email' }), {}, client);
    expect(id_token).toBeUndefined();
  });
});

test('an ID token has no e-mail address and no name, which UserInfo returns for its access token (Core §5.4)', async () => {
  const { access_token, id_token } = await redeem(await codeAt(site, { scope: 'openid profile email' }));
  for (const claim of ['email', 'email_verified', 'name', 'picture', 'updated_at'])
    expect(decodeJwt(id_token as string)).not.toHaveProperty(claim);
  expect(await readUserInfo(ports, access_token)).toMatchObject({ email: user.email, updated_at: expect.any(Number) });
});

test.each([
  ['none', undefined, 'request_invalid'],
  ['malformed', 'short', 'authorization_code_invalid'],
  ['never issued', 'A'.repeat(43), 'authorization_code_invalid'],
])('a code is refused: %s', (_what, code, refusal) => expect(redeem(code)).rejects.toMatchObject({ code: refusal }));

test.each([
  ['another redirect URI', { redirectUri: 'https://app.example.test/other' }],
  ['no redirect URI', { redirectUri: undefined }],
  ['another verifier', { codeVerifier: newVerifier() }],
  ['no verifier', { codeVerifier: undefined }],
  ['a verifier that is the challenge itself', { codeVerifier: code_challenge }],
])('%s does not redeem the code, which stays valid for the right request', async (_what, changes) => {
  const code = await codeAt();
  await expect(redeem(code, changes)).rejects.toMatchObject({ code: 'authorization_code_invalid' });
  expect(await familyOf(code)).toBeUndefined();
  expect(await redeem(code)).toHaveProperty('access_token');
});

describe('a client that an administrator exempted from PKCE', () => {
  const without = { code_challenge: '', code_challenge_method: '' };
  const exempt = opened(() => harness.newClient({ pkce: 'optional' }));

  test('redeems a code that it requested without PKCE; a verifier for it is refused, RFC 9700 §2.1.1 (CVE-2024-22258, Spring Authorization Server: PKCE of confidential clients could be downgraded)', async () => {
    const code = await codeAt(exempt, without);
    for (const verifier of [codeVerifier, 'short'])
      expect(await outcomeOf(redeem(code, { codeVerifier: verifier }, exempt))).toBe('authorization_code_invalid');
    expect(await redeem(code, { codeVerifier: undefined }, exempt)).toHaveProperty('access_token');
    expect(await outcomeOf(redeem(code, { codeVerifier: undefined }, exempt))).toBe('authorization_code_invalid');
    expect(await familyOf(code)).toMatchObject({ revoke_reason: 'code_reused' });
  });

  test.each([
    ['no verifier', undefined],
    ['another verifier', newVerifier()],
  ])(
    'cannot redeem a code that it requested with a challenge without its verifier: %s (CVE-2025-4144, workers-oauth-provider: the check of PKCE could be skipped)',
    async (_what, verifier) => {
      const code = await codeAt(exempt);
      expect(await outcomeOf(redeem(code, { codeVerifier: verifier }, exempt))).toBe('authorization_code_invalid');
      expect(await redeem(code, {}, exempt)).toHaveProperty('access_token');
    },
  );

  test('that must use PKCE again cannot redeem the codes that it requested without', async () => {
    const client = await harness.newClient({ pkce: 'optional' });
    const code = await codeAt(client, without);
    await harness.rows`UPDATE oauth_clients SET pkce = 'required' WHERE "clientId" = ${client.clientId}`;
    await ports.access.load();
    for (const verifier of [undefined, codeVerifier])
      expect(await outcomeOf(redeem(code, { codeVerifier: verifier }, client))).toBe('authorization_code_invalid');
    expect(await familyOf(code)).toBeUndefined();
  });

  test('cannot be a public client or push its requests, whatever writes the table', async () => {
    for (const change of [`auth_method = 'none'`, 'require_pushed_authorization_requests = true'])
      await expect(
        harness.rows(`UPDATE oauth_clients SET ${change} WHERE "clientId" = $1`, [exempt.clientId]),
      ).rejects.toMatchObject({ constraint: 'oauth_clients_pkce' });
  });
});

test('a code of another client or older than a minute is refused (CVE-2026-55672, ZITADEL: codes were not bound to their client)', async () => {
  const rival = await harness.newClient();
  const code = await codeAt();
  await expect(redeem(code, {}, rival)).rejects.toMatchObject({ code: 'authorization_code_invalid' });
  await harness.rows`UPDATE oauth_codes SET expires_at = now() - make_interval(secs => 1)
    WHERE code_hash = ${codeHashOf(code)}`;
  await expect(redeem(code)).rejects.toMatchObject({ code: 'authorization_code_invalid' });
});

test('a copy that cannot sign does not consume the code', async () => {
  const code = await codeAt();
  const unable = {
    ...ports.keyRing,
    assertSigns: () => {
      throw signingUnavailable({ retryAfterSeconds: 1 });
    },
  };
  await expect(redeem(code, {}, site, unable)).rejects.toMatchObject({ code: 'signing_unavailable' });
  expect(await redeem(code)).toHaveProperty('access_token');
});

test('another resource than the granted one is refused without consuming the code (CVE-2026-67332, Better Auth: the audience of a token was not bound to the grant)', async () => {
  const code = await codeAt();
  expect(await outcomeOf(redeem(code, { resource: 'https://other.example.test' }))).toBe('resource_not_granted');
  expect(await redeem(code, { resource: ports.tokenSettings.audience })).toHaveProperty('access_token');
});

test('a code bound to a key can be redeemed only with that key', async () => {
  const jkt = 'k'.repeat(43);
  const code = await codeAt(site, { dpop_jkt: jkt });
  for (const keys of [{}, { jkt: 'o'.repeat(43) }] as ProvenKeys[])
    await expect(redeem(code, { keys })).rejects.toMatchObject({ code: 'authorization_code_invalid' });
  const tokens = await redeem(code, { keys: { jkt } });
  expect(tokens.token_type).toBe('DPoP');
  expect(decodeJwt(tokens.access_token).cnf).toEqual({ jkt });
});

test('the token family of a public client is bound to its keys, that of a confidential client is not', async () => {
  const app = await harness.newClient({ auth_method: 'none' });
  const keys = { jkt: 'k'.repeat(43), x5t: 'x'.repeat(43) };
  const [byApp, bySite] = [await codeAt(app), await codeAt(site)];
  await redeem(byApp, { keys }, app);
  await redeem(bySite, { keys });
  expect(await familyOf(byApp)).toMatchObject(keys);
  expect(await familyOf(bySite)).toMatchObject({ jkt: null, x5t: null });
});

test('reusing a code ends its token family, each time with an event', async () => {
  const client = await harness.newClient();
  const code = await codeAt(client);
  await redeem(code, {}, client);
  const events = `SELECT outcome FROM audit_outbox WHERE type = 'oauth.code_reused' AND client_id = $1`;
  for (const times of [1, 2]) {
    await expect(redeem(code, {}, client)).rejects.toMatchObject({ code: 'authorization_code_invalid' });
    expect(await harness.rows(events, [client.clientId])).toEqual(Array(times).fill({ outcome: 'ended' }));
  }
  const family = await familyOf(code);
  expect(family).toMatchObject({ revoke_reason: 'code_reused', revoked_at: expect.any(Date) });
  const revoked = `SELECT 1 FROM revocations WHERE kind = 'family' AND value = $1`;
  expect(await harness.rows(revoked, [(family as { id: string }).id])).toHaveLength(1);
});

test.each([
  ['the session it was allowed in', 'DELETE FROM sessions WHERE "userId" = $1'],
  ['the consent', 'DELETE FROM oauth_consents WHERE user_id = $1'],
])('a code is refused after %s was deleted', async (_what, ends) => {
  const guest = await harness.newUser();
  const code = await codeAt(site, {}, guest);
  await harness.rows(ends, [guest.id]);
  await expect(redeem(code)).rejects.toMatchObject({ code: 'session_ended' });
  expect(await familyOf(code)).toBeUndefined();
});

test('revoking all tokens of the client after the consent invalidates the code too', async () => {
  const client = await harness.newClient();
  const code = await codeAt(client);
  await harness.rows`UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = ${client.clientId}`;
  await expect(redeem(code, {}, client)).rejects.toMatchObject({ code: 'session_ended' });
  expect(await familyOf(code)).toBeUndefined();
});

test('a client that skips consent needs none, and one without the refresh grant gets no refresh token', async () => {
  const house = await harness.newClient({ grant_types: ['authorization_code'] });
  await harness.rows`UPDATE oauth_clients SET skip_consent = true WHERE "clientId" = ${house.clientId}`;
  await ports.access.load();
  const code = await codeAt(house, { scope: 'email' });
  await harness.rows`DELETE FROM oauth_consents WHERE client_id = ${house.clientId}`;
  expect(Object.keys(await redeem(code, {}, house)).sort()).toEqual([
    'access_token',
    'expires_in',
    'scope',
    'token_type',
  ]);
});
