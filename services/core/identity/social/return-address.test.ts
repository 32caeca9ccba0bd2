import { expect, test } from 'vitest';
import { returnAddress } from './return-address.ts';

const OWN = 'https://own.test';
const browser = { trustedOrigins: new Set([OWN, 'https://listed.test']) };

test('accepts a path of ours or an address on a listed origin, and does not change it', () => {
  for (const good of ['/', '/welcome', '/a?next=//evil.test', '/a/../b#c', '/@evil.test'])
    expect(returnAddress(browser, OWN, good)).toBe(good);
  expect(returnAddress(browser, OWN, 'https://listed.test/a?b=c')).toBe('https://listed.test/a?b=c');
});

test.each([
  '',
  '//evil.test',
  '///evil.test',
  '/\\evil.test',
  '\\\\evil.test',
  '/\t/evil.test',
  '/\n/evil.test',
  ' /welcome',
  'welcome',
  'https://evil.test',
  'https://listed.test.evil.test/',
  'https://listed.test@evil.test/',
  'https://user:pass@listed.test/',
  'http://listed.test/',
  'https://listed.test:8443/',
  'javascript:alert(1)',
  'data:text/html,x',
  'null',
])(
  'rejects the open redirect %j (CVE-2025-27143, Better Auth: a return address without a scheme led to another site)',
  (asked) => expect(() => returnAddress(browser, OWN, asked)).toThrow('callback_refused'),
);
