import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { ISSUER, jws, NOW, newKey, type TestKey } from '#tools/testing/harness/token.ts';
import { accessTokenHash, signIdToken } from './id-token.ts';
import { type HintPorts, readIdTokenHint } from './id-token-hint.ts';
import { userClaims } from './read-user-info.ts';

test('at_hash of a known token (OpenID Connect Core §3.1.3.6, example of appendix A.4)', () => {
  const accessToken = 'jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y';
  expect(accessTokenHash(accessToken, 'RS256')).toBe('77QmUPtjPfzWtF2AnpK9RQ');
  expect(accessTokenHash(accessToken, 'ES256')).toBe('77QmUPtjPfzWtF2AnpK9RQ');
  expect(Buffer.from(accessTokenHash(accessToken, 'EdDSA'), 'base64url')).toHaveLength(32);
});

const facts = {
  user_id: 'u',
  client_id: 'c',
  session_id: null,
  auth_time: 5,
  nonce: null,
  accessToken: 'a',
  issuedAt: 10,
};

/** A fake key ring with this default, which only encodes header and claims, and a client registered for `algorithm`. */
const ringOf = (alg: string, algorithm: string | null = null) =>
  ({
    access: { client: (id: string) => (id === 'c' ? { id_token_signed_response_alg: algorithm } : undefined) },
    keyRing: {
      sign: async (header: object, claims: object, options?: { readonly algorithm?: string | undefined }) =>
        [{ alg: options?.algorithm ?? alg, ...header }, claims, 'signature']
          .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
          .join('.'),
    },
    tokenSettings: { issuer: 'https://i.test', accessTokenSeconds: 900 },
  }) as unknown as HasAccess & HasKeyRing & HasTokenSettings;

test('at_hash uses the hash of the signing algorithm; claims without a value are omitted', async () => {
  expect(decodeJwt(await signIdToken(ringOf('RS256'), facts))).toEqual({
    iss: 'https://i.test',
    sub: 'u',
    aud: 'c',
    iat: 10,
    exp: 910,
    auth_time: 5,
    at_hash: accessTokenHash('a', 'RS256'),
  });
  const full = await signIdToken(ringOf('EdDSA'), { ...facts, nonce: 'n', session_id: 's', amr: ['pwd'], acr: 'aal1' });
  expect(decodeJwt(full)).toMatchObject({
    nonce: 'n',
    sid: 's',
    amr: ['pwd'],
    acr: 'aal1',
    at_hash: accessTokenHash('a', 'EdDSA'),
  });
});

test('the algorithm of the client signs, with its own hash', async () => {
  for (const algorithm of ['ES256', 'EdDSA'] as const) {
    const token = await signIdToken(ringOf('RS256', algorithm), facts);
    expect(decodeProtectedHeader(token).alg).toBe(algorithm);
    expect(decodeJwt(token).at_hash).toBe(accessTokenHash('a', algorithm));
  }
  // A client that was deleted after the commit of its sign-in.
  const orphan = await signIdToken(ringOf('RS256', 'ES256'), { ...facts, client_id: 'gone' });
  expect(decodeProtectedHeader(orphan).alg).toBe('RS256');
});

test('each scope releases only its own claims', () => {
  const profile = { email: 'a@b.test', is_email_verified: true, name: 'A', image: 'https://b.test/a', updated_at: 7 };
  expect(userClaims(profile, new Set(['openid']))).toEqual({});
  expect(userClaims(profile, new Set(['email']))).toEqual({ email: 'a@b.test', email_verified: true });
  expect(userClaims(profile, new Set(['profile']))).toEqual({ name: 'A', picture: 'https://b.test/a', updated_at: 7 });
  expect(userClaims({ ...profile, name: null, image: null }, new Set(['profile']))).toEqual({ updated_at: 7 });
});

const keys = new Map<string, TestKey>(
  (['RS256', 'ES256', 'EdDSA', 'HS256'] as const).map((alg) => [alg, newKey(alg, alg)]),
);
const stolen: TestKey = { ...newKey('ES256', 'stolen'), compromised: true };
keys.set('stolen', stolen);
const key = (kid: string) => keys.get(kid) as TestKey;
const ports = {
  tokenSettings: { issuer: ISSUER },
  keyRing: {
    find: (kid: string) => {
      const found = keys.get(kid);
      return found && { key: found, compromised: found.compromised };
    },
  },
} as unknown as HintPorts;

const claims = { iss: ISSUER, sub: 'u', aud: 'c', sid: 's', exp: NOW };
const hintBy = (signer: TestKey, header: object = {}, members: object = {}) =>
  readIdTokenHint(
    ports,
    jws(signer, { alg: signer.alg, kid: signer.kid, typ: 'JWT', ...header }, { ...claims, ...members }),
  );

test('accepts an ID token of this issuer, signed by any of its signing keys, even if expired', () => {
  for (const kid of ['RS256', 'ES256', 'EdDSA'])
    expect(hintBy(key(kid), {}, { exp: 1 })).toEqual({ userId: 'u', clientId: 'c', sessionId: 's' });
  expect(hintBy(key('ES256'), {}, { sid: undefined })).toEqual({ userId: 'u', clientId: 'c', sessionId: undefined });
});

test('refuses another type, a shared secret, a compromised or unknown key, another issuer or algorithm', () => {
  const es = key('ES256');
  for (const hint of [
    hintBy(es, { typ: 'at+jwt' }),
    hintBy(es, { typ: 'logout+jwt' }),
    hintBy(es, { typ: undefined }),
    hintBy(es, { alg: 'RS256' }),
    hintBy(es, { kid: 'RS256' }),
    hintBy(es, { kid: 'unknown' }),
    hintBy(es, { kid: 7 }),
    hintBy(newKey('ES256', 'ES256')),
    hintBy(key('HS256')),
    hintBy(stolen),
    hintBy(es, {}, { iss: 'https://evil.test' }),
    hintBy(es, {}, { sub: '' }),
    hintBy(es, {}, { aud: ['c'] }),
    readIdTokenHint(ports, jws(es, { alg: 'ES256', kid: 'ES256', typ: 'JWT' }, 'no claims')),
    readIdTokenHint(ports, 'no token'),
  ])
    expect(hint).toBeNull();
});
