import { expect, test } from 'vitest';
import { ISSUER, jws, NOW, newKey, type TestKey } from '#tools/testing/harness/token.ts';
import { type HintPorts, readIdTokenHint } from './id-token-hint.ts';

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
