import { describe, expect, it } from 'vitest';
import { UnknownDigestError } from './errors.ts';
import { findScheme, hashPassword, verifyPassword } from './schemes.ts';

const pepper = Buffer.alloc(32, 1);
const salt = 'yMnKy8zNzs/Q0dLT1NXW1w';
const key = 'jo9VMLSrrDSzfBqq3ZykPdIkuzrCCaNleg83y2zdOR4';

// Made by other implementations: Python's hashlib, Node's OpenSSL, Better Auth's noble-hashes, the reference suite.
const IMPORTED: readonly (readonly [name: string, digest: string, password?: string])[] = [
  [
    'Better Auth',
    'ad0feb3a68d3b730848eb11ddd8ab35b:9d3165b5430e6502fab6e0b19d51d67c143bf44b659f760b1af475cfb64385dc40a68f3a430995d7f99bcaac4b6b81c106ba6fc58f2a271b0ab9e3592a920212',
  ],
  ['scrypt, PHC', '$scrypt$ln=12,r=8,p=1$yMnKy8zNzs/Q0dLT1NXW1w$0XRoUC+a+vcSI4vmLWUyNEhkftxfxaVexz2FSN8VeFg'],
  [
    'argon2id, parallelism 2',
    '$argon2id$v=19$m=4096,t=2,p=2$c2l4dGVlbiBieXRlIHNsdA$OfKduR2a7eANqOHBeuI6Y1K1DTZN62O/3h5krDbViuE',
  ],
  [
    'argon2id, reference suite',
    '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    'password',
  ],
  ['Django, SHA-256', 'pbkdf2_sha256$20000$Q2hhcmxpZTEy$ZyEWMavgIZKHBBFHf7c68knqkXkhxQCVXD3lmA61ZXw='],
  ['Django, SHA-1', 'pbkdf2_sha1$20000$Q2hhcmxpZTEy$OwOPaExK4NV2C3OKP79B96agxOc='],
  ['PBKDF2, PHC, SHA-1', '$pbkdf2$20000$yMnKy8zNzs/Q0dLT1NXW1w$t4fbuHjxAzKmEVVMyAlp4N.MFJw'],
  ['PBKDF2, PHC, SHA-256', `$pbkdf2-sha256$20000$${salt}$${key}`],
  [
    'PBKDF2, PHC, SHA-512',
    '$pbkdf2-sha512$20000$yMnKy8zNzs/Q0dLT1NXW1w$zg4QGIwIGcgHDUgyMpatohnyNRA3kMVnM7cU.B551QHyY62YQ8U0pVPyz.He4oTOn4fDY2Q8tXNANVeKL.plKw',
  ],
];

describe('digests of other systems', () => {
  it.each(IMPORTED.map(([name, digest, password = 'imported password']) => ({ name, digest, password })))(
    '$name: accepts only the right password, and asks for a new digest',
    ({ digest, password }) => {
      expect(verifyPassword(password, digest, pepper)).toBe(true);
      expect(verifyPassword(`${password}!`, digest, pepper)).toBe(false);
      for (const algorithm of ['bcrypt', 'argon2id'] as const)
        expect(findScheme(digest).isCurrent(digest, algorithm)).toBe(false);
    },
  );

  it.each([
    ['4 GB of memory', `$argon2id$v=19$m=4194304,t=1,p=1$${salt}$${key}`],
    ['more memory than a number can hold', `$argon2id$v=19$m=99999999999,t=1,p=1$${salt}$${key}`],
    ['a thousand passes', `$argon2id$v=19$m=65536,t=999,p=1$${salt}$${key}`],
    ['no pass', `$argon2id$v=19$m=65536,t=0,p=1$${salt}$${key}`],
    ['no lane', `$argon2id$v=19$m=65536,t=1,p=0$${salt}$${key}`],
    ['less memory than its parallelism needs', `$argon2id$v=19$m=64,t=1,p=16$${salt}$${key}`],
    ['another Argon2', `$argon2i$v=19$m=65536,t=3,p=1$${salt}$${key}`],
    ['an old version', `$argon2id$v=16$m=65536,t=3,p=1$${salt}$${key}`],
    ['a second set of parameters', `$argon2id$v=19$m=65536,t=3,p=1,m=1$${salt}$${key}`],
    ['scrypt of 4 GB', `$scrypt$ln=22,r=8,p=1$${salt}$${key}`],
    ['scrypt of 2^99', `$scrypt$ln=99,r=8,p=1$${salt}$${key}`],
    ['scrypt of parallelism 99', `$scrypt$ln=15,r=8,p=99$${salt}$${key}`],
    ['scrypt without a block size', `$scrypt$ln=15,r=0,p=1$${salt}$${key}`],
    ['a billion rounds', `$pbkdf2-sha256$1000000000$${salt}$${key}`],
    ['99,999,999 rounds', `pbkdf2_sha256$99999999$Q2hhcmxpZTEy$${key}`],
    ['no round', `$pbkdf2-sha256$0$${salt}$${key}`],
    ['a negative count', `$pbkdf2-sha256$-1$${salt}$${key}`],
    ['an unknown hash', `$pbkdf2-md5$1000$${salt}$${key}`],
    ['an empty key', `$pbkdf2-sha256$1000$${salt}$`],
    ['a PBES2 header', '{"alg":"PBES2-HS256+A128KW","p2c":2147483647}'],
    ['a megabyte', `$pbkdf2-sha256$1000$${salt}$${'A'.repeat(1_000_000)}`],
    ['a truncated digest of Better Auth', `${'a'.repeat(32)}:${'b'.repeat(64)}`],
  ])('refuses %s without hashing, and the error never repeats the digest', (_name, digest) => {
    expect(() => findScheme(digest)).toThrow(UnknownDigestError);
    expect(() => verifyPassword('any', digest, pepper)).toThrow(/^stored password digest has an unknown scheme$/);
  });
});

describe('Argon2id by configuration', () => {
  it('makes Argon2id digests of 64 MiB and three passes, and truncates no password', () => {
    const long = 'x'.repeat(100);
    const digest = hashPassword(`${long}A`, pepper, 'argon2id');
    expect(digest).toMatch(/^\$argon2id\$v=19\$m=65536,t=3,p=1\$/);
    expect(verifyPassword(`${long}A`, digest, pepper)).toBe(true);
    expect(verifyPassword(`${long}B`, digest, pepper)).toBe(false);
    expect(findScheme(digest).isCurrent(digest, 'argon2id')).toBe(true);
    expect(findScheme(digest).isCurrent(digest)).toBe(false);
  });

  it('asks for an upgrade of bcrypt digests, pre-hashed or not', () => {
    const body = 'a'.repeat(53);
    for (const digest of [`$2b$12$${body}`, `$sp1$$2b$12$${body}`])
      expect(findScheme(digest).isCurrent(digest, 'argon2id')).toBe(false);
  });
});
