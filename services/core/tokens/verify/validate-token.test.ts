import { describe, expect, test } from 'vitest';
import { inactiveReasons } from '#observability/metrics/tokens.ts';
import { keyedHash as keyed } from '#services/core/audit/audit-context.ts';
import {
  AUDIENCE,
  algs,
  goodClaims,
  headerOf,
  ISSUER,
  jws,
  NOW,
  newKey,
  reasonOf,
  type TokenHarness,
  tokenHarness,
  validateToken,
  withHeader,
} from '#tools/testing/harness/token.ts';
import { matchesBinding } from '../access-token.ts';
import { tokenValidation } from './validation-shapes.ts';

describe('a good token', () => {
  test.each(algs)('signed by %s is active, with its claims, at first and from the cache', (alg) => {
    const harness = tokenHarness();
    const token = harness.token({}, alg);
    for (let use = 0; use < 3; use += 1)
      expect(validateToken(harness.ports, token)).toEqual({ active: true, claims: goodClaims() });
    expect(harness.ports.verifiedTokens.size).toBe(1);
  });

  test('validation has no access to a store', () => {
    const harness = tokenHarness();
    const guarded = new Proxy(harness.ports, {
      get: (ports, name) => {
        if (!(name in ports)) throw new Error(`validation used ${String(name)}`);
        return ports[name as keyof typeof ports];
      },
    });
    expect(validateToken(guarded, harness.token()).active).toBe(true);
    expect(validateToken(guarded, 'rubbish').active).toBe(false);
  });

  test('application/at+jwt is the same type, letter case aside', () => {
    const harness = tokenHarness();
    for (const typ of ['application/at+jwt', 'AT+JWT'])
      expect(reasonOf(harness, withHeader(harness, { ...headerOf(harness.keys.RS256), typ }))).toBe('active');
  });

  test('aud may be a list', () => {
    const harness = tokenHarness();
    const token = harness.token({ aud: ['https://other.test', AUDIENCE] });
    expect(reasonOf(harness, token)).toBe('active');
    expect(reasonOf(harness, token, { audience: 'https://other.test' })).toBe('active');
    expect(reasonOf(harness, token, { audience: 'https://third.test' })).toBe('wrong_audience');
  });
});

describe('claims', () => {
  test.each([
    [{ aud: undefined }, 'malformed'],
    [{ aud: [] }, 'malformed'],
    [{ aud: '' }, 'malformed'],
    [{ aud: { length: 1 } }, 'malformed'],
    [{ aud: 'https://foreign.test' }, 'wrong_audience'],
    [{ aud: `${AUDIENCE}/` }, 'wrong_audience'],
    [{ iss: undefined }, 'malformed'],
    [{ iss: 'https://foreign.test' }, 'wrong_issuer'],
    [{ iss: `${ISSUER}/` }, 'wrong_issuer'],
    [{ exp: undefined }, 'malformed'],
    [{ iat: undefined }, 'malformed'],
    [{ sub: undefined }, 'malformed'],
    [{ client_id: undefined }, 'malformed'],
    [{ jti: undefined }, 'malformed'],
    [{ sub: '' }, 'malformed'],
    [{ sub: 7 }, 'malformed'],
    [{ jti: ['a'] }, 'malformed'],
    [{ sid: 1 }, 'malformed'],
    [{ fid: '' }, 'malformed'],
    [{ scope: ['openid'] }, 'malformed'],
    [{ roles: 'admin' }, 'malformed'],
    [{ permissions: [1] }, 'malformed'],
    [{ email: {} }, 'malformed'],
    [{ email_verified: 'true' }, 'malformed'],
    [{ origins: 'x' }, 'malformed'],
    [{ origins: [] }, 'malformed'],
    [{ origins: [null] }, 'malformed'],
    [{ origins: [{ jti: 'a', client_id: '', ce: 0 }] }, 'malformed'],
    [{ origins: [{ jti: 'a', client_id: 'b', ce: -1 }] }, 'malformed'],
    [{ auth_time: 'now' }, 'malformed'],
    [{ ue: '0' }, 'malformed'],
    [{ ce: -1 }, 'malformed'],
    [{ bip: 1 }, 'malformed'],
    [{ cnf: null }, 'malformed'],
    [{ cnf: 'x' }, 'malformed'],
    [{ cnf: [] }, 'malformed'],
    [{ bua: '' }, 'malformed'],
    [{ nbf: '0' }, 'malformed'],
  ])('%j is %s', (changes, reason) => {
    const harness = tokenHarness();
    expect(reasonOf(harness, harness.token(changes))).toBe(reason);
  });

  test('the right issuer with another issuer’s key is rejected', () => {
    const harness = tokenHarness();
    const theirs = newKey('RS256', 'rs');
    expect(reasonOf(harness, jws(theirs, headerOf(theirs), goodClaims()))).toBe('bad_signature');
  });

  test.each(['9', 1e308, -1, null, [NOW + 900], NOW + 0.5, true, {}])('exp %j is malformed', (exp) => {
    const harness = tokenHarness();
    expect(reasonOf(harness, jws(harness.keys.RS256, headerOf(harness.keys.RS256), { ...goodClaims(), exp }))).toBe(
      'malformed',
    );
  });

  test('a token expires at exp plus leeway, cached or not', () => {
    const harness = tokenHarness({ leewaySeconds: 5 });
    const token = harness.token();
    harness.at(904);
    for (let use = 0; use < 3; use += 1) expect(reasonOf(harness, token)).toBe('active');
    harness.at(905);
    expect(reasonOf(harness, token)).toBe('expired');
    expect(reasonOf(harness, harness.token({ jti: 'fresh' }))).toBe('expired');
  });

  test('nbf and iat beyond the leeway are not yet valid', () => {
    const harness = tokenHarness({ leewaySeconds: 5 });
    expect(reasonOf(harness, harness.token({ nbf: NOW + 5 }))).toBe('active');
    expect(reasonOf(harness, harness.token({ nbf: NOW + 6 }))).toBe('not_yet_valid');
    expect(reasonOf(harness, harness.token({ iat: NOW + 6 }))).toBe('not_yet_valid');
  });

  test('a forged expired token is reported as bad_signature, not as expired', () => {
    const harness = tokenHarness();
    const theirs = newKey('RS256', 'rs');
    for (const claims of [{ exp: NOW - 1_000 }, { iss: 'x' }, { aud: 'x' }, { sub: undefined }]) {
      const token = jws(theirs, { ...headerOf(theirs), typ: 'JWT' }, { ...goodClaims(), ...claims });
      expect(reasonOf(harness, token)).toBe('bad_signature');
    }
    expect(reasonOf(harness, harness.token({ exp: NOW - 1_000 }))).toBe('expired');
  });

  test('scopes are compared as whole words', () => {
    const harness = tokenHarness();
    const token = harness.token({ scope: 'demo:read openid' });
    expect(reasonOf(harness, token, { requiredScope: 'openid demo:read' })).toBe('active');
    expect(reasonOf(harness, token, { requiredScope: 'demo' })).toBe('insufficient_scope');
    expect(reasonOf(harness, harness.token({ scope: undefined }), { requiredScope: 'openid' })).toBe(
      'insufficient_scope',
    );
  });
});

describe('revocation', () => {
  const entry = (kind: 'jti' | 'sid' | 'family' | 'user' | 'client', value: string, more: object = {}) => ({
    epoch: 1,
    kind,
    value,
    tokenEpoch: null,
    isReuse: false,
    userId: null,
    clientId: null,
    expiresAtMs: (NOW + 2_000) * 1_000,
    ...more,
  });
  const claims = goodClaims() as { jti: string; sid: string; fid: string; sub: string; client_id: string };

  test.each([
    [entry('jti', claims.jti), 'revoked'],
    [entry('sid', claims.sid), 'session_ended'],
    [entry('family', claims.fid), 'revoked'],
    [entry('family', claims.fid, { isReuse: true }), 'family_reused'],
    [entry('user', claims.sub, { tokenEpoch: 4 }), 'revoked'],
    [entry('client', claims.client_id, { tokenEpoch: 2 }), 'revoked'],
  ])('%j ends a cached token at once', (revocation, reason) => {
    const harness = tokenHarness();
    const token = harness.token();
    for (let use = 0; use < 3; use += 1) expect(reasonOf(harness, token)).toBe('active');
    harness.revocations.apply([revocation]);
    expect(reasonOf(harness, token)).toBe(reason);
    expect(reasonOf(tokenHarness(), token)).toBe('active');
  });

  test('a token issued under the current epochs stays valid; one without epochs does not', () => {
    const harness = tokenHarness();
    harness.revocations.apply([
      entry('user', claims.sub, { tokenEpoch: 3 }),
      entry('client', claims.client_id, { epoch: 2, tokenEpoch: 1 }),
    ]);
    expect(reasonOf(harness, harness.token())).toBe('active');
    expect(reasonOf(harness, harness.token({ ue: undefined }))).toBe('revoked');
    expect(reasonOf(harness, harness.token({ ce: undefined }))).toBe('revoked');
  });

  test('with a stale or rewound state a token is neither active nor inactive: 503', () => {
    const harness = tokenHarness();
    const token = harness.token();
    harness.revocations.setRewound(true);
    expect(() => validateToken(harness.ports, token)).toThrow('state_rewound');
    harness.revocations.setRewound(false);
    harness.revocations.confirm(0, harness.ports.clock.monotonic() - 2_001, 0);
    expect(() => validateToken(harness.ports, token)).toThrow('revocation_state_stale');
  });
});

describe('each binding setting works independently', () => {
  const bound = (harness: TokenHarness) => {
    const hash = (label: 'ip' | 'agent', value: string) => {
      for (const [version] of harness.secrets) {
        const claim = `${version}.${hashed(harness, version, label, value)}`;
        if (matchesBinding(harness.ports, label, value, claim)) return claim;
      }
      throw new Error('no key');
    };
    return harness.token({ bip: hash('ip', '192.0.2.1'), bua: hash('agent', 'browser/1') });
  };
  const hashed = (harness: TokenHarness, version: number, label: 'ip' | 'agent', value: string) =>
    keyed(harness.secrets.get(version) as Buffer, label, value);

  test('with session binding the end of the session ends the token; without it the token stays valid', () => {
    const ended = {
      epoch: 1,
      kind: 'sid' as const,
      value: 'session-1',
      tokenEpoch: null,
      isReuse: false,
      userId: null,
      clientId: null,
      expiresAtMs: (NOW + 2_000) * 1_000,
    };
    for (const [requireSessionBinding, reason] of [
      [true, 'session_ended'],
      [false, 'active'],
    ] as const) {
      const harness = tokenHarness({ requireSessionBinding });
      harness.revocations.apply([ended]);
      expect(reasonOf(harness, harness.token())).toBe(reason);
    }
  });

  test('with address binding another address is a mismatch; without it, or if the caller sends no address, it is not compared', () => {
    const harness = tokenHarness({ enableIpValidation: true });
    const token = bound(harness);
    expect(reasonOf(harness, token, { ip: '192.0.2.1', userAgent: 'other' })).toBe('active');
    expect(reasonOf(harness, token, { ip: '192.0.2.2' })).toBe('binding_mismatch');
    expect(reasonOf(harness, token)).toBe('active');
    expect(reasonOf(tokenHarness(), token, { ip: '192.0.2.2' })).toBe('active');
    expect(reasonOf(harness, harness.token({ bip: 'x' }), { ip: '192.0.2.1' })).toBe('binding_mismatch');
    expect(reasonOf(harness, harness.token({ bip: '9.x' }), { ip: '192.0.2.1' })).toBe('binding_mismatch');
  });

  test('an address matches in any spelling', () => {
    const harness = tokenHarness({ enableIpValidation: true });
    for (const ip of ['::ffff:192.0.2.1', '::FFFF:c000:201'])
      expect(reasonOf(harness, bound(harness), { ip })).toBe('active');
  });

  test('with user agent binding another agent is a mismatch; without it, it is not compared', () => {
    const harness = tokenHarness({ enableUserAgentValidation: true });
    const token = bound(harness);
    expect(reasonOf(harness, token, { userAgent: 'browser/1', ip: '192.0.2.2' })).toBe('active');
    expect(reasonOf(harness, token, { userAgent: 'browser/2' })).toBe('binding_mismatch');
    expect(reasonOf(tokenHarness(), token, { userAgent: 'browser/2' })).toBe('active');
  });

  test('a token issued before a rotation of the hash key still matches under its key version', () => {
    const harness = tokenHarness({ enableIpValidation: true });
    const token = bound(harness);
    harness.secrets.set(2, Buffer.alloc(32, 9));
    expect(reasonOf(harness, token, { ip: '192.0.2.1' })).toBe('active');
    harness.secrets.delete(1);
    expect(reasonOf(harness, token, { ip: '192.0.2.1' })).toBe('binding_mismatch');
  });

  test('a token bound to a key is rejected without a proof of that key', () => {
    const harness = tokenHarness();
    expect(reasonOf(harness, harness.token({ cnf: { jkt: 'abc' } }))).toBe('binding_mismatch');
  });
});

test('the contract lists exactly the reasons that an answer can have', () => {
  const refused = (reason: string) => tokenValidation.safeParse({ active: false, reason }).success;
  expect(inactiveReasons.filter((reason) => !refused(reason))).toEqual([]);
  expect(refused('other')).toBe(false);
});
