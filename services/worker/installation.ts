import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkerPorts } from '#jobs/processors.ts';
import { redactLine } from '#observability/log-redaction.ts';
import type { Purge } from '../core/shared/purge.ts';
import { tokenNamesOf } from '../core/tokens/token-types.ts';
import { type Config, mcpUrlsOf, publicUrlOf } from '../platform/config/load.ts';

type Installation = WorkerPorts['installation'];

type Backup = { readonly name: string; readonly writtenAtMs: number; readonly bytes: number };

/** The newest file directly in a folder; null if it has none. Rejects if the folder cannot be read. */
async function newestFile(folder: string): Promise<Backup | null> {
  let newest: Backup | null = null;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { mtimeMs, size } = await stat(join(folder, entry.name));
    if (newest === null || mtimeMs > newest.writtenAtMs)
      newest = { name: entry.name, writtenAtMs: mtimeMs, bytes: size };
  }
  return newest;
}

const LOCAL_HOSTS = new Set(['', 'localhost', '127.0.0.1', '[::1]', '::1']);
const TLS_MODES = new Set(['require', 'verify-ca', 'verify-full']);

/** How a URL of PostgreSQL or Redis reaches its store. A path is a socket on this machine. */
export function storeLinkOf(url: string): Installation['database'] {
  if (url.startsWith('/')) return { isLocal: true, asksForTls: false };
  const { protocol, hostname, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? hostname;
  return {
    isLocal: LOCAL_HOSTS.has(host) || host.startsWith('/'),
    asksForTls: protocol === 'rediss:' || TLS_MODES.has(searchParams.get('sslmode') ?? ''),
  };
}

/** Addresses of the installation itself, which are no personal data wherever they appear. */
export function ownAddressesOf(config: Config): readonly string[] {
  const publicUrl = publicUrlOf(config);
  const { issuer, audience } = tokenNamesOf(config.tokens, publicUrl);
  return [publicUrl, issuer, audience, ...mcpUrlsOf(config, publicUrl), ...config.clients.audiences];
}

/** What the compliance checks know of this installation besides its stores. */
export const installationOf = ({
  databaseUrl,
  redisUrl,
  backupFolder,
  ownAddresses,
  purges,
}: {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly backupFolder: string | undefined;
  readonly ownAddresses: readonly string[];
  readonly purges: readonly Purge[];
}): Installation => ({
  database: storeLinkOf(databaseUrl),
  redis: storeLinkOf(redisUrl),
  newestBackup: async () => (backupFolder === undefined ? undefined : newestFile(backupFolder)),
  redactLine,
  ownAddresses,
  purges,
});
