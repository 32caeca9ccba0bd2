import { describe, expect, test } from 'vitest';
import { inactiveReasons } from '#observability/metrics/tokens.ts';
import { keyedHash as keyed } from '#services/domain/audit/audit-context.ts';
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
  type TokenWorld,
  tokenWorld,
  withHeader,
} from '#testing/harness/token-world.ts';
import { matchesBinding } from '../access-token.ts';
import { validateToken } from './validate-token.ts';
import { verdict } from './verdict-shapes.ts';

describe('a good token', () => {
  test.each(algs)('signed by %s is active, with its claims, fresh and from the cache', (alg) => {
    const world = tokenWorld();
    const token = world.token({}, alg);
    for (let use = 0; use < 3; use += 1)
      expect(validateToken(world.ports, token)).toEqual({ active: true, claims: goodClaims() });
    expect(world.ports.verifiedTokens.size).toBe(1);
  });

  test('no store is among what validation takes', () => {
    const world = tokenWorld();
    const guarded = new Proxy(world.ports, {
      get: (ports, name) => {
        if (!(name in ports)) throw new Error(`validation asked for ${String(name)}`);
        return ports[name as keyof typeof ports];
      },
    });
    expect(validateToken(guarded, world.token()).active).toBe(true);
    expect(validateToken(guarded, 'rubbish').active).toBe(false);
  });

  test('application/at+jwt is the same type, letter case aside', () => {
    const world = tokenWorld();
    for (const typ of ['application/at+jwt', 'AT+JWT'])
      expect(reasonOf(world, withHeader(world, { ...headerOf(world.keys.RS256), typ }))).toBe('active');
  });

  test('aud may be a list', () => {
    const world = tokenWorld();
    const token = world.token({ aud: ['https://other.test', AUDIENCE] });
    expect(reasonOf(world, token)).toBe('active');
    expect(reasonOf(world, token, { audience: 'https://other.test' })).toBe('active');
    expect(reasonOf(world, token, { audience: 'https://third.test' })).toBe('wrong_audience');
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
    const world = tokenWorld();
    expect(reasonOf(world, world.token(changes))).toBe(reason);
  });

  test('the right issuer with another issuer’s key is rejected', () => {
    const world = tokenWorld();
    const theirs = newKey('RS256', 'rs');
    expect(reasonOf(world, jws(theirs, headerOf(theirs), goodClaims()))).toBe('bad_signature');
  });

  test.each(['9', 1e308, -1, null, [NOW + 900], NOW + 0.5, true, {}])('exp %j is malformed', (exp) => {
    const world = tokenWorld();
    expect(reasonOf(world, jws(world.keys.RS256, headerOf(world.keys.RS256), { ...goodClaims(), exp }))).toBe(
      'malformed',
    );
  });

  test('a token ends at exp plus leeway, not a second later, cached or not', () => {
    const world = tokenWorld({ leewaySeconds: 5 });
    const token = world.token();
    world.at(904);
    for (let use = 0; use < 3; use += 1) expect(reasonOf(world, token)).toBe('active');
    world.at(905);
    expect(reasonOf(world, token)).toBe('expired');
    expect(reasonOf(world, world.token({ jti: 'fresh' }))).toBe('expired');
  });

  test('nbf and iat beyond the leeway are not yet valid', () => {
    const world = tokenWorld({ leewaySeconds: 5 });
    expect(reasonOf(world, world.token({ nbf: NOW + 5 }))).toBe('active');
    expect(reasonOf(world, world.token({ nbf: NOW + 6 }))).toBe('not_yet_valid');
    expect(reasonOf(world, world.token({ iat: NOW + 6 }))).toBe('not_yet_valid');
  });

  test('a forged expired token reports its signature, not its expiry', () => {
    const world = tokenWorld();
    const theirs = newKey('RS256', 'rs');
    for (const claims of [{ exp: NOW - 1_000 }, { iss: 'x' }, { aud: 'x' }, { sub: undefined }]) {
      const token = jws(theirs, { ...headerOf(theirs), typ: 'JWT' }, { ...goodClaims(), ...claims });
      expect(reasonOf(world, token)).toBe('bad_signature');
    }
    expect(reasonOf(world, world.token({ exp: NOW - 1_000 }))).toBe('expired');
  });

  test('scope is held whole: a part of a word is not a word', () => {
    const world = tokenWorld();
    const token = world.token({ scope: 'demo:read openid' });
    expect(reasonOf(world, token, { requiredScope: 'openid demo:read' })).toBe('active');
    expect(reasonOf(world, token, { requiredScope: 'demo' })).toBe('insufficient_scope');
    expect(reasonOf(world, world.token({ scope: undefined }), { requiredScope: 'openid' })).toBe('insufficient_scope');
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
    const world = tokenWorld();
    const token = world.token();
    for (let use = 0; use < 3; use += 1) expect(reasonOf(world, token)).toBe('active');
    world.revocations.apply([revocation]);
    expect(reasonOf(world, token)).toBe(reason);
    expect(reasonOf(tokenWorld(), token)).toBe('active');
  });

  test('a token born with the current epochs outlives the cut-off; one without any does not', () => {
    const world = tokenWorld();
    world.revocations.apply([
      entry('user', claims.sub, { tokenEpoch: 3 }),
      entry('client', claims.client_id, { epoch: 2, tokenEpoch: 1 }),
    ]);
    expect(reasonOf(world, world.token())).toBe('active');
    expect(reasonOf(world, world.token({ ue: undefined }))).toBe('revoked');
    expect(reasonOf(world, world.token({ ce: undefined }))).toBe('revoked');
  });

  test('stale or rewound state judges nothing: neither active nor inactive', () => {
    const world = tokenWorld();
    const token = world.token();
    world.revocations.setRewound(true);
    expect(() => validateToken(world.ports, token)).toThrow('state_rewound');
    world.revocations.setRewound(false);
    world.revocations.confirm(0, world.ports.clock.monotonic() - 2_001, 0);
    expect(() => validateToken(world.ports, token)).toThrow('revocation_state_stale');
  });
});

describe('binding switches, each on its own', () => {
  const bound = (world: TokenWorld) => {
    const hash = (label: 'ip' | 'agent', value: string) => {
      for (const [version] of world.secrets) {
        const claim = `${version}.${hashed(world, version, label, value)}`;
        if (matchesBinding(world.ports, label, value, claim)) return claim;
      }
      throw new Error('no key');
    };
    return world.token({ bip: hash('ip', '192.0.2.1'), bua: hash('agent', 'browser/1') });
  };
  const hashed = (world: TokenWorld, version: number, label: 'ip' | 'agent', value: string) =>
    keyed(world.secrets.get(version) as Buffer, label, value);

  test('session on: its end refuses the token; off: the token lives on', () => {
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
      const world = tokenWorld({ requireSessionBinding });
      world.revocations.apply([ended]);
      expect(reasonOf(world, world.token())).toBe(reason);
    }
  });

  test('address on: another address is a mismatch; off, or unknown to the asker: it is not asked', () => {
    const world = tokenWorld({ enableIpValidation: true });
    const token = bound(world);
    expect(reasonOf(world, token, { ip: '192.0.2.1', userAgent: 'other' })).toBe('active');
    expect(reasonOf(world, token, { ip: '192.0.2.2' })).toBe('binding_mismatch');
    expect(reasonOf(world, token)).toBe('active');
    expect(reasonOf(tokenWorld(), token, { ip: '192.0.2.2' })).toBe('active');
    expect(reasonOf(world, world.token({ bip: 'x' }), { ip: '192.0.2.1' })).toBe('binding_mismatch');
    expect(reasonOf(world, world.token({ bip: '9.x' }), { ip: '192.0.2.1' })).toBe('binding_mismatch');
  });

  test('an address is the same however the asker writes it', () => {
    const world = tokenWorld({ enableIpValidation: true });
    for (const ip of ['::ffff:192.0.2.1', '::FFFF:c000:201'])
      expect(reasonOf(world, bound(world), { ip })).toBe('active');
  });

  test('user agent on: another agent is a mismatch; off: it is not asked', () => {
    const world = tokenWorld({ enableUserAgentValidation: true });
    const token = bound(world);
    expect(reasonOf(world, token, { userAgent: 'browser/1', ip: '192.0.2.2' })).toBe('active');
    expect(reasonOf(world, token, { userAgent: 'browser/2' })).toBe('binding_mismatch');
    expect(reasonOf(tokenWorld(), token, { userAgent: 'browser/2' })).toBe('active');
  });

  test('a token made before the key of the hashes rotated still matches under its own version', () => {
    const world = tokenWorld({ enableIpValidation: true });
    const token = bound(world);
    world.secrets.set(2, Buffer.alloc(32, 9));
    expect(reasonOf(world, token, { ip: '192.0.2.1' })).toBe('active');
    world.secrets.delete(1);
    expect(reasonOf(world, token, { ip: '192.0.2.1' })).toBe('binding_mismatch');
  });

  test('a token bound to a key is refused while the asker shows no proof of that key', () => {
    const world = tokenWorld();
    expect(reasonOf(world, world.token({ cnf: { jkt: 'abc' } }))).toBe('binding_mismatch');
  });
});

test('the contract names every reason a client may be given, and no other', () => {
  const refused = (reason: string) => verdict.safeParse({ active: false, reason }).success;
  expect(inactiveReasons.filter((reason) => !refused(reason))).toEqual([]);
  expect(refused('other')).toBe(false);
});
