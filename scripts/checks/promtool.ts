import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const cacheFolder = join(root, 'node_modules/.cache/sallyport/prometheus');
const typed = 'sudo apt-get install prometheus';

const say = (text: string): void => void process.stderr.write(`alerts: ${text}\n`);

/** The first executable of this name on PATH. */
export function onPath(name: string, path = process.env.PATH ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find((candidate) => existsSync(candidate));
}

const run = (command: string, args: readonly string[], cwd = root): boolean =>
  spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] }).status === 0;

/** Debian's package unpacked beside us: nothing is installed and no service is started. */
function unpackDebianPackage(): string | undefined {
  if (!onPath('apt-get') || !onPath('dpkg-deb')) return undefined;
  rmSync(cacheFolder, { recursive: true, force: true });
  mkdirSync(cacheFolder, { recursive: true });
  say(`no promtool on PATH: fetching Debian's package into ${cacheFolder} once`);
  const fetched = (): boolean => run('apt-get', ['download', '-q', 'prometheus'], cacheFolder);
  // A machine that has never installed anything has no package index yet, and only root may fetch one.
  if (!fetched() && !(process.getuid?.() === 0 && run('apt-get', ['update', '-q']) && fetched())) return undefined;
  const [archive] = readdirSync(cacheFolder).filter((file) => file.endsWith('.deb'));
  if (archive === undefined || !run('dpkg-deb', ['-x', archive, '.'], cacheFolder)) return undefined;
  return join(cacheFolder, 'usr/bin/promtool');
}

/** Path of promtool: PATH, else one fetched before, else Debian's package. Throws with the command to run. */
export function ensurePromtool(): string {
  const kept = join(cacheFolder, 'usr/bin/promtool');
  const found = onPath('promtool') ?? (existsSync(kept) ? kept : unpackDebianPackage());
  if (found !== undefined && existsSync(found)) return found;
  throw new Error(`no promtool here, and Debian's package could not be fetched. Run: ${typed}`);
}
