import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { newPerson } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { openIssuingHarness } from '../issuing-harness.ts';
import { type RevokeInput, revokeToken } from '../revoke/revoke-token.ts';
import { readToken } from './read-token.ts';

const harness = opened(openIssuingHarness);

const tokenOf = async () => {
  const person = await newPerson(harness);
  const claims = decodeJwt(person.bearer) as Record<'jti' | 'fid' | 'sid', string> & { iat: number; exp: number };
  return { ...person, claims };
};

test('a token id gives its user, family, session and key', async () => {
  const { id, sessionId, claims } = await tokenOf();
  expect(await readToken(harness.ports, { token_id: claims.jti })).toMatchObject({
    token_id: claims.jti,
    subject: id,
    user_id: id,
    client_id: 'sallyport',
    session_id: sessionId,
    family_id: claims.fid,
    role: 'user',
    issued_at: new Date(claims.iat * 1_000).toISOString(),
    expires_at: new Date(claims.exp * 1_000).toISOString(),
    key_id: expect.any(String),
    revoked: false,
  });
});

test.each<[RevokeInput['kind'], 'jti' | 'fid' | 'sid' | 'sub']>([
  ['token_id', 'jti'],
  ['family_id', 'fid'],
  ['session_id', 'sid'],
  ['user_id', 'sub'],
])('is shown as revoked after its %s is revoked', async (kind, claim) => {
  const { claims } = await tokenOf();
  const value = (claims as unknown as Record<string, string>)[claim] as string;
  await revokeToken(harness.ports, { kind, value, reason: 'x' }, testCaller);
  expect(await readToken(harness.ports, { token_id: claims.jti })).toMatchObject({ revoked: true });
});

test('an unknown id is 404, and while Redis is unreachable every id is 503', async () => {
  await expect(readToken(harness.ports, { token_id: randomUUID() })).rejects.toMatchObject({ code: 'token_unknown' });
  const redis = { ...harness.ports.redis, getMany: () => Promise.reject(new Error('down')) };
  await expect(readToken({ ...harness.ports, redis }, { token_id: randomUUID() })).rejects.toMatchObject({
    code: 'token_metadata_unavailable',
  });
});
