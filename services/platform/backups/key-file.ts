import { readFileSync } from 'node:fs';

export const KEY_BYTES = 32;

/** The key in a file: 32 bytes, as they are or in hex or base64; undefined if it holds none. @throws what reading throws */
export function keyInFile(path: string): Buffer | undefined {
  const bytes = readFileSync(path);
  const text = bytes.toString('latin1').trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return Buffer.from(text, 'base64');
  return bytes.length === KEY_BYTES ? bytes : undefined;
}
