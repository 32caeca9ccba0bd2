import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
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

test('inline scripts and styles are allowed by hash, our script files by origin, and images by address', () => {
  expect(policyOf(pageHeaders({ styles: ['a{}'], scripts: ['go()', 'stop()'], connects: true }))).toEqual(
    expect.arrayContaining([
      `style-src ${hashOf('a{}')}`,
      `script-src ${hashOf('go()')} ${hashOf('stop()')}`,
      "connect-src 'self'",
    ]),
  );
  expect(policyOf(pageHeaders({ loadsOwnScripts: true }))).toContain("script-src 'self'");
  expect(policyOf(pageHeaders({ loadsOwnScripts: true, scripts: ['go()'] }))).toContain(
    `script-src 'self' ${hashOf('go()')}`,
  );
  expect(policyOf(pageHeaders({ images: ['https://a.test/logo.svg'] }))).toContain('img-src https://a.test/logo.svg');
  expect(policyOf(pageHeaders({ scripts: [] }))).toContain("script-src 'none'");
});

test('forms may be sent only to declared targets, and an opener keeps its window reference only if declared', () => {
  const headers = pageHeaders({ formAction: "'self'", keepsOpener: true });
  expect(policyOf(headers)).toContain("form-action 'self'");
  expect(headers).not.toHaveProperty('cross-origin-opener-policy');
});
