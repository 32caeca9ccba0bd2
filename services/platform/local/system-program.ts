import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StartError } from './errors.ts';

/** A program that the system's package manager installs, not npm. */
export type SystemProgram = {
  /** Names of its executable, in order of preference. */
  readonly names: readonly string[];
  /** Paths to check besides PATH and the usual folders. */
  readonly folders?: readonly string[];
  /** Packages that contain it, by package manager; tried in order. */
  readonly packages: Readonly<Record<PackageManager, readonly string[]>>;
  /** Why we install it, as a clause: "jobs and rate limits need a Redis". */
  readonly why: string;
  readonly errorCode: string;
  /** The alternative, as in "or set REDIS_URL". */
  readonly orElse: string;
};

const MANAGERS = {
  'apt-get': { prepare: ['update', '-q'], install: ['install', '-y', '-q', '--no-install-recommends'] },
  dnf: { prepare: undefined, install: ['install', '-y'] },
  apk: { prepare: undefined, install: ['add', '--no-cache'] },
  brew: { prepare: undefined, install: ['install'] },
} as const;

type PackageManager = keyof typeof MANAGERS;

const usualFolders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin'];

/** The first of `names` that is an executable file in a folder of `path`. */
function findExecutable(names: readonly string[], path: string): string | undefined {
  for (const folder of path.split(delimiter).filter(Boolean)) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not there, or not executable: try the next one.
      }
    }
  }
  return undefined;
}

const searchPath = (folders: readonly string[] = []): string =>
  [process.env.PATH ?? '', ...usualFolders, ...folders].join(delimiter);

/** Path of the program, or undefined. @param path folders to search, as in PATH */
export const findProgram = (
  { names, folders }: SystemProgram,
  path: string = searchPath(folders),
): string | undefined => findExecutable(names, path);

/** The package manager on `path`, and the command that installs the program as an operator would type it. */
export function installerOf(
  { packages }: SystemProgram,
  path: string = searchPath(),
): { readonly manager: PackageManager; readonly command: string; readonly typed: string } | undefined {
  const manager = (Object.keys(MANAGERS) as PackageManager[]).find((name) => findExecutable([name], path));
  const command = manager && findExecutable([manager], path);
  if (!manager || !command) return undefined;
  const words = [manager, ...MANAGERS[manager].install, packages[manager][0]];
  return { manager, command, typed: `${manager === 'brew' ? '' : 'sudo '}${words.join(' ')}` };
}

const runToStderr = (command: string, args: readonly string[]): Promise<boolean> =>
  new Promise((done) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    child.once('error', () => done(false));
    child.once('exit', (code) => done(code === 0));
  });

type Where = {
  /** Folders to search, as in PATH. */
  readonly path: string;
  readonly isRoot: boolean;
};

/**
 * Path of a program: from PATH, else installed by the system's package manager if we are root.
 * @param where this system and our own user by default
 *
 * @throws StartError with the exact command to run
 */
export async function ensureProgram(
  program: SystemProgram,
  say: (text: string) => void,
  where: Where = { path: searchPath(program.folders), isRoot: process.getuid?.() === 0 },
): Promise<string> {
  const [name] = program.names;
  const found = findProgram(program, where.path);
  if (found) return found;
  const installer = installerOf(program, where.path);
  if (installer && where.isRoot && installer.manager !== 'brew') {
    const { manager, command } = installer;
    const { prepare, install } = MANAGERS[manager];
    const typed = installer.typed.replace(/^sudo /, '');
    say(`installing ${name} on this machine, as root: ${program.why}, and none is on PATH`);
    say(`running "${typed}"; to prevent this, stop here, ${program.orElse.replace(/^or /, '')}, and start again …`);
    if (prepare) await runToStderr(command, prepare);
    for (const each of program.packages[manager])
      if (await runToStderr(command, [...install, ...each.split(' ')])) break;
    const installed = findProgram(program, where.path);
    if (installed) return installed;
  }
  throw new StartError(
    program.errorCode,
    `no ${program.names.join(' or ')} on PATH`,
    `run "${installer?.typed ?? `the command that installs ${name} on this system`}", ${program.orElse}`,
  );
}
