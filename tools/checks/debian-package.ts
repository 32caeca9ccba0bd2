import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { MissingTool } from './missing-tool.ts';

const root = resolve(import.meta.dirname, '../..');
const cacheFolder = join(root, 'node_modules/.cache/sallyport');

/** The first file of this name on PATH. */
export const onPath = (name: string, path = process.env.PATH ?? ''): string | undefined =>
  path
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find((candidate) => existsSync(candidate));

/** Go, also where its own installer puts it. */
export const goProgram = (): string | undefined => onPath('go') ?? onPath('go', '/usr/local/go/bin');

const run = (command: string, args: readonly string[], cwd: string): boolean =>
  spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] }).status === 0;

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };
/** Name of Debian's folders of libraries for this machine. */
export const triplet = ARCHITECTURES[process.arch] ?? `${process.arch}-linux-gnu`;

type DebianProgram = {
  package: string;
  name: string;
  /** Path of the program in the package. */
  path: string;
  /** Shared libraries that it needs, and that a small Debian lacks: file names by package. */
  libraries?: Readonly<Record<string, string>>;
};

/**
 * Makes a folder that is complete or absent. If several processes make it at the same time, the first to finish keeps it.
 * @returns the folder
 */
export function madeOnce(folder: string, make: (unfinished: string) => void): string {
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const unfinished = mkdtempSync(`${folder}.`);
  try {
    chmodSync(unfinished, 0o755);
    make(unfinished);
    renameSync(unfinished, folder);
  } catch (err) {
    if (!existsSync(folder)) throw err;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

const cannotBeFetched = (program: DebianProgram): MissingTool =>
  new MissingTool(
    `no ${program.name} here, and Debian's package could not be fetched. Run: sudo apt-get install ${program.package}`,
  );

/** Unpacks the package into our own folder: nothing is installed and no service is started. */
const unpack = (program: DebianProgram): string =>
  madeOnce(join(cacheFolder, program.package), (folder) => {
    if (!onPath('apt-get') || !onPath('dpkg-deb')) throw cannotBeFetched(program);
    process.stderr.write(`no ${program.name} on PATH: fetching Debian's package into ${folder} once\n`);
    const fetched = (): boolean => run('apt-get', ['download', '-q', program.package], folder);
    // A machine that has never installed anything has no package index yet, and only root may fetch one.
    if (!fetched() && !(process.getuid?.() === 0 && run('apt-get', ['update', '-q'], folder) && fetched()))
      throw cannotBeFetched(program);
    const [archive] = readdirSync(folder).filter((file) => file.endsWith('.deb'));
    if (archive === undefined || !run('dpkg-deb', ['-x', archive, '.'], folder)) throw cannotBeFetched(program);
  });

/** Path of a program: from PATH, else unpacked earlier, else from Debian's package. @throws MissingTool with the command to run */
export function ensureProgram(program: DebianProgram): string {
  const found = onPath(program.name) ?? join(unpack(program), program.path);
  if (existsSync(found)) return found;
  throw cannotBeFetched(program);
}

/**
 * The libraries of a program, for its environment: those of the machine, else of Debian's packages.
 * @returns nothing if the machine has them all
 */
export function librariesOf({ libraries = {} }: DebianProgram): { LD_LIBRARY_PATH?: string } {
  const folders = Object.entries(libraries)
    .filter(([, name]) => ![`/usr/lib/${triplet}`, '/usr/lib64'].some((folder) => existsSync(join(folder, name))))
    .map(([from, name]) => dirname(ensureProgram({ package: from, name, path: `usr/lib/${triplet}/${name}` })));
  return folders.length === 0 ? {} : { LD_LIBRARY_PATH: folders.join(delimiter) };
}
