import { randomBytes } from 'node:crypto';
import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, it } from 'vitest';
import { UnknownDigestError } from './errors.ts';
import { findScheme, hashPassword, normalisePassword, verifyPassword } from './schemes.ts';

const pepper = randomBytes(32);
const bcryptPart = '[./A-Za-z0-9]{53}$';

describe('digest schemes', () => {
  it('stores plain bcrypt of cost 12 for up to 72 bytes, and a pre-hash with its own prefix for more', () => {
    expect(hashPassword('x'.repeat(72), pepper)).toMatch(new RegExp(`^\\$2b\\$12\\$${bcryptPart}`));
    expect(hashPassword('x'.repeat(73), pepper)).toMatch(new RegExp(`^\\$sp1\\$\\$2b\\$12\\$${bcryptPart}`));
    expect(hashPassword('ä'.repeat(37), pepper)).toMatch(/^\$sp1\$/);
  });

  it('distinguishes passwords with the same first 72 bytes', () => {
    const [stored, other] = [`${'x'.repeat(99)}A`, `${'x'.repeat(99)}B`];
    const digest = hashPassword(stored, pepper);
    expect(verifyPassword(stored, digest, pepper)).toBe(true);
    expect(verifyPassword(other, digest, pepper)).toBe(false);
  });

  it('distinguishes a password of 72 bytes from longer ones that begin with it, in both directions', () => {
    const [short, long] = ['x'.repeat(72), 'x'.repeat(73)];
    const digestOfShort = hashPassword(short, pepper);
    expect(verifyPassword(short, digestOfShort, pepper)).toBe(true);
    expect(verifyPassword(long, digestOfShort, pepper)).toBe(false);
    expect(verifyPassword(short, hashPassword(long, pepper), pepper)).toBe(false);
  });

  it('distinguishes a password from itself with a NUL and more text appended', () => {
    const digest = hashPassword('horse', pepper);
    expect(verifyPassword('horse\0', digest, pepper)).toBe(false);
    expect(verifyPassword('horse\0horse', digest, pepper)).toBe(false);
    const digestWithNul = hashPassword('horse\0A', pepper);
    expect(digestWithNul).toMatch(/^\$sp1\$/);
    expect(verifyPassword('horse\0A', digestWithNul, pepper)).toBe(true);
    expect(verifyPassword('horse\0B', digestWithNul, pepper)).toBe(false);
    expect(verifyPassword('horse', digestWithNul, pepper)).toBe(false);
  });

  it('needs the pepper for a pre-hashed password, so that an attacker cannot guess it from a stolen table alone', () => {
    const digest = hashPassword('x'.repeat(80), pepper);
    expect(verifyPassword('x'.repeat(80), digest, randomBytes(32))).toBe(false);
  });

  it('verifies digests of other bcrypt libraries, and asks for an upgrade', () => {
    for (const version of ['2a', '2y', '2b'] as const) {
      const digest = hashSync('imported', { cost: 4, version });
      expect(verifyPassword('imported', digest, pepper)).toBe(true);
      expect(verifyPassword('imposter', digest, pepper)).toBe(false);
      expect(findScheme(digest).isCurrent(digest)).toBe(false);
    }
  });

  it('asks for no upgrade of its own digests, except of a pre-hash of lower cost', () => {
    const body = `${'a'.repeat(21)}u${'b'.repeat(31)}`;
    const isCurrent = (digest: string): boolean => findScheme(digest).isCurrent(digest);
    expect([isCurrent(`$2b$12$${body}`), isCurrent(`$2a$12$${body}`)]).toEqual([true, false]);
    expect([isCurrent(`$2b$11$${body}`), isCurrent(`$sp1$$2b$12$${body}`)]).toEqual([false, true]);
    expect(isCurrent(`$sp1$$2b$10$${body}`)).toBe(false);
  });

  it('refuses an unknown, malformed or too costly digest, and the error never repeats it', () => {
    const body = 'a'.repeat(53);
    const refused = ['', 'plain', '$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA', `$2x$12$${body}`, `$2b$12$${body}a`];
    for (const digest of [...refused, '$2b$12$short', '$2b$12$', `$2b$31$${body}`, `$2b$03$${body}`, `$2b$+4$${body}`])
      expect(() => findScheme(digest)).toThrow(UnknownDigestError);
    expect(() => findScheme(`$sp1$${body}`)).toThrow(UnknownDigestError);
    expect(() => findScheme(`$sp2$$2b$12$${body}`)).toThrow(UnknownDigestError);
    expect(() => verifyPassword('any', `$sp1$$sp1$$2b$12$${body}`, pepper)).toThrow(
      /^stored password digest has an unknown scheme$/,
    );
  });
});

const refusal = (reason: string): unknown => expect.objectContaining({ name: 'UnhashablePasswordError', reason });

describe('normalisePassword', () => {
  it('gives NFKC-equal passwords one form', () => {
    expect(normalisePassword('pa\u0308ssw\uff4frd')).toBe('pässword');
    expect(normalisePassword('p\u00e4ssword')).toBe('pässword');
  });

  it('accepts at most 1,024 bytes, counted after NFKC', () => {
    expect(normalisePassword('x'.repeat(1_024))).toHaveLength(1_024);
    expect(normalisePassword('\u{1d4ea}'.repeat(1_024))).toBe('a'.repeat(1_024));
    expect(() => normalisePassword('x'.repeat(1_025))).toThrow(refusal('too_long'));
    expect(() => normalisePassword('ä'.repeat(513))).toThrow(refusal('too_long'));
    expect(() => normalisePassword('\ufdfa'.repeat(40))).toThrow(refusal('too_long'));
    expect(() => normalisePassword('\u{1d4ea}'.repeat(1_025))).toThrow(refusal('too_long'));
  });

  it('refuses an empty password', () => expect(() => normalisePassword('')).toThrow(refusal('empty')));

  it('refuses lone surrogates, which UTF-8 would make equal to each other', () => {
    expect(() => normalisePassword('correct horse \ud800')).toThrow(refusal('ill_formed'));
    expect(() => normalisePassword('\udc00 correct horse')).toThrow(refusal('ill_formed'));
  });

  it('needs at least one byte for two UTF-16 units, so that the early length check refuses no valid password', () => {
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += 1) {
      if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
      const character = String.fromCodePoint(codePoint);
      const bytes = Buffer.byteLength(character.normalize('NFKC'));
      if (character.length > 2 * bytes) expect.fail(`U+${codePoint.toString(16)}`);
    }
  });

  it('does not repeat the password in its error', () =>
    expect(() => normalisePassword(`secret${'x'.repeat(2_000)}`)).toThrow(/^password cannot be hashed \(too_long\)$/));
});
