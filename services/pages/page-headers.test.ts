import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { loginLocked, loginRefused } from '#services/core/identity/contracts/sign-in-errors.ts';
import { defineError } from '#services/platform/define/error.ts';
import { internalError, rateLimited, storeUnavailable } from '#services/platform/errors.ts';
import { pageHeaders } from './page-headers.ts';
import { problemAdvice, problemText, problemTitle, waitText } from './problems.ts';
import { QR_BYTES_MAX, qrImage, qrModules } from './qr-image.ts';
import { problemWords } from './texts/problem-words.ts';
import { ENGLISH, GERMAN } from './texts/texts.ts';

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

test('each problem on a page says what happened and what to do next, in whole sentences without internal terms', () => {
  for (const code of Object.keys(problemWords))
    for (const language of [ENGLISH, GERMAN])
      for (const status of [400, 503]) {
        const text = problemText(defineError({ ...internalError.definition, code, status })(), language);
        expect(text, code).toMatch(/^[A-ZÄÖÜ][^.]+\. ([A-ZÄÖÜ][^.]+\.)( [A-ZÄÖÜ][^.]+\.)?$/);
        expect(text).not.toMatch(/Retry-After|POST |GET |`|operators/);
      }
  expect(problemText(loginRefused())).toBe(
    'E-mail or password is wrong. Check the e-mail address and the password, and try again.',
  );
  // An error that no page should show has words too, and not those of its definition.
  const unheard = defineError({ ...internalError.definition, code: 'unheard_of' });
  expect(problemText(unheard())).toBe('This did not work. Go back and try again.');
  expect(problemTitle(unheard(), GERMAN)).toBe('Das hat nicht geklappt');
});

test('a user who must wait is told how long', () => {
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 900 }))).toMatch(/^Try again in 15 minutes\. You can use /);
  // If waiting does not help, no time is shown.
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 86_400 }))).toMatch(/^You can use a passkey, /);
  expect(problemAdvice(loginLocked({ retryAfterSeconds: 86_399 }))).toMatch(/^Try again in 24 hours\. You can use /);
  expect(problemAdvice(loginLocked())).toContain('ask for an unlock mail');
  expect(problemAdvice(storeUnavailable())).toBe('Try again in 1 second.');
  // The page says itself that it tries again.
  expect(problemAdvice(storeUnavailable(), ENGLISH, true)).toBe('');
  expect([0, 0.2, 1, 89, 90, 121, 7_199, 7_200, 86_400].map((seconds) => waitText(seconds))).toEqual([
    'in 1 second',
    'in 1 second',
    'in 1 second',
    'in 89 seconds',
    'in 2 minutes',
    'in 3 minutes',
    'in 120 minutes',
    'in 2 hours',
    'in 24 hours',
  ]);
});

test('a German browser reads the problem and the time to wait in German', () => {
  expect(problemText(loginRefused(), GERMAN)).toBe(
    'E-Mail oder Passwort ist falsch. Prüfen Sie E-Mail-Adresse und Passwort und versuchen Sie es noch einmal.',
  );
  expect(problemText(rateLimited({ retryAfterSeconds: 600 }), GERMAN)).toBe(
    'Zu viele Anfragen. Versuchen Sie es in 10 Minuten noch einmal.',
  );
});

/** Version, text, and SHA-256 of the modules that python-qrcode 8.2 makes of it (level L, byte mode), shortened, with the mask of the product. */
test.each([
  [1, 'A', 'c70a942b285013ce4027462da7f97dc5'],
  [
    6,
    'otpauth://totp/Sallyport:ada%40example.test?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Sallyport&digits=6&period=30',
    'b2b2ca8beec6e731e9f097435b2cd2d2',
  ],
  [10, 'x'.repeat(231), '08c91d207b2b4ebdc60d67327e3bab65'],
  [10, 'x'.repeat(271), 'db7fc11593ca852a168d907c322ecaef'],
  [20, 'x'.repeat(858), '7df6d43c06bdc861b043fc4ab526bf5e'],
  [8, 'Zoë … 漢字 '.repeat(10), '4d20cd74f197def7c44c45b08f47f4b9'],
] as const)('a code of version %d has the modules that another implementation makes: %s', (version, text, digest) => {
  const rows = qrModules(text)!;
  expect(rows.map(({ length }) => length)).toEqual(Array(4 * version + 17).fill(4 * version + 17));
  const modules = rows.flat().map(Number).join('');
  expect(createHash('sha256').update(modules).digest('hex').slice(0, 32)).toBe(digest);
});

test('the picture has the dark modules of the code, and a light frame of four modules', () => {
  const text = 'otpauth://totp/x?secret=JBSWY3DPEHPK3PXP';
  const rows = qrModules(text)!;
  const svg = qrImage(text, 'the <key>')?.text ?? '';
  const drawn = rows.map((row) => row.map(() => false));
  for (const [, x, y, length] of svg.matchAll(/M(\d+) (\d+)h(\d+)/g))
    for (let at = 0; at < Number(length); at += 1) drawn[Number(y)]![Number(x) + at] = true;
  expect(drawn).toEqual(rows);
  expect(svg).toContain(`viewBox="-4 -4.5 ${rows.length + 8} ${rows.length + 8}"`);
  expect(svg).toContain('role="img" aria-label="the &lt;key&gt;"');
});

test('a text that is too long for a code gets no picture', () => {
  expect(qrImage('x'.repeat(QR_BYTES_MAX), '')).not.toBeNull();
  expect(qrImage('x'.repeat(QR_BYTES_MAX + 1), '')).toBeNull();
  expect(qrImage('ä'.repeat(QR_BYTES_MAX / 2 + 1), '')).toBeNull();
});
