import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { UnknownDigestError } from '../errors.ts';
import { asImported, findScheme, hashPassword, inspectDigest, verifyPassword, weakFormats } from '../schemes.ts';
import { bcrypt } from './bcrypt.ts';
import { djangoKinds } from './django.ts';
import { firebaseScrypt, readFirebaseDigest, signerKeyId, writeFirebaseDigest } from './firebase-scrypt.ts';
import { pbkdf2 } from './pbkdf2.ts';

type Fixture = {
  readonly password: string;
  readonly digests: Readonly<Record<string, readonly string[]>>;
  readonly firebase: {
    readonly signer_key: string;
    readonly salt_separator: string;
    readonly rounds: number;
    readonly mem_cost: number;
    readonly salt: string;
    readonly hash: string;
  };
};
/** Made by tools/imported-hashes.py: passlib, Django, Werkzeug, hashlib, crypt(3), OpenSSL and firebase-scrypt. */
const fixture: Fixture = JSON.parse(readFileSync(new URL('./imported-hashes.json', import.meta.url), 'utf8'));

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
    ['a salt that is no whole number of bytes', `$argon2id$v=19$m=65536,t=3,p=1$${'b'.repeat(13)}$${key}`],
    ['a key that is no whole number of bytes', `$argon2id$v=19$m=65536,t=3,p=1$${salt}$${'b'.repeat(43)}`],
    ['no pass', `$argon2id$v=19$m=65536,t=0,p=1$${salt}$${key}`],
    ['no lane', `$argon2id$v=19$m=65536,t=1,p=0$${salt}$${key}`],
    ['less memory than its parallelism needs', `$argon2id$v=19$m=64,t=1,p=16$${salt}$${key}`],
    ['another Argon2', `$argon2d$v=19$m=65536,t=3,p=1$${salt}$${key}`],
    ['Django argon2 of 4 GB', `argon2$argon2id$v=19$m=4194304,t=1,p=1$${salt}$${key}`],
    ['bcrypt of cost 31', `$2b$31$${'a'.repeat(53)}`],
    ['Django bcrypt of cost 31', `bcrypt_sha256$$2b$31$${'a'.repeat(53)}`],
    ['phpass of 2^30 rounds', `$P$SaaaaaaaaA${'a'.repeat(21)}`],
    ['SHA crypt of 999,999,999 rounds', `$6$rounds=999999999$salt$${'a'.repeat(86)}`],
    ['SHA crypt of one round', `$5$rounds=1$salt$${'a'.repeat(43)}`],
    ['SHA crypt with a salt of 17 bytes', `$5$äaaaaaaaaaaaaaaa$${'a'.repeat(43)}`],
    ['Django scrypt of 4 GB', `scrypt$4194304$salt$8$1$${'A'.repeat(86)}==`],
    ['scrypt whose N is no power of two', `scrypt$16383$salt$8$1$${'A'.repeat(86)}==`],
    ['Firebase scrypt of 2^30', `$fbscrypt$k=${'a'.repeat(22)},m=30,r=8,ss=Bw==$c2FsdA==$${'A'.repeat(86)}==`],
    ['a salted hash without a salt', `{SSHA256}${Buffer.alloc(32).toString('base64')}`],
    ['a salted hash with a kilobyte of salt', `{SSHA512}${Buffer.alloc(129).toString('base64')}`],
    ['a salted hash that is no base64', '{SMD5}!'],
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

const { password } = fixture;
const cases = Object.entries(fixture.digests).flatMap(([format, digests]) =>
  digests.map((digest) => ({ format, digest })),
);

describe('digests of independent implementations', () => {
  it.each(cases)('$format: $digest', ({ format, digest }) => {
    expect(inspectDigest(digest, [format])).toEqual({ isAccepted: true, format });
    expect(verifyPassword(password, digest, pepper)).toBe(true);
    expect(verifyPassword(`${password}!`, digest, pepper)).toBe(false);
    expect(findScheme(digest).isCurrent(digest)).toBe(false);
    expect(findScheme(digest).keyIdOf(digest)).toBeUndefined();
  });

  it('covers every weak format, and refuses each unless it is named', () => {
    const weak = cases.filter(({ format }) => weakFormats.includes(format));
    expect(new Set(weak.map(({ format }) => format))).toEqual(new Set(weakFormats));
    for (const { format, digest } of weak) {
      const refused = { isAccepted: false, reason: 'hash_not_allowed', format };
      expect(inspectDigest(digest)).toEqual(refused);
      expect(
        inspectDigest(
          digest,
          weakFormats.filter((name) => name !== format),
        ),
      ).toEqual(refused);
    }
  });

  it('says why a digest is refused: unknown, or out of bounds', () => {
    expect(inspectDigest('plain text')).toEqual({ isAccepted: false, reason: 'hash_unknown', format: undefined });
    expect(inspectDigest(`$2b$31$${'a'.repeat(53)}`)).toEqual({
      isAccepted: false,
      reason: 'hash_out_of_bounds',
      format: 'bcrypt',
    });
  });

  it('truncates no password, also where the other system did', () => {
    for (const digest of [...(fixture.digests.bcrypt ?? []), ...(fixture.digests['django-bcrypt'] ?? [])])
      expect(verifyPassword(`${password}\0`, digest, pepper)).toBe(false);
  });

  it('a kind verifies nothing of another kind or out of its bounds', () => {
    expect(bcrypt.verify(password, 'plain', undefined)).toBe(false);
    expect(bcrypt.verify(password, `$2b$31$${'a'.repeat(53)}`, undefined)).toBe(false);
    expect(bcrypt.keyIdOf('plain')).toBeUndefined();
    expect(pbkdf2.inspect('plain')).toBeUndefined();
    for (const kind of djangoKinds) expect(kind.verify(password, 'plain', undefined)).toBe(false);
  });
});

describe('what takes seconds, or protects nothing', () => {
  const body = (length: number): string => 'a'.repeat(length);
  const hex = (bytes: number): string => 'ab'.repeat(bytes);

  it.each([
    ['SHA crypt of a million rounds', `$6$rounds=1000000$salt$${body(86)}`],
    ['PBKDF2 whose long key takes its rounds four times', `$pbkdf2$2000000$${salt}$${body(86)}`],
    ['PBKDF2 of Werkzeug whose long key takes its rounds four times', `pbkdf2:sha1:2000000$salt$${hex(64)}`],
    ['bcrypt of cost 15', `$2b$15$${body(53)}`],
    ['Django bcrypt of cost 15', `bcrypt_sha256$$2b$15$${body(53)}`],
  ])('%s is refused by an import, and verified if it is here', (_what, digest) => {
    expect(inspectDigest(digest)).toMatchObject({ isAccepted: false, reason: 'hash_out_of_bounds' });
    expect(() => findScheme(digest)).not.toThrow();
  });

  it.each([
    ['SHA-512 crypt of passlib', `$6$rounds=656000$salt$${body(86)}`],
    ['PBKDF2 of Django 6', `pbkdf2_sha256$1200000$salt$${key}=`],
    ['scrypt of 128 MiB', `$scrypt$ln=17,r=8,p=1$${salt}$${key}`],
    ['bcrypt of cost 14', `$2b$14$${body(53)}`],
  ])('%s is taken', (_what, digest) => expect(inspectDigest(digest)).toMatchObject({ isAccepted: true }));

  it.each([
    ['PBKDF2 of one round', 'pbkdf2', `pbkdf2_sha256$1$salt$${key}=`],
    ['PBKDF2 of 999 rounds', 'pbkdf2', `$pbkdf2-sha256$999$${salt}$${key}`],
    ['scrypt of N 2', 'scrypt', `$scrypt$ln=1,r=8,p=1$${salt}$${key}`],
    ['Django scrypt of N 2', 'django-scrypt', `scrypt$2$salt$8$1$${'A'.repeat(86)}==`],
    ['Werkzeug scrypt of N 2', 'werkzeug-scrypt', `scrypt:2:8:1$salt$${hex(64)}`],
    [
      'Firebase scrypt of N 2',
      'firebase-scrypt',
      `$fbscrypt$k=${body(22)},m=1,r=8,ss=Bw==$c2FsdA==$${'A'.repeat(86)}==`,
    ],
    ['Argon2 of 8 KiB', 'argon2id', `$argon2id$v=19$m=8,t=1,p=1$${salt}$${key}`],
    ['Django Argon2 of 8 KiB', 'django-argon2id', `argon2$argon2id$v=19$m=8,t=1,p=1$${salt}$${key}`],
    ['phpass of 128 rounds', 'phpass', `$P$5aaaaaaaa${body(22)}`],
  ])('%s is refused unless its format is named', (_what, format, digest) => {
    expect(inspectDigest(digest)).toEqual({ isAccepted: false, reason: 'hash_not_allowed', format });
    expect(inspectDigest(digest, [format])).toEqual({ isAccepted: true, format });
  });
});

describe('bcrypt of another system', () => {
  // By the C library of Linux (libxcrypt), of the whole passphrase: it reads 72 bytes.
  const passphrase = 'a passphrase of many words, longer than the seventy-two bytes that bcrypt reads';
  const theirs = '$2b$04$Wf.BoNEJNTrbAT3ixFBQCufwSrTd4Eff.ZLgDMfPKNp8QD0fAiFXG';
  const like = '$2b$12$Wf.BoNEJNTrbAT3ixFBQCuCk8at7lQbvyWp1oonp/GYLa7vPNlZt2';

  it('a passphrase over 72 bytes signs in, and asks for a digest of the whole', () => {
    for (const digest of [theirs, asImported(like)]) {
      expect(verifyPassword(passphrase, digest, pepper)).toBe(true);
      expect(verifyPassword(`b${passphrase.slice(1)}`, digest, pepper)).toBe(false);
      expect(verifyPassword(passphrase.slice(0, 71), digest, pepper)).toBe(false);
      expect(verifyPassword(`${passphrase}\0`, digest, pepper)).toBe(false);
      expect(findScheme(digest).isCurrent(digest)).toBe(false);
    }
    const ours = hashPassword(passphrase, pepper);
    expect(verifyPassword(passphrase.slice(0, 72), ours, pepper)).toBe(false);
  });

  it('a digest of ours is never compared so, and one that looks like ours is told apart when it is imported', () => {
    expect(verifyPassword(passphrase, like, pepper)).toBe(false);
    expect(asImported(like)).toBe(like.replace('$2b$', '$2y$'));
    expect(asImported(theirs)).toBe(theirs);
  });
});

describe('ASP.NET Identity', () => {
  it('verifies the example of its own tests', () => {
    const published = 'AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==';
    expect(verifyPassword('my password', published, pepper)).toBe(true);
    expect(verifyPassword('my passwords', published, pepper)).toBe(false);
  });

  it.each([
    [
      'another pseudo-random function',
      'AQAAAAMAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==',
    ],
    [
      'a salt longer than the digest',
      'AQAAAAEAACcQAAAA/wABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==',
    ],
    [
      'no key',
      `${Buffer.concat([Buffer.from([1, 0, 0, 0, 1, 0, 0, 3, 232, 0, 0, 0, 16]), Buffer.alloc(16)]).toString('base64')}`,
    ],
  ])('%s is unknown', (_what, digest) => expect(inspectDigest(digest)).toMatchObject({ reason: 'hash_unknown' }));
});

describe('Firebase scrypt', () => {
  const { firebase } = fixture;
  const signerKey = Buffer.from(firebase.signer_key, 'base64');
  const digest = writeFirebaseDigest({
    keyId: signerKeyId(signerKey),
    saltSeparator: firebase.salt_separator,
    rounds: firebase.rounds,
    memoryCost: firebase.mem_cost,
    salt: firebase.salt,
    hash: firebase.hash,
  });

  it('names its signer key without containing it', () => {
    expect(inspectDigest(digest)).toEqual({ isAccepted: true, format: 'firebase-scrypt' });
    expect(findScheme(digest).keyIdOf(digest)).toBe(signerKeyId(signerKey));
    expect(digest).not.toContain(firebase.signer_key);
    expect(readFirebaseDigest(digest)).toMatchObject({ salt: firebase.salt, hash: firebase.hash });
  });

  it('accepts only the right password, and only with the right key', () => {
    expect(verifyPassword(password, digest, pepper, signerKey)).toBe(true);
    expect(verifyPassword(`${password}!`, digest, pepper, signerKey)).toBe(false);
    expect(verifyPassword(password, digest, pepper, Buffer.alloc(64, 1))).toBe(false);
    expect(verifyPassword(password, digest, pepper, Buffer.alloc(32, 1))).toBe(false);
    expect(verifyPassword(password, digest, pepper)).toBe(false);
  });

  it('verifies the example of its published reference', () => {
    const key = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==';
    const published = writeFirebaseDigest({
      keyId: signerKeyId(Buffer.from(key, 'base64')),
      saltSeparator: 'Bw==',
      rounds: 8,
      memoryCost: 14,
      salt: '42xEC+ixf3L2lw==',
      hash: 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
    });
    expect(verifyPassword('user1password', published, pepper, Buffer.from(key, 'base64'))).toBe(true);
    expect(firebaseScrypt.keyIdOf('plain')).toBeUndefined();
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
