import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StartError } from './errors.ts';

/** A program that comes with the system, not with npm. */
export type SystemProgram = {
  /** Names of its executable, the best first. */
  readonly names: readonly string[];
  /** Where it may lie beside PATH and the usual folders. */
  readonly folders?: readonly string[];
  /** Packages that bring it, by package manager; each list is tried in turn. */
  readonly packages: Readonly<Record<PackageManager, readonly string[]>>;
  /** Why we install it, as a clause: "jobs need a Redis". */
  readonly why: string;
  readonly errorCode: string;
  /** What else the reader may do, as in "or set REDIS_URL". */
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
        // Next one.
      }
    }
  }
  return undefined;
}

const searchPath = (folders: readonly string[] = []): string =>
  [process.env.PATH ?? '', ...usualFolders, ...folders].join(delimiter);

/** Its path, or undefined. @param path folders to look into, as in PATH */
export const findProgram = (
  { names, folders }: SystemProgram,
  path: string = searchPath(folders),
): string | undefined => findExecutable(names, path);

/** The package manager found on `path`, and the command that would install the program, as a person would type it. */
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

type Where = {
  /** Folders to look into, as in PATH. */
  readonly path: string;
  /** Whether we may install. */
  readonly isRoot: boolean;
};

/**
 * The path of a program: from PATH, else installed by the system's package manager when we are root.
 * @param where this system and ourselves, unless given
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
    say(`installing ${name} on this machine, as root: ${program.why}, and PATH has none`);
    say(`running "${typed}"; to prevent this, stop here, ${program.orElse.replace(/^or /, '')}, and start again …`);
    if (prepare) await runToStderr(command, prepare);
    for (const each of program.packages[manager]) {
      if (await runToStderr(command, [...install, ...each.split(' ')])) break;
    }
    const installed = findProgram(program, where.path);
    if (installed) return installed;
  }
  throw new StartError(
    program.errorCode,
    `no ${program.names.join(' or ')} on PATH`,
    `run "${installer?.typed ?? `the command that installs ${name} on this system`}", ${program.orElse}`,
  );
}
