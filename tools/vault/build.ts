import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { goProgram } from '../checks/debian-package.ts';

const SOURCES = join(import.meta.dirname, 'server');
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/sallyport');

/** Where the server that these sources make is kept. */
function folderOfBuild(): string {
  const hash = createHash('sha256');
  for (const file of globSync('**/*', { cwd: SOURCES }).sort())
    if (/\.(go|mod)$/.test(file)) hash.update(readFileSync(join(SOURCES, file)));
  return join(CACHE, `vault-${hash.digest('hex').slice(0, 16)}`);
}

/** Path of the server; undefined before `npm run vault:test` has built it. */
export function builtVaultServer(): string | undefined {
  const path = join(folderOfBuild(), 'vault-server');
  return existsSync(path) ? path : undefined;
}

/** Builds the server unless it is there. Go verifies the modules by its checksum database. @throws an error with its fix */
export function buildVaultServer(say: (text: string) => void): string {
  const built = builtVaultServer();
  if (built !== undefined) return built;
  const go = goProgram();
  if (go === undefined)
    throw new Error('no Go here to build Vault with. Install Go 1.25.3 or newer: https://go.dev/dl');
  const folder = folderOfBuild();
  say(`building Vault's core into ${folder}, which takes minutes the first time`);
  for (const older of globSync('vault-*', { cwd: CACHE })) rmSync(join(CACHE, older), { recursive: true });
  mkdirSync(folder, { recursive: true });
  // Go writes the chosen modules and their sums beside go.mod, so it gets a copy.
  const sources = join(folder, 'sources');
  cpSync(SOURCES, sources, { recursive: true });
  const { status } = spawnSync(go, ['build', '-ldflags', '-s -w', '-o', join(folder, 'unfinished'), '.'], {
    cwd: sources,
    env: { ...process.env, GOFLAGS: '-mod=mod -buildvcs=false', CGO_ENABLED: '0' },
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('Vault could not be built: Go must reach its module proxy (GOPROXY) once');
  const path = join(folder, 'vault-server');
  renameSync(join(folder, 'unfinished'), path);
  return path;
}
