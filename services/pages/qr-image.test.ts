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
  [2, 'x'.repeat(18), '32f640bdd5524646d4c6e6389dce00c6'],
  [3, 'x'.repeat(53), '1e81d2b21a86eed550fd87841e334b38'],
  [4, 'x'.repeat(78), 'c39873ccd15e998574e13cae43f0a37a'],
  [5, 'x'.repeat(106), '0bb91879dc71812dfcfa5ca3df4355cd'],
  [7, 'x'.repeat(154), 'cbb61d710b0fa22ed5525ba69140e264'],
  [9, 'x'.repeat(230), 'c27cc0ff6ff3c0382f94c6c3969cdd8f'],
  [10, 'x'.repeat(231), '08c91d207b2b4ebdc60d67327e3bab65'],
  [10, 'x'.repeat(271), 'db7fc11593ca852a168d907c322ecaef'],
  [11, 'x'.repeat(321), 'a8794283290cf855fc2e9e77ede58bcc'],
  [12, 'x'.repeat(367), '468b282a49bc82a60712b6131480a2a9'],
  [13, 'x'.repeat(425), '926fd6d0d4efd72560a6c5794eec8e8b'],
  [14, 'x'.repeat(458), 'e5af220e31afcf4ace082d42e98e0c06'],
  [15, 'x'.repeat(520), '63725e263142d7588759b072697eda44'],
  [16, 'x'.repeat(586), '7b6f5c8009a4493ea7429895456c2dfd'],
  [17, 'x'.repeat(644), '4c570658524acb9c66595b46ec00bed4'],
  [18, 'x'.repeat(718), '89d9f8be2461f7674c684cc9c3476001'],
  [19, 'x'.repeat(792), '9d677effdd492ceb4532ea9224ddf881'],
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
