import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createSecretFile } from './data-dir.ts';

/**
 * Addresses to listen on for a HOST, the required one first: `localhost` is every loopback address of the machine.
 * A browser may try either of them, and another program must not have the port of the other.
 */
export const loopbackOf = (host: string): readonly [string, ...string[]] =>
  host === 'localhost' ? ['127.0.0.1', '::1'] : [host];

/** Where a data directory keeps the name of this machine in its URLs. */
export const loopbackFileOf = (dataDir: string): string => join(dataDir, 'loopback-name');

/** Files that a first start has written by the time that it issues tokens. */
const MARKS_OF_USE = ['dev-credentials.json', 'marks.json'];

/**
 * The name of this machine in the URLs of an installation, chosen once for a data directory: `localhost`, where passkeys
 * work. Where an earlier version has issued tokens it is 127.0.0.1, which is in their issuer.
 */
export function loopbackNameOf(dataDir: string): string {
  const isUsed = MARKS_OF_USE.some((file) => existsSync(join(dataDir, file)));
  return createSecretFile(loopbackFileOf(dataDir), isUsed ? '127.0.0.1' : 'localhost');
}
