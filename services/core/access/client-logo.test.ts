import { expect, test } from 'vitest';
import { blackPng, logoOf, pngChunk, pngFile, pngHeader } from '#tools/testing/fakes/png.ts';
import { assertLogo, logoBytes, logoPathOf } from './client-logo.ts';
import { LOGO, LOGO_LENGTH_MAX } from './client-record.ts';

const refused = expect.objectContaining({ code: 'client_logo_refused' });
const end = pngChunk('IEND');

test('a small PNG is a logo of a client that an administrator has registered', () => {
  const png = blackPng(512);
  expect(() => assertLogo(logoOf(png), 'admin')).not.toThrow();
  expect(logoBytes(logoOf(png)).equals(png)).toBe(true);
  for (const none of [null, undefined]) expect(() => assertLogo(none, 'registration')).not.toThrow();
});

test.each(['registration', 'document'] as const)(
  'a client from %s gets no logo beside the name that it chose',
  (origin) => expect(() => assertLogo(logoOf(blackPng(8)), origin)).toThrow(refused),
);

test.each([
  ['no PNG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')],
  ['nothing', Buffer.alloc(0)],
  ['a signature alone', pngFile()],
  ['too wide', pngFile(pngHeader(513, 8), end)],
  ['too high', pngFile(pngHeader(8, 4_294_967_295), end)],
  ['without width', pngFile(pngHeader(0, 8), end)],
  ['without header', pngFile(pngChunk('IDAT'), end)],
  ['cut off', blackPng(8).subarray(0, -1)],
  ['without end', pngFile(pngHeader(8, 8))],
  ['followed by a page', Buffer.concat([blackPng(8), Buffer.from('<script>alert(1)</script>')])],
  ['followed by another chunk', Buffer.concat([blackPng(8), pngChunk('tEXt', Buffer.from('<script>'))])],
])('an image that is %s is refused (CVE-2024-11623, authentik: a picture was a page with a script)', (_what, png) => {
  expect(() => assertLogo(logoOf(png), 'admin')).toThrow(refused);
});

test.each([
  'https://app.test/logo.png',
  'data:image/svg+xml;base64,AAAA',
  'data:image/png,AAAA',
  'data:image/png;base64,AA"><script>',
  'data:image/png;base64,',
])('the address %s is not a logo: no page loads an image of another site', (text) => {
  expect(LOGO.test(text)).toBe(false);
});

test('24 KB of image fit', () => expect(logoOf(Buffer.alloc(24_000)).length).toBeLessThan(LOGO_LENGTH_MAX));

test('pages load a logo from our origin, whatever the id of the client', () => {
  expect(logoPathOf({ clientId: 'a/b?"<', has_logo: true })).toBe('/oauth2/clients/a%2Fb%3F%22%3C/logo');
  expect(logoPathOf({ clientId: '$&', has_logo: true })).toBe('/oauth2/clients/%24%26/logo');
  expect(logoPathOf({ clientId: 'a', has_logo: false })).toBeNull();
});
