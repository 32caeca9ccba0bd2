import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { codePage, codePageHeaders } from './code-page.ts';
import { pageHeaders } from './page-headers.ts';

const policyOf = (headers: Record<string, string>): string[] => headers['content-security-policy']!.split('; ');
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

test('a page may load nothing by default', () => {
  const headers = pageHeaders({});
  expect(policyOf(headers)).toEqual([
    "default-src 'none'",
    "style-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]);
  expect(headers['cross-origin-opener-policy']).toBe('same-origin');
});

test('inline scripts and styles are allowed by hash, and our files by origin, never both', () => {
  expect(policyOf(pageHeaders({ styles: ['a{}'], scripts: ['go()', 'stop()'], connects: true }))).toEqual(
    expect.arrayContaining([
      `style-src ${hashOf('a{}')}`,
      `script-src ${hashOf('go()')} ${hashOf('stop()')}`,
      "connect-src 'self'",
    ]),
  );
  expect(policyOf(pageHeaders({ scripts: 'own' }))).toContain("script-src 'self'");
  expect(policyOf(pageHeaders({ scripts: [] }))).toContain("script-src 'none'");
});

test('forms may be sent only to declared targets, and an opener keeps its window reference only if declared', () => {
  const headers = pageHeaders({ formAction: "'self'", keepsOpener: true });
  expect(policyOf(headers)).toContain("form-action 'self'");
  expect(headers).not.toHaveProperty('cross-origin-opener-policy');
});

test.each([
  ['verify', '/api/auth/verify-email'],
  ['reset', '/api/auth/reset-password'],
  ['unlock', '/api/auth/unlock'],
  ['invitation', '/api/auth/accept-invitation'],
] as const)('the page of %s sends its code in a body, and its headers allow only its own script', (page, to) => {
  const html = codePage(page);
  expect(html).toContain(`data-to="${to}"`);
  const scripts = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map(([, text]) => text!);
  const styles = [...html.matchAll(/<style>(.*?)<\/style>/gs)].map(([, text]) => text!);
  expect(policyOf(codePageHeaders())).toEqual(
    expect.arrayContaining([
      `script-src ${scripts.map(hashOf).join(' ')}`,
      `style-src ${styles.map(hashOf).join(' ')}`,
    ]),
  );
  expect(codePageHeaders()['referrer-policy']).toBe('no-referrer');
  expect(html).not.toMatch(/ on\w+=|href=|src=/);
});

test('only the page of a locked account offers a new mail to a user without a code', () => {
  expect(codePage('unlock')).toContain('/api/auth/request-unlock');
  expect(codePage('reset')).not.toContain('name="email"');
});
