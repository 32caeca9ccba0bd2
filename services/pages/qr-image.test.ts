import { expect, test } from 'vitest';
import { QR_BYTES_MAX, qrCode } from '#services/pages/qr-code.ts';
import { qrImage } from './qr-image.ts';

test('the picture has the dark modules of the code, and a light frame of four modules', () => {
  const text = 'otpauth://totp/x?secret=JBSWY3DPEHPK3PXP';
  const rows = qrCode(text)!;
  const svg = qrImage(text, 'the <key>')?.text ?? '';
  const drawn = rows.map((row) => row.map(() => false));
  for (const [, x, y, length] of svg.matchAll(/M(\d+) (\d+)h(\d+)/g))
    for (let at = 0; at < Number(length); at += 1) drawn[Number(y)]![Number(x) + at] = true;
  expect(drawn).toEqual(rows);
  expect(svg).toContain(`viewBox="-4 -4.5 ${rows.length + 8} ${rows.length + 8}"`);
  expect(svg).toContain('role="img" aria-label="the &lt;key&gt;"');
});

test('a text that is too long for a code gets no picture', () => {
  expect(qrImage('x'.repeat(QR_BYTES_MAX + 1), '')).toBeNull();
});
