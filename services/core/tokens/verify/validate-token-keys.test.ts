import { createSecretKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  encode,
  goodClaims,
  headerOf,
  jws,
  NOW,
  newKey,
  parts,
  reasonOf,
  signature,
  type TokenHarness,
  tokenHarness,
  withHeader,
} from '#tools/testing/harness/token.ts';

describe('algorithms and keys', () => {
  test.each(['none', 'nOnE', '', undefined, 'HS384', 'RS384', 'RS512', 'ES512', 'A128KW', 7, null, ['RS256']])(
    'alg %j is rejected',
    (alg) => {
      const harness = tokenHarness();
      const token = withHeader(harness, { ...headerOf(harness.keys.RS256), alg });
      const [header, payload] = parts(token);
      expect(reasonOf(harness, token)).toMatch(/malformed|bad_signature/);
      expect(reasonOf(harness, `${header}.${payload}.`)).toBe('malformed');
      expect(reasonOf(harness, `${header}.${payload}`)).toBe('malformed');
    },
  );

  const publicForms = (harness: TokenHarness) => {
    const { key } = harness.keys.RS256;
    const pem = key.export({ type: 'spki', format: 'pem' }) as string;
    const jwk = key.export({ format: 'jwk' });
    return {
      PEM: Buffer.from(pem),
      'PEM after a space': Buffer.from(` ${pem}`),
      'PEM without its last line end': Buffer.from(pem.trimEnd()),
      DER: key.export({ type: 'spki', format: 'der' }) as Buffer,
      JWK: Buffer.from(JSON.stringify(jwk)),
      JWKS: Buffer.from(JSON.stringify({ keys: [{ ...jwk, kid: 'rs', alg: 'RS256', use: 'sig' }] })),
    };
  };
  test.each(['PEM', 'PEM after a space', 'PEM without its last line end', 'DER', 'JWK', 'JWKS'] as const)(
    'algorithm confusion: HS256 with our public key as %s is rejected, under the kid of the RSA key and of the shared secret',
    (form) => {
      const harness = tokenHarness();
      const secret = createSecretKey(publicForms(harness)[form]);
      for (const kid of ['rs', 'hs']) {
        const input = `${encode({ alg: 'HS256', kid, typ: 'at+jwt' })}.${encode(goodClaims())}`;
        const token = `${input}.${signature('HS256', secret, input).toString('base64url')}`;
        expect(reasonOf(harness, token)).toBe('bad_signature');
      }
    },
  );

  test.each([
    ['RS256', 'ES256'],
    ['ES256', 'RS256'],
    ['RS256', 'EdDSA'],
    ['EdDSA', 'RS256'],
    ['ES256', 'EdDSA'],
    ['EdDSA', 'ES256'],
  ] as const)(
    'algorithm confusion: a token signed with our %s key is rejected under the kid of our %s key, whichever algorithm it names',
    (signer, named) => {
      const harness = tokenHarness();
      const { keys } = harness;
      for (const alg of [signer, named, 'HS256'] as const) {
        const token = jws(keys[signer], { ...headerOf(keys[named]), alg }, goodClaims());
        expect(reasonOf(harness, token)).toBe('bad_signature');
      }
      const own = jws(keys[signer], { ...headerOf(keys[signer]), alg: named }, goodClaims());
      expect(reasonOf(harness, own)).toBe('bad_signature');
    },
  );

  test('an unknown kid is rejected, also with a MAC under the empty key', () => {
    const harness = tokenHarness();
    expect(reasonOf(harness, withHeader(harness, { ...headerOf(harness.keys.RS256), kid: 'unknown' }))).toBe(
      'unknown_key',
    );
    for (const kid of ['unknown', 'hs', 'rs', '']) {
      const input = `${encode({ alg: 'HS256', kid, typ: 'at+jwt' })}.${encode(goodClaims())}`;
      const token = `${input}.${signature('HS256', createSecretKey(Buffer.alloc(0)), input).toString('base64url')}`;
      expect(reasonOf(harness, token)).toMatch(/unknown_key|bad_signature/);
    }
    const withoutKid = withHeader(harness, { alg: 'RS256', typ: 'at+jwt' });
    expect(reasonOf(harness, withoutKid)).toBe('malformed');
  });

  test('an unknown kid is 503 while the key ring is older than the revocations', () => {
    const harness = tokenHarness();
    const token = withHeader(harness, { ...headerOf(harness.keys.RS256), kid: 'unknown' });
    harness.ringState.behindMs = 1;
    expect(() => reasonOf(harness, token)).toThrow('key_ring_behind');
    expect(reasonOf(harness, harness.token())).toBe('active');
    harness.ringState.behindMs = 0;
    expect(reasonOf(harness, token)).toBe('unknown_key');
  });

  test('a copy whose clock is wrong answers 503', () => {
    const harness = tokenHarness();
    const token = harness.token();
    expect(reasonOf(harness, token)).toBe('active');
    harness.ringState.isClockRight = false;
    expect(() => reasonOf(harness, token)).toThrow('clock_wrong');
  });

  test.each(['../../dev/null', `' OR 1=1--`, '__proto__', 'constructor', 'x'.repeat(300), 'rs\0'])(
    'the kid %j matches no key and is looked up only in memory',
    (kid) => {
      const harness = tokenHarness();
      expect(reasonOf(harness, withHeader(harness, { ...headerOf(harness.keys.RS256), kid }))).toBe('unknown_key');
      expect(harness.asked).toEqual([kid]);
    },
  );

  test('a kid that is not a string, or too long for a header, is not looked up', () => {
    const harness = tokenHarness();
    for (const kid of [{ not: '' }, ['rs'], 1, null, true, 'x'.repeat(10_000)])
      expect(reasonOf(harness, withHeader(harness, { ...headerOf(harness.keys.RS256), kid }))).toBe('malformed');
    expect(harness.asked).toEqual([]);
  });

  test('jku, x5u, jwk and x5c in the header are rejected, and no key is fetched', async () => {
    let connections = 0;
    const attacker = createServer().on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => attacker.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(attacker.address() as AddressInfo).port}/jwks.json`;
    const harness = tokenHarness();
    const theirs = newKey('RS256', 'rs');
    const jwk = theirs.key.export({ format: 'jwk' });
    for (const extra of [{ jku: url }, { x5u: url }, { jwk }, { x5c: ['MIIB'] }, { x5t: 'a' }]) {
      expect(reasonOf(harness, jws(theirs, { ...headerOf(theirs), ...extra }, goodClaims()))).toBe('malformed');
      expect(reasonOf(harness, withHeader(harness, { ...headerOf(harness.keys.RS256), ...extra }))).toBe('malformed');
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(connections).toBe(0);
    attacker.close();
  });

  test.each([{ crit: ['x'] }, { crit: [] }, { b64: false }, { b64: true }, { crit: ['b64'], b64: false }])(
    'the header member %j is rejected',
    (extra) => {
      const harness = tokenHarness();
      expect(reasonOf(harness, withHeader(harness, { ...headerOf(harness.keys.RS256), ...extra }))).toBe('malformed');
    },
  );

  test.each(['JWT', 'logout+jwt', 'id+jwt', 'revocations+jwt', '', undefined, null, 1, 'at+jwt ', 'application/jwt'])(
    'typ %j is not an access token',
    (typ) => {
      const harness = tokenHarness();
      expect(reasonOf(harness, withHeader(harness, { ...headerOf(harness.keys.RS256), typ }))).toBe('wrong_type');
    },
  );

  test('a key has one algorithm: ES384 with an ES256 key, and PS256 and RS512 with an RS256 key, are rejected', () => {
    const harness = tokenHarness();
    for (const [alg, key] of [
      ['ES384', harness.keys.ES256],
      ['PS256', harness.keys.RS256],
      ['RS512', harness.keys.RS256],
      ['HS256', harness.keys.EdDSA],
      ['EdDSA', harness.keys.HS256],
    ] as const)
      expect(reasonOf(harness, jws(key, { ...headerOf(key), alg }, goodClaims()))).toBe('bad_signature');
  });

  test('a shared secret is valid for its own audience only', () => {
    const harness = tokenHarness();
    const token = harness.token({ aud: 'https://other.test' }, 'HS256');
    expect(reasonOf(harness, token, { audience: 'https://other.test' })).toBe('wrong_audience');
  });

  test('tokens of a compromised key are rejected immediately, cached or not, whether the key ring or the revocation feed reports it', () => {
    const harness = tokenHarness();
    const [cached, fresh] = [harness.token(), harness.token({ jti: 'other' })];
    for (let use = 0; use < 3; use += 1) expect(reasonOf(harness, cached)).toBe('active');
    const entry = {
      epoch: 1,
      kind: 'key' as const,
      value: 'rs',
      tokenEpoch: null,
      isReuse: false,
      userId: null,
      clientId: null,
      expiresAtMs: (NOW + 2_000) * 1_000,
    };
    harness.revocations.apply([entry]);
    expect([reasonOf(harness, cached), reasonOf(harness, fresh)]).toEqual(['key_compromised', 'key_compromised']);
    const other = tokenHarness();
    for (let use = 0; use < 3; use += 1) expect(reasonOf(other, cached)).toBe('active');
    (other.ring.get('rs') as { compromised: boolean }).compromised = true;
    expect([reasonOf(other, cached), reasonOf(other, fresh)]).toEqual(['key_compromised', 'key_compromised']);
    expect(reasonOf(other, `${fresh.slice(0, -8)}AAAAAAAA`)).toBe('bad_signature');
  });

  test('a cached token is verified again when its key is retired or replaced under the same kid', () => {
    const harness = tokenHarness();
    const token = harness.token();
    for (let use = 0; use < 3; use += 1) expect(reasonOf(harness, token)).toBe('active');
    harness.ring.set('rs', newKey('RS256', 'rs'));
    expect(reasonOf(harness, token)).toBe('bad_signature');
    harness.ring.delete('rs');
    expect(reasonOf(harness, token)).toBe('unknown_key');
  });
});
