import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientCredentials } from '../lib/workloads.ts';
import { cacheFolder, database, isCached, type PeerKind, prepare } from './peer.ts';

const VERSION = '1.7.5';
const NAME = `better-auth-${VERSION}`;
/** The newest version of the plugin, and what it was published with. */
const packages = [
  ...['better-auth', '@better-auth/core', '@better-auth/oauth-provider'].map((name) => `${name}@${VERSION}`),
  '@better-auth/utils@0.4.2',
  'pg@8.23.1',
];

/** The plugin is no part of this product: its packages lie beside it. */
async function install(): Promise<string> {
  const folder = join(cacheFolder, NAME);
  if (isCached(`${NAME}/node_modules/@better-auth/oauth-provider`)) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts'];
  await prepare('npm did not bring Better Auth', ['npm', 'install', ...flags, ...packages], { cwd: folder });
  return folder;
}

export const betterAuthPeer: PeerKind = {
  name: 'Better Auth',
  settings: `${VERSION} with @better-auth/oauth-provider ${VERSION}: opaque access tokens, unsigned, hashed (SHA-256) in PostgreSQL (pg 8.23.1, 10 connections), rate limit off, log level error, NODE_ENV=production, one process`,
  async start(context) {
    const folder = await install();
    const { url, pid: databasePid } = await database(context);
    const worker = context.baseline('better-auth.ts', { NODE_ENV: 'production' });
    const { api, client } = await worker.ask<{ api: string; client: ClientCredentials }>({ folder, url });
    const { pid } = worker;
    return { api, path: '/api/auth/oauth2/token', client, pid, productPids: [pid, databasePid], databaseUrl: url };
  },
};
