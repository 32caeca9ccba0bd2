// A Node of the machine is used in place of the packaged one if it is a later release of the same major: it has every
// fix of the packaged one, and the npm package `node` appears weeks after a security release, or never.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** @param {string} version of Node: `v24.22.1` or `24.22.1` */
const numbersOf = (version) => version.replace(/^v/, '').split('.').map(Number);

/**
 * Whether the machine's Node takes the place of the packaged one.
 * @param {string} system  @param {string} packaged
 */
export function isLaterRelease(system, packaged) {
  const [left, right] = [numbersOf(system), numbersOf(packaged)];
  if (left.length !== 3 || left[0] !== right[0]) return false;
  const at = left.findIndex((number, place) => number !== right[place]);
  return at !== -1 && /** @type {number} */ (left[at]) > (right[at] ?? 0);
}

/**
 * The first Node on a search path, as a file.
 * @param {string} path as in PATH
 */
function nodeOn(path) {
  for (const folder of path.split(delimiter))
    try {
      const file = realpathSync(join(folder, 'node'));
      if (statSync(file).isFile()) return file;
    } catch {
      // Not in this folder.
    }
  return undefined;
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Copies the machine's Node over the packaged one if it is a later release. A copy, because an image or another user may
 * not have the machine's. It takes a few file reads unless the machine's Node has changed.
 * @param {{ readonly packageFolder: string, readonly path: string, readonly say: (text: string) => void }} where
 *   the folder of the package `node`, and a PATH without ours
 */
export function takeLaterNode({ packageFolder, path, say }) {
  const description = read(join(packageFolder, 'package.json'));
  const system = nodeOn(path);
  if (description === undefined || system === undefined) return;
  const { version, bin } = JSON.parse(description);
  const { mtimeMs, size } = statSync(system);
  const seen = `${version} ${system} ${mtimeMs} ${size}\n`;
  const stamp = join(packageFolder, '.system-node');
  if (read(stamp) === seen) return;
  try {
    const found = execFileSync(system, ['--version'], { encoding: 'utf8', timeout: 10_000 }).trim();
    const packaged = join(packageFolder, typeof bin === 'string' ? bin : bin.node);
    if (isLaterRelease(found, version) && realpathSync(packaged) !== system) {
      // A running process keeps the file that it was started from.
      const copy = `${packaged}.${process.pid}`;
      copyFileSync(system, copy);
      renameSync(copy, packaged);
      say(`using Node ${found} of this machine in place of the packaged ${version}`);
    }
    writeFileSync(stamp, seen);
  } catch (err) {
    say(`the packaged Node ${version} is used, not ${system}: ${/** @type {Error} */ (err).message}`);
  }
}
