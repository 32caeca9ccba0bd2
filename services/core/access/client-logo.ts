import type { ClientOrigin } from './access.store.ts';
import type { Client } from './access-directory.ts';
import { clientLogoRefused } from './errors.ts';
import { readClientLogoEndpoint } from './logo-contract.ts';

const SIDE_MAX = 512;

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
/** Length, type and checksum of a chunk (PNG Third Edition §5.3). */
const CHUNK_FRAME = 12;

/** Where pages load the logo of a client; null if it has none. */
export const logoPathOf = ({ clientId, has_logo: hasLogo }: Pick<Client, 'clientId' | 'has_logo'>): string | null =>
  hasLogo ? readClientLogoEndpoint.path.replace('{client_id}', () => encodeURIComponent(clientId)) : null;

export const logoBytes = (logo: string): Buffer => Buffer.from(logo.slice(logo.indexOf(',') + 1), 'base64');

/** The types of all chunks in order; null unless whole chunks fill the file. */
function chunkTypes(png: Buffer): string[] | null {
  const types: string[] = [];
  let at = SIGNATURE.length;
  while (at + CHUNK_FRAME <= png.length) {
    types.push(png.toString('latin1', at + 4, at + 8));
    at += CHUNK_FRAME + png.readUInt32BE(at);
  }
  return at === png.length ? types : null;
}

/** Whether it is a PNG and nothing else: text after the image could be read as another type of file. */
function isSmallPng(png: Buffer): boolean {
  if (!png.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return false;
  const types = chunkTypes(png);
  if (types === null || types[0] !== 'IHDR' || types.indexOf('IEND') !== types.length - 1) return false;
  const sides = [png.readUInt32BE(16), png.readUInt32BE(20)];
  return sides.every((side) => side > 0 && side <= SIDE_MAX);
}

/**
 * Throws `client_logo_refused` (400). A client that registered itself gets no logo: it chose its own name, and a logo
 * beside that name would look like a vetted one.
 */
export function assertLogo(logo: string | null | undefined, origin: ClientOrigin): void {
  if (logo === null || logo === undefined) return;
  if (origin !== 'admin')
    throw clientLogoRefused({ detail: 'Only a client that an administrator has registered may have a logo.' });
  if (!isSmallPng(logoBytes(logo)))
    throw clientLogoRefused({ detail: `The logo is not a PNG of at most ${SIDE_MAX} × ${SIDE_MAX} pixels.` });
}
