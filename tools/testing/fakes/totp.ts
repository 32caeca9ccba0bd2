import { createHmac } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function fromBase32(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of text) {
    held = (held << 5) | ALPHABET.indexOf(character);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}

/** A secret as an enrolment would answer it (RFC 4648 §6, without padding). */
export function uriOf(secret: string): string {
  const bits = [...Buffer.from(secret)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const text = (bits.match(/.{1,5}/g) ?? []).map((five) => ALPHABET[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
  return `otpauth://totp/test?secret=${text}&period=30&digits=6`;
}

/**
 * An authenticator app, from the RFCs (6238, 4226 §5.3) and no library: the code of the step that lies `steps` from now.
 * @param uri as an enrolment answers it (`otpauth://totp/…`)
 */
export function codeOf(uri: string, steps = 0, nowMs = Date.now()): string {
  const url = new URL(uri);
  if (url.protocol !== 'otpauth:' || url.searchParams.get('period') !== '30' || url.searchParams.get('digits') !== '6')
    throw new Error('no TOTP of thirty seconds and six digits');
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(nowMs / 30_000) + steps));
  const mac = createHmac('sha1', fromBase32(url.searchParams.get('secret') ?? ''))
    .update(counter)
    .digest();
  const offset = (mac.at(-1) ?? 0) & 0xf;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}
