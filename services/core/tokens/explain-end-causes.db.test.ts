import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { type AccessTokenClaims, signAccessToken } from './access-token.ts';
import { type ExplainPorts, explainEnd } from './explain-end.ts';
import { issueClientToken } from './issue/issue-client-token.ts';
import { type IssuingHarness, openIssuingHarness } from './issuing-harness.ts';
import { refreshToken } from './refresh/refresh-token.ts';
import { type RevokeInput, revokeToken } from './revoke/revoke-token.ts';

let harness: IssuingHarness;
beforeAll(async () => {
  harness = await openIssuingHarness();
});
afterAll(() => harness?.close());

const why = (token: string, changes: Partial<ExplainPorts> = {}) =>
  explainEnd({ ...harness.ports, ...changes }, { token });
const revoke = (caller: Caller, kind: RevokeInput['kind'], value: string, reason = 'a free-text reason') =>
  revokeToken(harness.ports, { kind, value, reason }, caller);
const personAs = ({ id, bearer }: Person, permissions: readonly string[] = []): Caller => ({
  kind: 'user',
  userId: id,
  sessionId: null,
  clientId: 'sallyport',
  permissions: new Set(permissions),
  by: 'bearer',
  tokenId: decodeJwt(bearer).jti as string,
  familyId: null,
  authTime: Math.floor(Date.now() / 1_000),
  request: testCaller.request,
});
const unknown = { ended: true, reason: 'unknown_token', rule: 'unknown_token', cause: null };
const expired = { ended: true, reason: 'expired', rule: 'expired', cause: null };

test('a token of another issuer is unknown_token', async () => {
  const { bearer, refreshToken: refresh } = await newPerson(harness);
  for (const token of ['rubbish', 'a.b.c', `${bearer}x`, refresh.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))])
    expect(await why(token)).toEqual(unknown);
});

test('a refresh token is live until its family expires, and expired after the family row was deleted', async () => {
  const { refreshToken: refresh, bearer } = await newPerson(harness);
  const { fid } = decodeJwt(bearer);
  expect(await why(refresh)).toEqual({ ended: false });
  await harness.rows(`UPDATE refresh_families SET idle_expires_at = now() - interval '1 second' WHERE id = $1`, [fid]);
  expect(await why(refresh)).toEqual(expired);
  await harness.rows('DELETE FROM refresh_families WHERE id = $1', [fid]);
  expect(await why(refresh)).toEqual(expired);
});

test('the actor is the user or another user with the permission, and is never named', async () => {
  const ended = async (kind: 'token_id' | 'family_id' | 'user_id', by: (person: Person) => Caller) => {
    const person = await newPerson(harness);
    const { jti, fid } = decodeJwt(person.bearer) as { jti: string; fid: string };
    await revoke(by(person), kind, { token_id: jti, family_id: fid, user_id: person.id }[kind]);
    const told = await why(person.bearer);
    expect(told).toMatchObject({ ended: true, reason: 'revoked' });
    return told.ended ? [told.rule, told.cause?.event, told.cause?.actor] : [];
  };
  const admin = personAs(await newPerson(harness), ['tokens:revoke']);
  const service = await harness.newClient(['tokens:revoke']);
  expect(await ended('token_id', personAs)).toEqual(['ended_by_user', 'token.revoked', 'self']);
  expect(await ended('family_id', personAs)).toEqual(['ended_by_user', 'token.family_ended', 'self']);
  expect(await ended('token_id', () => admin)).toEqual(['token_revoked', 'token.revoked', 'user']);
  expect(await ended('family_id', () => service)).toEqual(['token_revoked', 'token.family_ended', 'client']);
  expect(await ended('user_id', () => admin)).toEqual(['admin_ended', 'session.ended', 'user']);
});

test.each(['sign_out', 'step_up', 'password_changed'])(
  'an end by another user is shown as admin_ended, even if its reason equals the rule %s',
  async (words) => {
    const admin = personAs(await newPerson(harness), ['tokens:revoke']);
    const service = await harness.newClient(['tokens:revoke']);
    for (const caller of [admin, service]) {
      const person = await newPerson(harness);
      await revoke(caller, 'user_id', person.id, words);
      for (const token of [person.bearer, person.refreshToken])
        expect(await why(token)).toMatchObject({
          reason: 'revoked',
          rule: 'admin_ended',
          cause: { event: 'session.ended', actor: caller.kind },
        });
    }
  },
);

test.each([
  ['session_limit', 'session_id', 'session.ended'],
  ['step_up', 'session_id', 'session.ended'],
  ['address_proved', 'user_id', 'session.ended'],
  ['social_sign_in', 'user_id', 'session.ended'],
  ['restore_accepted', 'family_id', 'token.family_ended'],
  ['code_reused', 'family_id', 'oauth.code_reused'],
] as const)('a family that the rule %s ended shows the rule and no actor', async (rule, kind, event) => {
  const person = await newPerson(harness);
  const { fid } = decodeJwt(person.bearer) as { fid: string };
  const value = { session_id: person.sessionId, user_id: person.id, family_id: fid }[kind];
  await revoke(testCaller, kind, value, rule);
  for (const token of [person.bearer, person.refreshToken])
    expect(await why(token)).toMatchObject({ ended: true, reason: rule, rule, cause: { event } });
});

test('an end with a free-text reason shows the rule that was stored with it, and another reason without a known rule', async () => {
  const told = async (rule: string) => {
    const person = await newPerson(harness);
    const tokenId = decodeJwt(person.bearer).jti as string;
    await revoke(testCaller, 'token_id', tokenId);
    await harness.rows('UPDATE revocations SET rule = $1 WHERE value = $2', [rule, tokenId]);
    return why(person.bearer);
  };
  expect(await told('user_disabled')).toMatchObject({ reason: 'revoked', rule: 'user_disabled' });
  expect(await told('of a later release')).toMatchObject({ reason: 'revoked', rule: 'token_revoked' });
});

test('the end of a session ends its tokens, and is shown as the rule', async () => {
  const person = await newPerson(harness);
  await revoke(testCaller, 'session_id', person.sessionId);
  expect(await why(person.bearer)).toMatchObject({ ended: true, cause: { event: 'session.ended', actor: 'system' } });
});

test('a family that a reused refresh token ended shows that rule', async () => {
  const person = await newPerson(harness);
  const presentedBy = { clientId: null, isAuthenticated: false };
  const use = (token: string) => refreshToken(harness.ports, { refreshToken: token, presentedBy }, testCaller);
  const second = await use(person.refreshToken);
  const third = await use(second.refresh_token);
  await expect(use(person.refreshToken)).rejects.toMatchObject({ code: 'refresh_token_reused' });
  const reused = { ended: true, reason: 'refresh_token_reused', rule: 'refresh_token_reused' };
  for (const token of [third.refresh_token, person.bearer])
    expect(await why(token)).toMatchObject({ ...reused, cause: { event: 'token.refresh_reused' } });
});

test('the revocation of the user explains a refresh token whose family row has no reason; the first revocation is shown', async () => {
  const person = await newPerson(harness);
  await revoke(testCaller, 'user_id', person.id);
  const { fid } = decodeJwt(person.bearer);
  await harness.rows('UPDATE refresh_families SET revoked_at = NULL, revoke_reason = NULL WHERE id = $1', [fid]);
  expect(await why(person.refreshToken)).toMatchObject({ ended: true, cause: { event: 'session.ended' } });
});

test('an exchanged token ends with the token, and with the client, that it was exchanged from (RFC 8693)', async () => {
  const [origin, holder] = [await harness.newClient(), await harness.newClient()];
  const first = decodeJwt((await issueClientToken(harness.ports, {}, origin)).access_token) as { jti: string };
  const claims = decodeJwt((await issueClientToken(harness.ports, {}, holder)).access_token) as AccessTokenClaims &
    object;
  const exchanged = async (): Promise<string> => {
    const origins = [{ jti: first.jti, client_id: origin.clientId, ce: 0 }];
    return (await signAccessToken(harness.ports, { ...claims, origins })).token;
  };
  const token = await exchanged();
  expect(await why(token)).toEqual({ ended: false });
  await revoke(testCaller, 'client_id', origin.clientId);
  expect(await why(token)).toMatchObject({ ended: true, cause: { event: 'client.tokens_revoked' } });
});

test('a stale copy answers 503 and explains nothing', async () => {
  const { bearer } = await newPerson(harness);
  const { revocations } = harness.ports;
  for (const code of ['state_rewound', 'revocation_state_stale'] as const) {
    const doubtful = { ...revocations, refusal: () => code };
    await expect(why(bearer, { revocations: doubtful })).rejects.toMatchObject({ code });
  }
});
