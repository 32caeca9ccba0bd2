import { describe, expect, it } from 'vitest';
import { normalisePassword } from './schemes.ts';

function refusal(reason: string): unknown {
  return expect.objectContaining({ name: 'UnhashablePasswordError', reason });
}

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

  it('refuses an empty password', () => {
    expect(() => normalisePassword('')).toThrow(refusal('empty'));
  });

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

  it('does not repeat the password in its error', () => {
    expect(() => normalisePassword(`secret${'x'.repeat(2_000)}`)).toThrow(/^password cannot be hashed \(too_long\)$/);
  });
});
