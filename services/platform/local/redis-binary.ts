import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StartError } from './errors.ts';

const serverNames = ['redis-server', 'valkey-server'];
const usualFolders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin'];

interface PackageManager {
  command: string;
  /** Each is run in turn until the first that succeeds; `undefined` prepares (index update) and may fail. */
  prepare?: readonly string[];
  installs: readonly (readonly string[])[];
}

const packageManagers: readonly PackageManager[] = [
  {
    command: 'apt-get',
    prepare: ['update', '-q'],
    installs: [['install', '-y', '-q', '--no-install-recommends', 'redis-server']],
  },
  {
    command: 'dnf',
    installs: [
      ['install', '-y', 'redis'],
      ['install', '-y', 'valkey'],
    ],
  },
  {
    command: 'apk',
    installs: [
      ['add', '--no-cache', 'redis'],
      ['add', '--no-cache', 'valkey'],
    ],
  },
  {
    command: 'brew',
    installs: [
      ['install', 'valkey'],
      ['install', 'redis'],
    ],
  },
];

/** The first of `names` that is an executable file in a folder of `path`. */
function findExecutable(names: readonly string[], path: string): string | undefined {
  for (const folder of path.split(delimiter).filter(Boolean)) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Next one.
      }
    }
  }
  return undefined;
}

const searchPath = (): string => [process.env.PATH ?? '', ...usualFolders].join(delimiter);

export function findRedisBinary(path: string = searchPath()): string | undefined {
  return findExecutable(serverNames, path);
}

/** The package manager found on `path`, and the command that would install Redis with it, as a person would type it. */
export function redisInstaller(path: string = searchPath()): { manager: PackageManager; typed: string } | undefined {
  const manager = packageManagers.find((candidate) => findExecutable([candidate.command], path));
  if (!manager) return undefined;
  const sudo = manager.command === 'brew' ? '' : 'sudo ';
  return { manager, typed: `${sudo}${manager.command} ${manager.installs[0]?.join(' ')}` };
}

function runToStderr(command: string, args: readonly string[]): Promise<boolean> {
  return new Promise((done) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    child.once('error', () => done(false));
    child.once('exit', (code) => done(code === 0));
  });
}

/**
 * The path of a Redis or Valkey server: from PATH, else installed by the system's package manager when we are root.
 *
 * @throws StartError `no_redis` with the exact command to run
 */
export async function ensureRedisBinary(say: (text: string) => void): Promise<string> {
  const found = findRedisBinary();
  if (found) return found;
  const installer = redisInstaller();
  if (installer && process.getuid?.() === 0 && installer.manager.command !== 'brew') {
    const { command, prepare, installs } = installer.manager;
    say(`no redis-server on PATH: installing one with ${command} (waiting for its package index and download) …`);
    if (prepare) await runToStderr(command, prepare);
    for (const args of installs) {
      if (await runToStderr(command, args)) break;
    }
    const installed = findRedisBinary();
    if (installed) return installed;
  }
  throw new StartError(
    'no_redis',
    'no redis-server or valkey-server on PATH',
    `run "${installer?.typed ?? 'the command that installs redis-server on this system'}", or set REDIS_URL`,
  );
}
