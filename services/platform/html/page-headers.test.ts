import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { codePage, codePageHeaders } from './code-page.ts';
import { pageHeaders } from './page-headers.ts';

const policyOf = (headers: Record<string, string>): string[] => headers['content-security-policy']!.split('; ');
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

test('a page runs and shows nothing unless it is said', () => {
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

test('what is written in it runs by its hash, files of ours by their origin, and nothing by both', () => {
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

test('its forms go where that is said, and its opener keeps a hold only where that is said', () => {
  const headers = pageHeaders({ formAction: "'self'", keepsOpener: true });
  expect(policyOf(headers)).toContain("form-action 'self'");
  expect(headers).not.toHaveProperty('cross-origin-opener-policy');
});

test.each([
  ['verify', '/api/auth/verify-email'],
  ['reset', '/api/auth/reset-password'],
  ['unlock', '/api/auth/unlock'],
  ['invitation', '/api/auth/accept-invitation'],
] as const)(
  'the page of %s sends its code in a body, and its headers let its own script run and no other',
  (page, to) => {
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
  },
);

test('only the page of a locked account lets a user without a code ask for one', () => {
  expect(codePage('unlock')).toContain('/api/auth/request-unlock');
  expect(codePage('reset')).not.toContain('name="email"');
});
