import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { formPage, formPageHeaders } from './form-page.ts';
import { mailLinkPage } from './mail-link-pages.ts';

test.each([
  ['verify', '/api/auth/verify-email'],
  ['reset', '/api/auth/reset-password'],
  ['unlock', '/api/auth/unlock'],
  ['invitation', '/api/auth/accept-invitation'],
] as const)('the page of %s sends its code in a body, and its headers allow only its own script', (name, to) => {
  const text = formPage(mailLinkPage(name));
  expect(text).toContain(`data-to="${to}"`);
  const headers = formPageHeaders(mailLinkPage(name));
  const policy = headers['content-security-policy']!.split('; ');
  for (const [element, directive] of [
    ['script', 'script-src'],
    ['style', 'style-src'],
  ] as const) {
    const [, inside] = new RegExp(`<${element}>(.*?)</${element}>`, 's').exec(text) ?? [];
    expect(policy).toContain(`${directive} 'sha256-${createHash('sha256').update(inside!).digest('base64')}'`);
  }
  expect(headers['referrer-policy']).toBe('no-referrer');
  expect(text).not.toMatch(/ on\w+=|src=/);
});

test('only the page of a locked account offers a new mail to a user without a code', () => {
  expect(formPage(mailLinkPage('unlock'))).toContain('/api/auth/request-unlock');
  expect(formPage(mailLinkPage('reset'))).not.toContain('name="email"');
});
