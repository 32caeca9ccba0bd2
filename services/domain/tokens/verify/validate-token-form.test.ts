import { verify } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAXIMUM_TOKEN_LENGTH, parseToken } from '#services/domain/jws/parse-token.ts';
import {
  algs,
  encode,
  goodClaims,
  headerOf,
  jws,
  parts,
  reasonOf,
  signature,
  tokenWorld,
} from '#testing/harness/token-world.ts';

describe('form', () => {
  test('JSON serialisation, braces, quotes, padding, whitespace, and any other number of parts are malformed', () => {
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

  test('stray bits in the last character of a part are another spelling and malformed', () => {
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
    'the payload %j is malformed though validly signed',
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

  test('duplicate names in header or claims, however spelled and however deep, are malformed', () => {
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

  test('an empty, zero, DER-encoded, truncated, prolonged or borrowed signature is rejected', () => {
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

  test('an ECDSA signature with r or s zero, or in DER, is rejected', () => {
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

  test('a token over 8 KB is malformed, whatever is in it; one just under is judged', () => {
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

  test('JSON nested ten thousand deep is malformed and the process lives', () => {
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

  test('we accept no JWE: nothing is derived or inflated', () => {
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
