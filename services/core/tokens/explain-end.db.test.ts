import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#services/platform/crypto/system.ts';
import { callerFrom } from '#tools/testing/fixtures/families.ts';
import { newPerson, pairOf } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { compromiseKey } from '../keys/compromise-key.ts';
import type { Sql } from '../ports.ts';
import { type AccessTokenClaims, signAccessToken } from './access-token.ts';
import { type ExplainPorts, explainEnd } from './explain-end.ts';
import { issueClientToken } from './issue/issue-client-token.ts';
import { type IssuingHarness, openIssuingHarness } from './issuing-harness.ts';
import { refreshToken } from './refresh/refresh-token.ts';
import { revokeToken } from './revoke/revoke-token.ts';

let harness: IssuingHarness;
beforeAll(async () => {
  harness = await openIssuingHarness();
});
afterAll(() => harness?.close());

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
  await harness.rows(`DELETE FROM revocations WHERE reason = 'lost phone'`);
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
  await harness.rows(`UPDATE refresh_families SET rotated_at = rotated_at - interval '1 minute' WHERE id = $1`, [
    decodeJwt(bearer).fid,
  ]);
  expect((await present(first)).refresh_token).toBe(successor);
  for (const token of [first, successor]) expect(await why(token)).toEqual({ ended: false, lost_answer_at: at });
  await present(successor);
  await expect(present(first)).rejects.toMatchObject({ code: 'refresh_token_reused' });
  expect(await why(first)).toMatchObject({ ended: true, rule: 'refresh_token_reused', lost_answer_at: at });
});
