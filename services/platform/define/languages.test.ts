import { expect, test } from 'vitest';
import { preferredLanguage } from './languages.ts';

test.each([
  [undefined, 'en'],
  ['', 'en'],
  ['*', 'en'],
  ['de', 'de'],
  ['de-AT,de;q=0.9,en;q=0.8', 'de'],
  ['DE', 'de'],
  ['en-US,de;q=0.9', 'en'],
  ['fr, de;q=0.5, en;q=0.7', 'en'],
  ['de;q=0', 'en'],
  ['de;q=2', 'en'],
  ['fr', 'en'],
  [`de${' '.repeat(600)}`, 'en'],
])('a client that accepts %j prefers %s', (header, tag) => expect(preferredLanguage(header)).toBe(tag));
