// Copies what an image ships out of a checkout that was built: the bundle, the packages outside of it, and the files that
// they read. A list of what is allowed: no source, test or tool reaches an image because nobody removed it.
//
//   node scripts/image/ship.mjs <folder>
import {
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OUTSIDE_PACKAGES } from '../outside-packages.mjs';
import { productionPackages, unreadFile } from '../production-modules.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

const FILES = [
  'LICENSE',
  'package.json',
  // The doctor compares the versions of bundled packages with known advisories.
  'package-lock.json',
  'console/dist',
  'deploy/container',
  'deploy/redis',
  'prisma/SHA256SUMS',
  'prisma/migrations',
  'prisma/releases.json',
  'scripts/verify-audit-log.mjs',
  'services/pages/passkey-add.js',
  'services/pages/passkey-sign-in.js',
  'services/platform/passwords/common-passwords.txt.br',
];

/**
 * The packages that an image has in node_modules, by the place that package-lock.json gives them.
 * @param {Parameters<typeof productionPackages>[0]} packages
 */
export const shippedPackages = (packages) => {
  const dependencies = Object.fromEntries([...Object.keys(OUTSIDE_PACKAGES), 'node'].map((name) => [name, '*']));
  // Of these only files of their own are read.
  const alone = { 'node_modules/@bull-board/ui': {}, 'node_modules/node': {} };
  return productionPackages({ ...packages, ...alone, '': { dependencies } });
};

/** What no process reads, beside what no production install has: a bundle that runs needs no source to be run. */
const isRead = (/** @type {string} */ path) =>
  unreadFile(path) === undefined && !/\.ts$|\.md$|^pdfkit\/js\/pdfkit\.standalone\.js$/i.test(path);

/** A second name for the same bytes where the file system allows it. @param {string} from @param {string} to */
function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  if (lstatSync(from).isSymbolicLink()) return symlinkSync(readlinkSync(from), to);
  try {
    linkSync(from, to);
  } catch {
    cpSync(from, to);
  }
}

/** @param {string} folder @param {string} path @param {(path: string) => boolean} isShipped */
function copyAll(folder, path, isShipped = () => true) {
  if (!lstatSync(join(root, path)).isDirectory()) {
    if (isShipped(path)) copy(join(root, path), join(folder, path));
    return;
  }
  for (const name of readdirSync(join(root, path))) copyAll(folder, join(path, name), isShipped);
}

/** @param {string} folder which does not exist yet */
export function ship(folder) {
  for (const path of FILES) copyAll(folder, path);
  const bundle = readlinkSync(join(root, 'dist/current'));
  copyAll(folder, join('dist', bundle));
  symlinkSync(bundle, join(folder, 'dist/current'));
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const places = shippedPackages(packages);
  for (const place of places) {
    // Native code of other platforms is in the lock, and not installed.
    if (!existsSync(join(root, place))) continue;
    // A package inside of another one has a place of its own.
    copyAll(
      folder,
      place,
      (path) => !path.startsWith(`${place}/node_modules/`) && isRead(path.slice('node_modules/'.length)),
    );
  }
  copy(join(root, 'node_modules/.bin/node'), join(folder, 'node_modules/.bin/node'));
}

const [, self = '', folder] = process.argv;
if (resolve(self) === fileURLToPath(import.meta.url) && folder !== undefined) ship(resolve(folder));
