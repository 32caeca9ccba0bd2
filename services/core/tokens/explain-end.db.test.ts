import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import { systemClock } from '#services/platform/crypto/system.ts';
import { callerFrom } from '#tools/testing/fixtures/families.ts';
import { newPerson, type Person, pairOf } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { compromiseKey } from '../keys/compromise-key.ts';
import type { Caller, Sql } from '../ports.ts';
import { type AccessTokenClaims, signAccessToken } from './access-token.ts';
import { type ExplainPorts, explainEnd } from './explain-end.ts';
import { issueClientToken } from './issue/issue-client-token.ts';
import { openIssuingHarness } from './issuing-harness.ts';
import { refreshToken } from './refresh/refresh-token.ts';
import { type RevokeInput, revokeToken } from './revoke/revoke-token.ts';

const harness = opened(openIssuingHarness);

const why = (token: string, changes: Partial<ExplainPorts> = {}) =>
  explainEnd({ ...harness.ports, ...changes }, { token });
/** A time at which every current access token has expired. */
const later = { clock: { ...systemClock, now: () => Date.now() + 3_600_000 } };
const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const expired = { ended: true, reason: 'expired', rule: 'expired', cause: null };
const compromised = { ended: true, reason: 'key_compromised', rule: 'key_compromised', cause: null };

const clientsOwn = async () => {
  const client = await harness.newClient();
  const { access_token: token } = await issueClientToken(harness.ports, {}, client);
  return { token, clientId: client.clientId };
};
/** A validly signed token with other claims, as a service with the shared secret can make it; undefined leaves a claim out. */
const signedWith = async (token: string, changes: Record<string, unknown>): Promise<string> => {
  const claims = JSON.parse(JSON.stringify({ ...decodeJwt(token), ...changes })) as AccessTokenClaims;
  return (await signAccessToken(harness.ports, claims)).token;
};
const endFamily = (bearer: string, reason: string) =>
  revokeToken(harness.ports, { kind: 'family_id', value: decodeJwt(bearer).fid as string, reason }, testCaller);

test('an expired access token shows how its family ended, and only `expired` if nothing ended it', async () => {
  const person = await newPerson(harness);
  expect(await why(person.bearer)).toEqual({ ended: false });
  expect(await why(person.bearer, later)).toEqual(expired);
  await pairOf(harness, person);
  expect(await why(person.bearer)).toEqual({ ended: false });
  expect(await why(person.bearer, later)).toEqual({
    ended: true,
    reason: 'superseded',
    rule: 'superseded',
    cause: { event: 'token.family_ended', actor: null, at },
  });
  expect(await why((await clientsOwn()).token, later)).toEqual(expired);
  expect(await why(await signedWith(person.bearer, { fid: 'unknown family' }), later)).toEqual(expired);
});

test('a token without an epoch counts as older than every raised epoch', async () => {
  const { token, clientId } = await clientsOwn();
  const old = await signedWith(token, { ce: undefined });
  expect(await why(old)).toEqual({ ended: false });
  await revokeToken(harness.ports, { kind: 'client_id', value: clientId, reason: 'leaked' }, testCaller);
  expect(await why(old)).toEqual({
    ended: true,
    reason: 'revoked',
    rule: 'admin_ended',
    cause: { event: 'client.tokens_revoked', actor: 'system', at },
  });
});

test('after its revocation was purged, a family shows neither the actor nor a free-text reason', async () => {
  const { bearer, refreshToken } = await newPerson(harness);
  await endFamily(bearer, 'lost phone');
  const told = { ended: true, reason: 'revoked' };
  const event = 'token.family_ended';
  expect(await why(refreshToken)).toEqual({ ...told, rule: 'token_revoked', cause: { event, actor: 'system', at } });
  await harness.rows`DELETE FROM revocations WHERE reason = 'lost phone'`;
  expect(await why(refreshToken)).toEqual({ ...told, rule: 'revoked', cause: { event, actor: null, at } });
});

test('a family that ends during the request is shown as ended', async () => {
  const { bearer, refreshToken } = await newPerson(harness);
  const ending: Sql = {
    query: async (statement, values) => {
      const rows = await harness.ports.sql.query(statement, values);
      if (statement.name === 'familyEndRead') await endFamily(bearer, 'in between');
      return rows as never;
    },
  };
  expect(await why(refreshToken, { sql: ending })).toEqual({
    ended: true,
    reason: 'revoked',
    rule: 'token_revoked',
    cause: { event: 'token.family_ended', actor: 'system', at },
  });
});

test('a token of a compromised key shows that rule, also on a copy that has not reloaded its keys', async () => {
  const { bearer } = await newPerson(harness);
  const kid = decodeProtectedHeader(bearer).kid as string;
  const before = harness.ports.keyRing.find(kid);
  await compromiseKey(harness.ports, { kid, reason: 'laptop stolen' }, testCaller);
  await expect.poll(() => harness.ports.revocations.isKeyRevoked(kid)).toBe(true);
  expect(await why(bearer, { keyRing: { ...harness.ports.keyRing, find: () => before } })).toEqual(compromised);
  await expect.poll(() => why(bearer)).toEqual(compromised);
  expect(harness.ports.keyRing.find(kid)).toMatchObject({ compromised: true });
});

test('a refresh token shows when a lost response of its family was last repeated, before and after the family ended', async () => {
  const { bearer, refreshToken: first } = await newPerson(harness);
  const byNobody = { clientId: null, isAuthenticated: false };
  const present = (token: string) =>
    refreshToken(harness.ports, { refreshToken: token, presentedBy: byNobody }, callerFrom('192.0.2.1'));
  const { refresh_token: successor } = await present(first);
  expect(await why(successor)).toEqual({ ended: false });
  await harness.rows`UPDATE refresh_families SET rotated_at = rotated_at - interval '1 minute'
    WHERE id = ${decodeJwt(bearer).fid}`;
  expect((await present(first)).refresh_token).toBe(successor);
  for (const token of [first, successor]) expect(await why(token)).toEqual({ ended: false, lost_answer_at: at });
  await present(successor);
  await expect(present(first)).rejects.toMatchObject({ code: 'refresh_token_reused' });
  expect(await why(first)).toMatchObject({ ended: true, rule: 'refresh_token_reused', lost_answer_at: at });
});

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

test('a token of another issuer is unknown_token', async () => {
  const { bearer, refreshToken: refresh } = await newPerson(harness);
  for (const token of ['rubbish', 'a.b.c', `${bearer}x`, refresh.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))])
    expect(await why(token)).toEqual(unknown);
});

test('a refresh token is live until its family expires, and expired after the family row was deleted', async () => {
  const { refreshToken: refresh, bearer } = await newPerson(harness);
  const { fid } = decodeJwt(bearer);
  expect(await why(refresh)).toEqual({ ended: false });
  await harness.rows`UPDATE refresh_families SET idle_expires_at = now() - interval '1 second' WHERE id = ${fid}`;
  expect(await why(refresh)).toEqual(expired);
  await harness.rows`DELETE FROM refresh_families WHERE id = ${fid}`;
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
    await harness.rows`UPDATE revocations SET rule = ${rule} WHERE value = ${tokenId}`;
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
  await harness.rows`UPDATE refresh_families SET revoked_at = NULL, revoke_reason = NULL WHERE id = ${fid}`;
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
