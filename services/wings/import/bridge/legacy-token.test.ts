import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { claimsProblem, isSignedWith, readLegacyToken, sessionIdOf, strengthOf } from './legacy-token.ts';

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const compact = (header: object, claims: object, signature = 'c2ln'): string =>
  `${encoded(header)}.${encoded(claims)}.${signature}`;
const HEADER = { alg: 'ES256', kid: 'one', typ: 'JWT' };

describe('a token is read', () => {
  test('in its parts', () => {
    const text = compact(HEADER, { sub: 'a' });
    expect(readLegacyToken(text)).toEqual({ text, alg: 'ES256', kid: 'one', claims: { sub: 'a' } });
    expect(readLegacyToken(compact({ alg: 'none' }, {}, ''))).toMatchObject({ alg: 'none', kid: undefined });
    expect(readLegacyToken(compact({ alg: 'RS256', typ: 'at+JWT' }, {}))).not.toBeNull();
  });

  test.each([
    ['a text without parts', 'token'],
    ['two parts', `${encoded(HEADER)}.${encoded({})}`],
    ['four parts', `${compact(HEADER, {})}.x`],
    ['more than 8,192 characters', compact(HEADER, { long: 'x'.repeat(9_000) })],
    ['a header that is no object', compact([], {})],
    ['claims that are no object', compact(HEADER, [])],
    ['bytes that are not UTF-8', `${encoded(HEADER)}.${Buffer.from([0xff]).toString('base64url')}.c2ln`],
    ['no algorithm', compact({}, {})],
    ['a kid that is no text', compact({ ...HEADER, kid: 7 }, {})],
    ['a kid of 256 characters', compact({ ...HEADER, kid: 'k'.repeat(256) }, {})],
    ['critical extensions', compact({ ...HEADER, crit: ['b64'] }, {})],
    ['the type of a logout token', compact({ ...HEADER, typ: 'logout+jwt' }, {})],
    ['a type that is no text', compact({ ...HEADER, typ: 1 }, {})],
    ['the claims of a refresh token of Keycloak', compact(HEADER, { typ: 'Refresh' })],
    ['the claims of a token of a link in a mail', compact(HEADER, { typ: 'execute-actions' })],
    ['the claims of a refresh token of Cognito', compact(HEADER, { token_use: 'refresh' })],
    ['the claims of a logout token', compact(HEADER, { events: {} })],
    ['someone who acts for the user', compact(HEADER, { act: { sub: 'support' } })],
  ])('unless it has %s', (_what, text) => expect(readLegacyToken(text)).toBeNull());
});

test('only the shared secret makes a signature that is accepted', () => {
  const secret = randomBytes(32).toString('hex');
  const input = `${encoded({ alg: 'HS256' })}.${encoded({ sub: 'a' })}`;
  const mac = createHmac('sha256', secret).update(input).digest('base64url');
  expect(isSignedWith(secret, `${input}.${mac}`)).toBe(true);
  expect(isSignedWith(`${secret}x`, `${input}.${mac}`)).toBe(false);
  expect([isSignedWith(secret, `${input}.c2ln`), isSignedWith(secret, `${input}.!`)]).toEqual([false, false]);
});

describe('claims', () => {
  const issuer = { issuer: 'https://old.example', audiences: ['app', 'other'] };
  const at = { now: 1_000, leewaySeconds: 5 };
  const good = { iss: 'https://old.example', aud: 'app', sub: 'u1', exp: 1_100, iat: 1_000 };
  const problem = (claims: object): string | null => claimsProblem(claims as never, issuer, at);

  test('of a live session for one of our audiences are accepted', () => {
    expect(problem(good)).toBeNull();
    expect(problem({ ...good, aud: ['foreign', 'other'], nbf: 1_004 })).toBeNull();
    expect(problem({ ...good, exp: 996, iat: undefined })).toBeNull();
  });

  test.each([
    ['another issuer', { iss: 'https://old.example/' }, 'issuer'],
    ['no subject', { sub: undefined }, 'malformed'],
    ['an empty subject', { sub: '' }, 'malformed'],
    ['a subject with NUL', { sub: 'a\0b' }, 'malformed'],
    ['a subject with half a surrogate pair', { sub: '\ud800' }, 'malformed'],
    ['a subject that is a number', { sub: 7 }, 'malformed'],
    ['a subject that a program rounded', { sub: '9.00720E+15' }, 'malformed'],
    ['a subject of 256 characters', { sub: 's'.repeat(256) }, 'malformed'],
    ['no expiry', { exp: undefined }, 'malformed'],
    ['an expiry that is no time', { exp: '2099' }, 'malformed'],
    ['another audience', { aud: 'foreign' }, 'audience'],
    ['no audience', { aud: undefined }, 'audience'],
    ['an expiry beyond the leeway', { exp: 995 }, 'expired'],
    ['an nbf ahead', { nbf: 1_006 }, 'not_yet_valid'],
    ['an iat ahead', { iat: 1_006 }, 'not_yet_valid'],
    ['an iat that is no time', { iat: -1 }, 'malformed'],
  ])('with %s are refused', (_what, change, expected) => expect(problem({ ...good, ...change })).toBe(expected));
});

describe('the strength of a session is what the token says, and no more', () => {
  const strength = (claims: object): object => strengthOf(claims as never, 2_000);
  const WEAK = { amr: [], isTwoFactors: false, authTime: null };

  test.each([
    ['nothing', {}, WEAK],
    ['a password', { amr: ['pwd'], auth_time: 1_500.7 }, { amr: ['pwd'], isTwoFactors: false, authTime: 1_500 }],
    ['two of one kind', { amr: ['pwd', 'pin'] }, { ...WEAK, amr: ['pwd', 'pin'] }],
    ['password and code', { amr: ['pwd', 'otp'] }, { amr: ['pwd', 'otp', 'mfa'], isTwoFactors: true, authTime: null }],
    ['mfa', { amr: ['mfa'] }, { amr: ['mfa'], isTwoFactors: true, authTime: null }],
    ['words that are no methods', { amr: ['Two Factors', 7, null] }, WEAK],
    ['amr that is no list', { amr: 'mfa' }, WEAK],
    ['a sign-in ahead of our clock', { auth_time: 9_999 }, { ...WEAK, authTime: 2_000 }],
    ['a sign-in that is no time', { auth_time: 'now' }, WEAK],
    [
      'Supabase: methods with times, and the level',
      {
        amr: [
          { method: 'password', timestamp: 1_000 },
          { method: 'totp', timestamp: 1_200 },
        ],
        aal: 'aal2',
      },
      { amr: ['pwd', 'otp', 'mfa'], isTwoFactors: true, authTime: 1_200 },
    ],
    ['Clerk: one factor, less than eleven minutes ago', { fva: [10, -1], iat: 1_900 }, { ...WEAK, authTime: 1_240 }],
    ['Clerk: two factors', { fva: [10, 1], iat: 1_900 }, { amr: ['mfa'], isTwoFactors: true, authTime: 1_240 }],
    ['Clerk: never', { fva: [-1, -1], iat: 1_900 }, WEAK],
    ['Clerk: no numbers', { fva: ['a', 'b'], iat: 1_900 }, WEAK],
    ['Clerk: without iat', { fva: [10, -1] }, WEAK],
  ])('%s', (_what, claims, expected) => expect(strength(claims)).toEqual(expected));
});

test('tokens of one session have one id; without a session each token has its own', () => {
  const id = (claims: object, issuer = 'https://old.example'): string =>
    sessionIdOf(issuer, {
      text: JSON.stringify(claims),
      alg: 'ES256',
      kid: undefined,
      claims: claims as never,
    }).toString('hex');
  expect(id({ sid: 's', jti: 'a' })).toBe(id({ sid: 's', jti: 'b' }));
  expect(id({ session_id: 's' })).toBe(id({ sid: 's' }));
  expect(id({ sid: 's' })).not.toBe(id({ sid: 's' }, 'https://other.example'));
  expect(id({ sid: 's' })).not.toBe(id({ jti: 's' }));
  expect(id({ jti: 's', iat: 1 })).toBe(id({ jti: 's', iat: 2 }));
  expect(id({ iat: 1 })).not.toBe(id({ iat: 2 }));
  expect(id({ sid: '', jti: 'j' })).toBe(id({ jti: 'j' }));
  expect(id({ sid: 'x'.repeat(256), jti: 'j' })).toBe(id({ jti: 'j' }));
});
