import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { compromiseKey } from '#services/core/keys/compromise-key.ts';
import { TokenCachingStrategy } from '#services/embedding/token-caching-strategy.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { issueClientToken } from '../issue/issue-client-token.ts';
import { openIssuingHarness } from '../issuing-harness.ts';
import { readToken } from '../metadata/read-token.ts';
import type { TokenMetadata } from '../metadata/token-metadata.cache.ts';
import { revokeToken } from '../revoke/revoke-token.ts';
import { batchValidateTokens, type ValidateBatchInput, validateBatch } from './validate-batch.ts';

const harness = opened(() => openIssuingHarness());
let cache: TokenCachingStrategy;
beforeAll(async () => {
  cache = new TokenCachingStrategy(harness.ports);
});

type Ports = Parameters<typeof batchValidateTokens>[0];
const verdictOn = async (tokenId: string, changes: Partial<Ports> = {}) =>
  (await batchValidateTokens({ ...harness.ports, ...changes }, [tokenId]))[0];
/** A user's token id and its metadata. */
const newToken = async () => {
  const person = await newPerson(harness);
  const tokenId = decodeJwt(person.bearer).jti as string;
  return { ...person, tokenId, known: (await cache.getTokenMetadata(tokenId)) as TokenMetadata };
};

test('an id is evaluated by the metadata of its token, and expires with it, leeway included', async () => {
  const { tokenId, known } = await newToken();
  const { leewaySeconds } = harness.ports.tokenSettings;
  const atSecond = (second: number) => ({ clock: { ...systemClock, now: () => second * 1_000 } });
  const end = known.expiresAt + leewaySeconds;
  expect(await verdictOn(tokenId, atSecond(end - 1))).toMatchObject({ active: true, claims: { jti: tokenId } });
  expect(await verdictOn(tokenId, atSecond(end))).toEqual({ active: false, reason: 'expired' });
});

test('an id whose token names an unknown key is inactive', async () => {
  const { known } = await newToken();
  for (const keyVersion of [null, 'never-made']) {
    const id = randomUUID();
    await cache.storeTokenMetadata(id, { ...known, keyVersion });
    expect(await verdictOn(id)).toEqual({ active: false, reason: 'unknown_key' });
  }
});

test('the end of a session ends the ids of its tokens, unless tokens are not bound to sessions', async () => {
  const { tokenId, sessionId, familyId } = await newToken().then(({ known, tokenId }) => ({ ...known, tokenId }));
  const input = { kind: 'session_id', value: sessionId as string, reason: 'x' } as const;
  await revokeToken(harness.ports, input, testCaller);
  expect(await verdictOn(tokenId)).toEqual({ active: false, reason: 'session_ended' });
  const tokenSettings = { ...harness.ports.tokenSettings, requireSessionBinding: false };
  expect(await verdictOn(tokenId, { tokenSettings })).toMatchObject({ active: true, claims: { fid: familyId } });
});

test('a client-credentials token has neither session nor family, by its id and by the token itself', async () => {
  const client = await harness.newClient();
  const claims = decodeJwt((await issueClientToken(harness.ports, {}, client)).access_token);
  const tokenId = claims.jti as string;
  const { iss: _, permissions: __, ce: ___, ...told } = claims;
  expect(await verdictOn(tokenId)).toEqual({ active: true, claims: told });
  expect(await readToken(harness.ports, { token_id: tokenId })).toMatchObject({
    family_id: null,
    user_id: null,
    revoked: false,
  });
  await revokeToken(harness.ports, { kind: 'client_id', value: client.clientId, reason: 'leaked' }, testCaller);
  expect(await verdictOn(tokenId)).toEqual({ active: false, reason: 'revoked' });
  expect(await readToken(harness.ports, { token_id: tokenId })).toMatchObject({ revoked: true });
});

test('validating ids requires a permission, which only users and clients can have', async () => {
  const input: ValidateBatchInput = { token_ids: [randomUUID()] };
  await expect(validateBatch(harness.ports, input, testCaller)).rejects.toMatchObject({ code: 'permission_missing' });
});

test('the cleanup of the caching strategy also deletes expired rows', async () => {
  await harness.rows`INSERT INTO idempotency_keys (key_hash, request_hash, expires_at)
    VALUES (sha256('a'), 'x', now() - interval '2 days'), (sha256('b'), 'x', now() + interval '2 days')`;
  expect(await cache.cleanupExpiredTokens()).toMatchObject({ scanned: 1, removed: 1, errors: 0 });
  expect(await harness.rows`SELECT key_hash FROM idempotency_keys`).toHaveLength(1);
});

test('token ids of a compromised key are inactive', async () => {
  const { tokenId, known } = await newToken();
  expect(await verdictOn(tokenId)).toMatchObject({ active: true });
  await compromiseKey(harness.ports, { kid: known.keyVersion as string, reason: 'laptop stolen' }, testCaller);
  await expect.poll(() => verdictOn(tokenId)).toEqual({ active: false, reason: 'key_compromised' });
});
