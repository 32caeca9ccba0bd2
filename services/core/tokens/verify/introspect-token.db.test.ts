import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { type AccessTokenClaims, signAccessToken } from '../access-token.ts';
import { issueClientToken } from '../issue/issue-client-token.ts';
import { issuePair } from '../issue/issue-pair.ts';
import { type IssuingCopy, openIssuingHarness } from '../issuing-harness.ts';
import { refreshToken } from '../refresh/refresh-token.ts';
import { revokeToken } from '../revoke/revoke-token.ts';
import { introspectToken } from './introspect-token.ts';
import type { LegacyBridge } from './legacy-bridge-port.ts';

const harness = opened(() => openIssuingHarness());
/** A copy whose settings allow unvetted clients fewer scopes. */
const strict = made(() => harness.copyWith({ UNVETTED_CLIENT_SCOPES: 'openid' }));
const client = made(() =>
  harness.newClient(['tokens:issue', 'tokens:introspect'], { audiences: ['*', 'https://tasks.test'] }),
);

const introspect = async (token: string, caller: Caller = client, { ports }: Pick<IssuingCopy, 'ports'> = harness) =>
  JSON.parse(await introspectToken(ports, token, caller));
const inactive = { active: false };

test('is refused for a disabled or deleted client', async () => {
  const { access_token: token } = await issueClientToken(harness.ports, {}, client);
  expect(await introspect(token)).toMatchObject({ active: true, token_type: 'Bearer', sub: client.clientId });
  const [gone, disabled] = [await harness.newClient(), await harness.newClient()];
  await harness.rows`DELETE FROM oauth_clients WHERE "clientId" = ${gone.clientId}`;
  await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${disabled.clientId}`;
  await harness.reload();
  for (const caller of [testCaller, gone, disabled])
    await expect(introspect(token, caller)).rejects.toMatchObject({ code: 'client_unauthenticated' });
});

test('the answer for an access token has its claims and its type, as JSON', async () => {
  const { access_token: token } = await issueClientToken(harness.ports, {}, client);
  const { scope = '', ...claims } = decodeJwt(token);
  expect(await introspect(token)).toEqual({ active: true, token_type: 'Bearer', ...claims, scope });
});

test('RFC 9068 §2.2.3: a token without a scope has an empty one', async () => {
  const { scope: _, ...claims } = decodeJwt((await issueClientToken(harness.ports, {}, client)).access_token);
  const { token } = await signAccessToken(harness.ports, claims as AccessTokenClaims);
  expect(await introspect(token)).toMatchObject({ active: true, scope: '' });
});

test('a token is inactive for a client that is not its audience, also for a client with the audience `*` (CVE-2026-58425, Gitea: a client introspected tokens of other clients)', async () => {
  const userId = await insertUser(harness.stores.pools.main);
  const pairFor = (audience: string) => issuePair(harness.ports, { userId, audience }, client);
  const [tasks, payments] = [await pairFor('https://tasks.test'), await pairFor('https://payments.test')];
  for (const token of [tasks.access_token, tasks.refresh_token])
    expect(await introspect(token)).toMatchObject({ active: true, aud: 'https://tasks.test' });
  for (const token of [payments.access_token, payments.refresh_token])
    expect(await introspect(token)).toEqual(inactive);
});

test('a refresh token shows its family and is not used up; only the newest is active', async () => {
  const { id, sessionId, refreshToken: first } = await newPerson(harness);
  const told = await introspect(first);
  expect(told).toMatchObject({ active: true, sub: id, sid: sessionId, client_id: 'sallyport' });
  expect(told).toMatchObject({ auth_time: expect.any(Number), iss: harness.ports.tokenSettings.issuer });
  expect(await introspect(first)).toEqual(told);
  const presentedBy = { clientId: null, isAuthenticated: false };
  const second = await refreshToken(harness.ports, { refreshToken: first, presentedBy }, testCaller);
  expect(await introspect(first)).toEqual(inactive);
  expect(await introspect(second.refresh_token)).toMatchObject({ active: true, sub: id });
});

test('a family without a sign-in shows the acting client', async () => {
  const userId = await insertUser(harness.stores.pools.main);
  const pair = await issuePair(harness.ports, { userId }, client);
  const told = await introspect(pair.refresh_token);
  expect(told).toMatchObject({ active: true, act: { sub: client.clientId } });
  expect(told).not.toHaveProperty('auth_time');
  expect(told).not.toHaveProperty('sid');
});

test('the answer for a revoked token, or one of another issuer, has only active: false (CVE-2026-68481, Apache CXF: introspection said that revoked tokens are active)', async () => {
  const { bearer, refreshToken: refresh, sessionId } = await newPerson(harness);
  await revokeToken(harness.ports, { kind: 'session_id', value: sessionId, reason: 'x' }, testCaller);
  for (const token of [bearer, refresh, 'sp_rt_1.rubbish', 'a.b.c']) expect(await introspect(token)).toEqual(inactive);
});

test('a refresh token is inactive if the settings allow none of its scope, because it cannot be refreshed', async () => {
  const userId = await insertUser(harness.stores.pools.main);
  const unvetted = await harness.newClient(['tokens:issue']);
  await harness.rows`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = ${unvetted.clientId}`;
  await harness.reload();
  const issued = (scope: string) => issuePair(harness.ports, { userId, scope }, unvetted);
  const [email, both] = [await issued('email'), await issued('openid email')];
  expect(await introspect(email.refresh_token, unvetted)).toMatchObject({ active: true, scope: 'email' });
  expect(await introspect(both.refresh_token, unvetted, strict)).toMatchObject({ active: true, scope: 'openid' });
  expect(await introspect(email.refresh_token, unvetted, strict)).toEqual(inactive);
});

test('a token of the old provider is the bridge’s to answer, ours never', async () => {
  const { access_token: token } = await issueClientToken(harness.ports, {}, client);
  const asked: string[] = [];
  const legacyBridge: LegacyBridge = {
    isFor: (text) => text === 'old',
    answer: () => Promise.reject(new Error('not asked for')),
    async introspect(text) {
      asked.push(text);
      return '{"active":true,"issuer_kind":"legacy"}';
    },
  };
  const bridged = { ports: { ...harness.ports, legacyBridge } };
  expect(await introspect('old', client, bridged)).toEqual({ active: true, issuer_kind: 'legacy' });
  for (const text of [token, token])
    expect(await introspect(text, client, bridged)).toMatchObject({ sub: client.clientId });
  expect(await introspect('rubbish', client, bridged)).toEqual(inactive);
  expect(asked).toEqual(['old']);
});
