import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { QR_BYTES_MAX, qrImage, qrModules } from './qr-image.ts';

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
