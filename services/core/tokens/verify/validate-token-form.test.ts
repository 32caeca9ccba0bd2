import { verify } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAXIMUM_TOKEN_LENGTH, parseToken } from '#services/core/jws/parse-token.ts';
import {
  algs,
  encode,
  goodClaims,
  headerOf,
  jws,
  parts,
  reasonOf,
  signature,
  tokenHarness,
} from '#tools/testing/harness/token.ts';

describe('form', () => {
  test('JSON serialisation, braces, quotes, padding, whitespace, and any other number of parts are malformed', () => {
    const harness = tokenHarness();
    const token = harness.token();
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
      expect([form.slice(0, 40), reasonOf(harness, form)]).toEqual([form.slice(0, 40), 'malformed']);
    expect(harness.asked).toEqual([]);
  });

  test('stray bits in the last character of a part are malformed', () => {
    const harness = tokenHarness();
    const token = harness.token({}, 'EdDSA');
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // Of the last character of 64 encoded bytes, only two bits are used.
    const last = alphabet.indexOf(token.at(-1) as string);
    expect(last % 16).toBe(0);
    for (let stray = 1; stray < 16; stray += 1)
      expect(reasonOf(harness, token.slice(0, -1) + alphabet[last + stray])).toBe('malformed');
  });

  test.each(['[]', 'null', '"x"', '1', 'true', '', '{', '{"a":1}}', '\ufeff{}'])(
    'the payload %j is malformed even if validly signed',
    (payload) => {
      const harness = tokenHarness();
      expect(reasonOf(harness, jws(harness.keys.RS256, headerOf(harness.keys.RS256), payload))).toBe('malformed');
    },
  );

  test('a payload that is not UTF-8 is malformed even if validly signed', () => {
    const harness = tokenHarness();
    const { privateKey } = harness.keys.RS256;
    const text = JSON.stringify({ ...goodClaims(), email: 'xx@people.test' });
    const bytes = Buffer.from(text);
    bytes[bytes.indexOf('xx')] = 0xff;
    const input = `${encode(headerOf(harness.keys.RS256))}.${bytes.toString('base64url')}`;
    expect(reasonOf(harness, `${input}.${signature('RS256', privateKey, input).toString('base64url')}`)).toBe(
      'malformed',
    );
  });

  test('duplicate names in header or claims, however spelled and however deep, are malformed', () => {
    const harness = tokenHarness();
    const key = harness.keys.RS256;
    const claims = JSON.stringify(goodClaims());
    const doubled = [
      claims.replace('{', '{"sub":"admin",'),
      claims.replace('{', '{"\\u0073ub":"admin",'),
      claims.replace(/}$/, ',"act":{"sub":"a","sub":"b"}}'),
      claims.replace(/}$/, ',"list":[{"a":1,"a":2}]}'),
    ];
    for (const payload of doubled) expect(reasonOf(harness, jws(key, headerOf(key), payload))).toBe('malformed');
    for (const header of [
      '{"alg":"RS256","kid":"rs","typ":"at+jwt","alg":"RS256"}',
      '{"kid":"hs","kid":"rs","alg":"RS256","typ":"at+jwt"}',
    ])
      expect(reasonOf(harness, jws(key, header, goodClaims()))).toBe('malformed');
    // Braces, colons and escaped quotes inside strings do not count as structure.
    const odd = { ...goodClaims(), act: { sub: '{"a":"b","a":1}:\\"' } };
    expect(reasonOf(harness, jws(key, headerOf(key), odd))).toBe('active');
    expect(reasonOf(harness, jws(key, headerOf(key), JSON.stringify(goodClaims(), null, 2)))).toBe('active');
  });

  test('a claim named __proto__ has no effect', () => {
    const harness = tokenHarness();
    const key = harness.keys.RS256;
    const payload = JSON.stringify(goodClaims()).replace('{', '{"__proto__":{"scope":"keys:manage"},');
    const token = jws(key, headerOf(key), payload.replace('"scope":"openid email",', ''));
    expect(reasonOf(harness, token, { requiredScope: 'keys:manage' })).toBe('insufficient_scope');
    expect(({} as { scope?: string }).scope).toBeUndefined();
  });

  test('an empty, zero, DER-encoded, truncated, prolonged or borrowed signature is rejected', () => {
    const harness = tokenHarness();
    for (const alg of algs) {
      const token = harness.token({}, alg);
      const [header, payload, mac] = parts(token);
      const bytes = Buffer.from(mac, 'base64url');
      const other = parts(harness.token({ jti: 'other' }, alg))[2];
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
        expect([alg, reasonOf(harness, `${header}.${payload}.${each.toString('base64url')}`)]).toEqual([
          alg,
          'bad_signature',
        ]);
      expect(reasonOf(harness, `${header}.${payload}.`)).toBe('malformed');
    }
  });

  test('an ECDSA signature with r or s zero, or in DER, is rejected', () => {
    const harness = tokenHarness();
    const { key, privateKey } = harness.keys.ES256;
    const token = harness.token({}, 'ES256');
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
      expect(reasonOf(harness, `${input}.${each.toString('base64url')}`)).toBe('bad_signature');
  });

  test('a token over 8 KB is malformed, whatever its content; one just below is validated', () => {
    const harness = tokenHarness();
    const fits = harness.token({ email: `${'a'.repeat(5_000)}@people.test` });
    expect(fits.length).toBeLessThan(MAXIMUM_TOKEN_LENGTH);
    expect(reasonOf(harness, fits)).toBe('active');
    const long = harness.token({ email: `${'a'.repeat(7_000)}@people.test` });
    expect(long.length).toBeGreaterThan(MAXIMUM_TOKEN_LENGTH);
    expect(reasonOf(harness, long)).toBe('malformed');
    expect(parseToken(long)).toBeNull();
    expect(harness.asked).not.toHaveLength(0);
  });

  test('JSON nested ten thousand deep is malformed and does not crash the process', () => {
    const harness = tokenHarness();
    const key = harness.keys.RS256;
    for (const depth of [17, 1_000, 2_000]) {
      const nested = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      expect(reasonOf(harness, jws(key, headerOf(key), nested))).toBe('malformed');
      expect(reasonOf(harness, jws(key, nested, goodClaims()))).toBe('malformed');
    }
    expect(reasonOf(harness, encode('['.repeat(10_000)))).toBe('malformed');
    expect(reasonOf(harness, `${encode('['.repeat(3_000))}.${encode('{}')}.AAAA`)).toBe('malformed');
  });

  test('a JWE is malformed: no key is derived and nothing is decompressed', () => {
    const harness = tokenHarness();
    const bomb = deflateRawSync(Buffer.alloc(1_000_000)).toString('base64url');
    const jwe = { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1_000_000_000, p2s: 'AAAA', zip: 'DEF' };
    expect(reasonOf(harness, `${encode(jwe)}.AAAA.AAAA.${bomb}.AAAA`)).toBe('malformed');
    expect(reasonOf(harness, `${encode(jwe)}.${bomb}.AAAA`)).toBe('malformed');
    const zipped = jws(harness.keys.RS256, { ...headerOf(harness.keys.RS256), zip: 'DEF' }, goodClaims());
    expect(reasonOf(harness, zipped)).toBe('malformed');
    expect(harness.asked).toEqual([]);
  });
});

describe('properties', () => {
  test.each(algs)('changing any single character of a %s token makes it inactive and never throws', (alg) => {
    const harness = tokenHarness();
    const token = harness.token({}, alg);
    for (let use = 0; use < 3; use += 1) expect(reasonOf(harness, token)).toBe('active');
    const character = fc.oneof(
      fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'),
      fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.nat(token.length - 1), character, (at, changed) => {
        fc.pre(token[at] !== changed);
        expect(reasonOf(harness, token.slice(0, at) + changed + token.slice(at + 1))).not.toBe('active');
      }),
      { numRuns: alg === 'RS256' ? 2_000 : 500 },
    );
  });

  test('every single-character change of an EdDSA token is inactive', () => {
    const harness = tokenHarness();
    const token = harness.token({}, 'EdDSA');
    for (let at = 0; at < token.length; at += 1) {
      const changed = token[at] === 'A' ? 'B' : 'A';
      expect(reasonOf(harness, token.slice(0, at) + changed + token.slice(at + 1))).not.toBe('active');
    }
  });

  test('deletions, insertions and swaps are inactive', () => {
    const harness = tokenHarness();
    const token = harness.token({}, 'ES256');
    fc.assert(
      fc.property(
        fc.nat(token.length - 1),
        fc.nat(token.length - 1),
        fc.constantFrom('A', '.', '=', ' '),
        (a, b, extra) => {
          expect(reasonOf(harness, token.slice(0, a) + token.slice(a + 1))).not.toBe('active');
          expect(reasonOf(harness, token.slice(0, a) + extra + token.slice(a))).not.toBe('active');
          fc.pre(token[a] !== token[b]);
          const swapped = [...token];
          [swapped[a], swapped[b]] = [swapped[b] as string, swapped[a] as string];
          expect(reasonOf(harness, swapped.join(''))).not.toBe('active');
        },
      ),
      { numRuns: 500 },
    );
  });

  test('arbitrary text, and arbitrary JSON in the three parts, is never active and never throws', () => {
    const harness = tokenHarness();
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        expect(reasonOf(harness, text)).not.toBe('active');
      }),
    );
    fc.assert(
      fc.property(fc.json(), fc.json(), fc.uint8Array({ minLength: 1, maxLength: 64 }), (header, payload, mac) => {
        const token = `${encode(header)}.${encode(payload)}.${Buffer.from(mac).toString('base64url')}`;
        expect(reasonOf(harness, token)).not.toBe('active');
        // The same payload is not an access token even if validly signed.
        expect(reasonOf(harness, jws(harness.keys.HS256, headerOf(harness.keys.HS256), payload))).toBe('malformed');
      }),
    );
  });
});
