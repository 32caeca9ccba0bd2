import { createSecretKey, verify } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Alg,
  AUDIENCE,
  encode,
  goodClaims,
  headerOf,
  ISSUER,
  jws,
  NOW,
  newKey,
  signature,
  type TokenWorld,
  tokenWorld,
} from '../../platform/testing/token-world.ts';
import { keyedHash as keyed } from '../audit/audit-context.ts';
import { matchesBinding } from './access-token.ts';
import { MAXIMUM_TOKEN_LENGTH, parseToken } from './parse-token.ts';
import { type TokenExpectations, validateToken } from './validate-token.ts';

const algs: readonly Alg[] = ['RS256', 'ES256', 'EdDSA', 'HS256'];

const reasonOf = (world: TokenWorld, token: string, expectations?: TokenExpectations): string => {
  const verdict = validateToken(world.ports, token, expectations);
  return verdict.active ? 'active' : verdict.reason;
};
const parts = (token: string) => token.split('.') as [string, string, string];
const withHeader = (world: TokenWorld, header: unknown, alg: Alg = 'RS256') =>
  jws(world.keys[alg], header, goodClaims());

describe('a good token', () => {
  test.each(algs)('signed by %s is active, with its claims, fresh and from the cache', (alg) => {
    const world = tokenWorld();
    const token = world.token({}, alg);
    for (let use = 0; use < 3; use += 1)
      expect(validateToken(world.ports, token)).toEqual({ active: true, claims: goodClaims() });
    expect(world.ports.verifiedTokens.size).toBe(1);
  });

  test('B-TOK-18: no store is among what validation takes', () => {
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

  test('J7: application/at+jwt is the same type, letter case aside', () => {
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

describe('algorithms and keys', () => {
  test.each(['none', 'nOnE', '', undefined, 'HS384', 'RS384', 'RS512', 'ES512', 'A128KW', 7, null, ['RS256']])(
    'J1: alg %j is rejected',
    (alg) => {
      const world = tokenWorld();
      const token = withHeader(world, { ...headerOf(world.keys.RS256), alg });
      const [header, payload] = parts(token);
      expect(reasonOf(world, token)).toMatch(/malformed|bad_signature/);
      expect(reasonOf(world, `${header}.${payload}.`)).toBe('malformed');
      expect(reasonOf(world, `${header}.${payload}`)).toBe('malformed');
    },
  );

  const publicForms = (world: TokenWorld) => {
    const { key } = world.keys.RS256;
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
    'J2: HS256 over our public key as %s is rejected, under the RSA kid and under the shared secret’s',
    (form) => {
      const world = tokenWorld();
      const secret = createSecretKey(publicForms(world)[form]);
      for (const kid of ['rs', 'hs']) {
        const input = `${encode({ alg: 'HS256', kid, typ: 'at+jwt' })}.${encode(goodClaims())}`;
        const token = `${input}.${signature('HS256', secret, input).toString('base64url')}`;
        expect(reasonOf(world, token)).toBe('bad_signature');
      }
    },
  );

  test('J3: an unknown kid is rejected, and a MAC under the empty key opens nothing', () => {
    const world = tokenWorld();
    expect(reasonOf(world, withHeader(world, { ...headerOf(world.keys.RS256), kid: 'nobody' }))).toBe('unknown_key');
    for (const kid of ['nobody', 'hs', 'rs', '']) {
      const input = `${encode({ alg: 'HS256', kid, typ: 'at+jwt' })}.${encode(goodClaims())}`;
      const token = `${input}.${signature('HS256', createSecretKey(Buffer.alloc(0)), input).toString('base64url')}`;
      expect(reasonOf(world, token)).toMatch(/unknown_key|bad_signature/);
    }
    const withoutKid = withHeader(world, { alg: 'RS256', typ: 'at+jwt' });
    expect(reasonOf(world, withoutKid)).toBe('malformed');
  });

  test.each(['../../dev/null', `' OR 1=1--`, '__proto__', 'constructor', 'x'.repeat(300), 'rs\0'])(
    'J4: the kid %j finds no key and is only ever looked up in memory',
    (kid) => {
      const world = tokenWorld();
      expect(reasonOf(world, withHeader(world, { ...headerOf(world.keys.RS256), kid }))).toBe('unknown_key');
      expect(world.asked).toEqual([kid]);
    },
  );

  test('J4: a kid that is no text, or too long for a header, is not looked up at all', () => {
    const world = tokenWorld();
    for (const kid of [{ not: '' }, ['rs'], 1, null, true, 'x'.repeat(10_000)])
      expect(reasonOf(world, withHeader(world, { ...headerOf(world.keys.RS256), kid }))).toBe('malformed');
    expect(world.asked).toEqual([]);
  });

  test('J5: jku, x5u, jwk and x5c in the header are rejected, and nobody is asked for a key', async () => {
    let connections = 0;
    const attacker = createServer().on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => attacker.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(attacker.address() as AddressInfo).port}/jwks.json`;
    const world = tokenWorld();
    const theirs = newKey('RS256', 'rs');
    const jwk = theirs.key.export({ format: 'jwk' });
    for (const extra of [{ jku: url }, { x5u: url }, { jwk }, { x5c: ['MIIB'] }, { x5t: 'a' }]) {
      expect(reasonOf(world, jws(theirs, { ...headerOf(theirs), ...extra }, goodClaims()))).toBe('malformed');
      expect(reasonOf(world, withHeader(world, { ...headerOf(world.keys.RS256), ...extra }))).toBe('malformed');
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(connections).toBe(0);
    attacker.close();
  });

  test.each([{ crit: ['x'] }, { crit: [] }, { b64: false }, { b64: true }, { crit: ['b64'], b64: false }])(
    'J6: the header member %j is rejected',
    (extra) => {
      const world = tokenWorld();
      expect(reasonOf(world, withHeader(world, { ...headerOf(world.keys.RS256), ...extra }))).toBe('malformed');
    },
  );

  test.each(['JWT', 'logout+jwt', 'id+jwt', 'revocations+jwt', '', undefined, null, 1, 'at+jwt ', 'application/jwt'])(
    'J7: typ %j is no access token',
    (typ) => {
      const world = tokenWorld();
      expect(reasonOf(world, withHeader(world, { ...headerOf(world.keys.RS256), typ }))).toBe('wrong_type');
    },
  );

  test('J16: a key has one algorithm: ES384 of an ES256 key, PS256 and RS512 of an RS256 key are rejected', () => {
    const world = tokenWorld();
    for (const [alg, key] of [
      ['ES384', world.keys.ES256],
      ['PS256', world.keys.RS256],
      ['RS512', world.keys.RS256],
      ['HS256', world.keys.EdDSA],
      ['EdDSA', world.keys.HS256],
    ] as const)
      expect(reasonOf(world, jws(key, { ...headerOf(key), alg }, goodClaims()))).toBe('bad_signature');
  });

  test('a shared secret speaks for its own audience alone', () => {
    const world = tokenWorld();
    const token = world.token({ aud: 'https://other.test' }, 'HS256');
    expect(reasonOf(world, token, { audience: 'https://other.test' })).toBe('wrong_audience');
  });

  test('a compromised key’s tokens are refused at once, cached or not, by the ring or by the feed', () => {
    const world = tokenWorld();
    const [cached, fresh] = [world.token(), world.token({ jti: 'other' })];
    for (let use = 0; use < 3; use += 1) expect(reasonOf(world, cached)).toBe('active');
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
    world.revocations.apply([entry]);
    expect([reasonOf(world, cached), reasonOf(world, fresh)]).toEqual(['key_compromised', 'key_compromised']);
    const other = tokenWorld();
    (other.ring.get('rs') as { compromised: boolean }).compromised = true;
    expect(reasonOf(other, fresh)).toBe('key_compromised');
    expect(reasonOf(other, `${fresh.slice(0, -8)}AAAAAAAA`)).toBe('bad_signature');
  });

  test('a retired key, and another key under the same kid, end what the cache remembers', () => {
    const world = tokenWorld();
    const token = world.token();
    for (let use = 0; use < 3; use += 1) expect(reasonOf(world, token)).toBe('active');
    world.ring.set('rs', newKey('RS256', 'rs'));
    expect(reasonOf(world, token)).toBe('bad_signature');
    world.ring.delete('rs');
    expect(reasonOf(world, token)).toBe('unknown_key');
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
    [{ auth_time: 'now' }, 'malformed'],
    [{ ue: '0' }, 'malformed'],
    [{ ce: -1 }, 'malformed'],
    [{ bip: 1 }, 'malformed'],
    [{ bua: '' }, 'malformed'],
    [{ nbf: '0' }, 'malformed'],
  ])('J8: %j is %s', (changes, reason) => {
    const world = tokenWorld();
    expect(reasonOf(world, world.token(changes))).toBe(reason);
  });

  test('J8: the right issuer with another issuer’s key is rejected', () => {
    const world = tokenWorld();
    const theirs = newKey('RS256', 'rs');
    expect(reasonOf(world, jws(theirs, headerOf(theirs), goodClaims()))).toBe('bad_signature');
  });

  test.each(['9', 1e308, -1, null, [NOW + 900], NOW + 0.5, true, {}])('J9: exp %j is malformed', (exp) => {
    const world = tokenWorld();
    expect(reasonOf(world, jws(world.keys.RS256, headerOf(world.keys.RS256), { ...goodClaims(), exp }))).toBe(
      'malformed',
    );
  });

  test('J9: a token ends at exp plus leeway, not a second later, cached or not', () => {
    const world = tokenWorld({ leewaySeconds: 5 });
    const token = world.token();
    world.at(904);
    for (let use = 0; use < 3; use += 1) expect(reasonOf(world, token)).toBe('active');
    world.at(905);
    expect(reasonOf(world, token)).toBe('expired');
    expect(reasonOf(world, world.token({ jti: 'fresh' }))).toBe('expired');
  });

  test('J9: nbf and iat beyond the leeway are not yet valid', () => {
    const world = tokenWorld({ leewaySeconds: 5 });
    expect(reasonOf(world, world.token({ nbf: NOW + 5 }))).toBe('active');
    expect(reasonOf(world, world.token({ nbf: NOW + 6 }))).toBe('not_yet_valid');
    expect(reasonOf(world, world.token({ iat: NOW + 6 }))).toBe('not_yet_valid');
  });

  test('B-TOK-15: a forged expired token reports its signature, not its expiry', () => {
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

describe('form', () => {
  test('J10: JSON serialisation, braces, quotes, padding, whitespace, and any other number of parts are malformed', () => {
    const world = tokenWorld();
    const token = world.token();
    const [header, payload, mac] = parts(token);
    const forms = [
      JSON.stringify({ protected: header, payload, signature: mac }),
      `{${token}}`,
      `"${token}"`,
      `${token}=`,
      `${token}==`,
      `${header}=.${payload}.${mac}`,
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      `${header}.${payload}\n.${mac}`,
      `${header} .${payload}.${mac}`,
      `${header}.${payload}`,
      `${token}.${mac}`,
      `${token}.${mac}.${mac}`,
      `${token}.`,
      `.${token}`,
      `${header}..${mac}`,
      `.${payload}.${mac}`,
      '',
      '.',
      '..',
      '...',
      token.replaceAll('_', '/').replaceAll('-', '+').replace(/^(\w)/, '/$1'),
      `${token}\0`,
      `${token}é`,
    ];
    for (const form of forms)
      expect([form.slice(0, 40), reasonOf(world, form)]).toEqual([form.slice(0, 40), 'malformed']);
    expect(world.asked).toEqual([]);
  });

  test('J10: stray bits in the last character of a part are another spelling and malformed', () => {
    const world = tokenWorld();
    const token = world.token({}, 'EdDSA');
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // 64 bytes end in a character of which two bits count.
    const last = alphabet.indexOf(token.at(-1) as string);
    expect(last % 16).toBe(0);
    for (let stray = 1; stray < 16; stray += 1)
      expect(reasonOf(world, token.slice(0, -1) + alphabet[last + stray])).toBe('malformed');
  });

  test.each(['[]', 'null', '"x"', '1', 'true', '', '{', '{"a":1}}', '\ufeff{}'])(
    'J11: the payload %j is malformed though validly signed',
    (payload) => {
      const world = tokenWorld();
      expect(reasonOf(world, jws(world.keys.RS256, headerOf(world.keys.RS256), payload))).toBe('malformed');
    },
  );

  test('a payload that is no UTF-8 is malformed though validly signed', () => {
    const world = tokenWorld();
    const { privateKey } = world.keys.RS256;
    const text = JSON.stringify({ ...goodClaims(), email: 'xx@people.test' });
    const bytes = Buffer.from(text);
    bytes[bytes.indexOf('xx')] = 0xff;
    const input = `${encode(headerOf(world.keys.RS256))}.${bytes.toString('base64url')}`;
    expect(reasonOf(world, `${input}.${signature('RS256', privateKey, input).toString('base64url')}`)).toBe(
      'malformed',
    );
  });

  test('J12: duplicate names in header or claims, however spelled and however deep, are malformed', () => {
    const world = tokenWorld();
    const key = world.keys.RS256;
    const claims = JSON.stringify(goodClaims());
    const doubled = [
      claims.replace('{', '{"sub":"admin",'),
      claims.replace('{', '{"\\u0073ub":"admin",'),
      claims.replace(/}$/, ',"act":{"sub":"a","sub":"b"}}'),
      claims.replace(/}$/, ',"list":[{"a":1,"a":2}]}'),
    ];
    for (const payload of doubled) expect(reasonOf(world, jws(key, headerOf(key), payload))).toBe('malformed');
    for (const header of [
      '{"alg":"RS256","kid":"rs","typ":"at+jwt","alg":"RS256"}',
      '{"kid":"hs","kid":"rs","alg":"RS256","typ":"at+jwt"}',
    ])
      expect(reasonOf(world, jws(key, header, goodClaims()))).toBe('malformed');
    // Neither braces nor colons within strings count, nor quotes that are escaped.
    const odd = { ...goodClaims(), act: { sub: '{"a":"b","a":1}:\\"' } };
    expect(reasonOf(world, jws(key, headerOf(key), odd))).toBe('active');
    expect(reasonOf(world, jws(key, headerOf(key), JSON.stringify(goodClaims(), null, 2)))).toBe('active');
  });

  test('a claim named __proto__ changes nothing', () => {
    const world = tokenWorld();
    const key = world.keys.RS256;
    const payload = JSON.stringify(goodClaims()).replace('{', '{"__proto__":{"scope":"keys:manage"},');
    const token = jws(key, headerOf(key), payload.replace('"scope":"openid email",', ''));
    expect(reasonOf(world, token, { requiredScope: 'keys:manage' })).toBe('insufficient_scope');
    expect(({} as { scope?: string }).scope).toBeUndefined();
  });

  test('J13: an empty, zero, DER-encoded, truncated, prolonged or borrowed signature is rejected', () => {
    const world = tokenWorld();
    for (const alg of algs) {
      const token = world.token({}, alg);
      const [header, payload, mac] = parts(token);
      const bytes = Buffer.from(mac, 'base64url');
      const other = parts(world.token({ jti: 'other' }, alg))[2];
      const forged = [
        Buffer.alloc(bytes.length),
        Buffer.alloc(64),
        Buffer.alloc(1),
        bytes.subarray(0, -1),
        bytes.subarray(1),
        Buffer.concat([bytes, Buffer.alloc(1)]),
        Buffer.concat([Buffer.alloc(1), bytes]),
        Buffer.from(other, 'base64url'),
      ];
      for (const each of forged)
        expect([alg, reasonOf(world, `${header}.${payload}.${each.toString('base64url')}`)]).toEqual([
          alg,
          'bad_signature',
        ]);
      expect(reasonOf(world, `${header}.${payload}.`)).toBe('malformed');
    }
  });

  test('J13: an ECDSA signature with r or s zero, or in DER, is rejected', () => {
    const world = tokenWorld();
    const { key, privateKey } = world.keys.ES256;
    const token = world.token({}, 'ES256');
    const [header, payload, mac] = parts(token);
    const good = Buffer.from(mac, 'base64url');
    const input = `${header}.${payload}`;
    const halves = [
      Buffer.concat([Buffer.alloc(32), good.subarray(32)]),
      Buffer.concat([good.subarray(0, 32), Buffer.alloc(32)]),
    ];
    const der = signature('none', privateKey, input);
    expect(verify('sha256', Buffer.from(input), key, der)).toBe(true);
    for (const each of [...halves, der])
      expect(reasonOf(world, `${input}.${each.toString('base64url')}`)).toBe('bad_signature');
  });

  test('J14: a token over 8 KB is malformed, whatever is in it; one just under is judged', () => {
    const world = tokenWorld();
    const fits = world.token({ email: `${'a'.repeat(5_000)}@people.test` });
    expect(fits.length).toBeLessThan(MAXIMUM_TOKEN_LENGTH);
    expect(reasonOf(world, fits)).toBe('active');
    const long = world.token({ email: `${'a'.repeat(7_000)}@people.test` });
    expect(long.length).toBeGreaterThan(MAXIMUM_TOKEN_LENGTH);
    expect(reasonOf(world, long)).toBe('malformed');
    expect(parseToken(long)).toBeNull();
    expect(world.asked).not.toHaveLength(0);
  });

  test('J14: JSON nested ten thousand deep is malformed and the process lives', () => {
    const world = tokenWorld();
    const key = world.keys.RS256;
    for (const depth of [17, 1_000, 2_000]) {
      const nested = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      expect(reasonOf(world, jws(key, headerOf(key), nested))).toBe('malformed');
      expect(reasonOf(world, jws(key, nested, goodClaims()))).toBe('malformed');
    }
    expect(reasonOf(world, encode('['.repeat(10_000)))).toBe('malformed');
    expect(reasonOf(world, `${encode('['.repeat(3_000))}.${encode('{}')}.AAAA`)).toBe('malformed');
  });

  test('J15: we accept no JWE: nothing is derived or inflated', () => {
    const world = tokenWorld();
    const bomb = deflateRawSync(Buffer.alloc(1_000_000)).toString('base64url');
    const jwe = { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1_000_000_000, p2s: 'AAAA', zip: 'DEF' };
    expect(reasonOf(world, `${encode(jwe)}.AAAA.AAAA.${bomb}.AAAA`)).toBe('malformed');
    expect(reasonOf(world, `${encode(jwe)}.${bomb}.AAAA`)).toBe('malformed');
    const zipped = jws(world.keys.RS256, { ...headerOf(world.keys.RS256), zip: 'DEF' }, goodClaims());
    expect(reasonOf(world, zipped)).toBe('malformed');
    expect(world.asked).toEqual([]);
  });
});

describe('properties', () => {
  test.each(algs)('any single character changed in a %s token makes it inactive, and never an exception', (alg) => {
    const world = tokenWorld();
    const token = world.token({}, alg);
    for (let use = 0; use < 3; use += 1) expect(reasonOf(world, token)).toBe('active');
    const character = fc.oneof(
      fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'),
      fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.nat(token.length - 1), character, (at, changed) => {
        fc.pre(token[at] !== changed);
        expect(reasonOf(world, token.slice(0, at) + changed + token.slice(at + 1))).not.toBe('active');
      }),
      { numRuns: alg === 'RS256' ? 2_000 : 500 },
    );
  });

  test('every single-character change of an EdDSA token is inactive', () => {
    const world = tokenWorld();
    const token = world.token({}, 'EdDSA');
    for (let at = 0; at < token.length; at += 1) {
      const changed = token[at] === 'A' ? 'B' : 'A';
      expect(reasonOf(world, token.slice(0, at) + changed + token.slice(at + 1))).not.toBe('active');
    }
  });

  test('deletions, insertions and swaps are inactive', () => {
    const world = tokenWorld();
    const token = world.token({}, 'ES256');
    fc.assert(
      fc.property(
        fc.nat(token.length - 1),
        fc.nat(token.length - 1),
        fc.constantFrom('A', '.', '=', ' '),
        (a, b, extra) => {
          expect(reasonOf(world, token.slice(0, a) + token.slice(a + 1))).not.toBe('active');
          expect(reasonOf(world, token.slice(0, a) + extra + token.slice(a))).not.toBe('active');
          fc.pre(token[a] !== token[b]);
          const swapped = [...token];
          [swapped[a], swapped[b]] = [swapped[b] as string, swapped[a] as string];
          expect(reasonOf(world, swapped.join(''))).not.toBe('active');
        },
      ),
      { numRuns: 500 },
    );
  });

  test('arbitrary text, and arbitrary JSON in the three parts, is never active and never an exception', () => {
    const world = tokenWorld();
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        expect(reasonOf(world, text)).not.toBe('active');
      }),
    );
    fc.assert(
      fc.property(fc.json(), fc.json(), fc.uint8Array({ minLength: 1, maxLength: 64 }), (header, payload, mac) => {
        const token = `${encode(header)}.${encode(payload)}.${Buffer.from(mac).toString('base64url')}`;
        expect(reasonOf(world, token)).not.toBe('active');
        // The same payload validly signed is no access token either.
        expect(reasonOf(world, jws(world.keys.HS256, headerOf(world.keys.HS256), payload))).toBe('malformed');
      }),
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

describe('binding switches, each on its own (A-TOK-06, A-CFG-04)', () => {
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
