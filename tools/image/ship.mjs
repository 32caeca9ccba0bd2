// Copies what an image ships out of a checkout that was built: the bundle, the packages outside of it, and the files that
// they read. A list of what is allowed: no source, test or tool reaches an image because nobody removed it.
//
//   node tools/image/ship.mjs <folder>
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
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OUTSIDE_PACKAGES } from '../outside-packages.mjs';

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
  'tools/verify-audit-log.mjs',
  'services/pages/passkey-add.js',
  'services/pages/passkey-sign-in.js',
  'services/platform/passwords/common-passwords.txt.br',
];

/**
 * What no process reads in packages that are shipped, with the reason: paths below node_modules.
 * @type {readonly { match: RegExp, why: string }[]}
 */
const UNREAD = [
  { match: /\.([cm]?ts|[cm]?js\.map|[cm]?ts\.map|tsbuildinfo|md)$/i, why: 'types, source maps and guides' },
  { match: /^node\/(node_modules|bin)\//, why: 'C headers and manual pages; the program is written apart' },
  {
    match: /^@prisma\/client\/runtime\/query_compiler_(?!fast_bg\.postgresql\.(wasm-base64\.)?mjs$)/,
    why: 'query compilers for other databases and module formats',
  },
  {
    match: /^@prisma\/client\/(generator-build|scripts|runtime\/wasm-compiler-edge)/,
    why: 'the generator, and other places',
  },
  { match: /^@ip-location-db\/dbip-country-mmdb\/dbip-country-ipv[46]\.mmdb$/, why: 'tables of one kind of addresses' },
  { match: /^(pdfkit|fontkit)\/(js|dist)\/.*(standalone|browser|\.old\.)/, why: 'for browsers' },
  { match: /\/\.yarn\//, why: 'the package manager of those who made it' },
];

/** @param {string} path of a package, below the checkout */
export const isRead = (path) => !UNREAD.some(({ match }) => match.test(path.slice('node_modules/'.length)));

/** @typedef {{ dependencies?: Record<string, string>, optionalDependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string>, peerDependenciesMeta?: Record<string, { optional?: boolean }> }} Package */

/**
 * The packages that an image has in node_modules, by the place that package-lock.json gives them: those outside of the
 * bundle, and what they need. Optional peers are not needed.
 * @param {Record<string, Package>} packages `packages` of package-lock.json
 */
export function shippedPackages(packages) {
  const kept = new Set(['node_modules/node']);
  const pending = Object.keys(OUTSIDE_PACKAGES).map((name) => ({ from: '', name }));
  for (const { from, name } of pending) {
    const place = placeOf(packages, from, name);
    if (place === undefined || kept.has(place)) continue;
    kept.add(place);
    // Of this one only files of its own are read.
    if (name === '@bull-board/ui') continue;
    const { dependencies, optionalDependencies, peerDependencies = {}, peerDependenciesMeta } = packages[place] ?? {};
    const peers = Object.keys(peerDependencies).filter((peer) => !peerDependenciesMeta?.[peer]?.optional);
    const names = [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers];
    pending.push(...names.map((each) => ({ from: place, name: each })));
  }
  return kept;
}

/** Where Node finds `name` from `place`. @param {Record<string, Package>} packages @param {string} place @param {string} name */
function placeOf(packages, place, name) {
  for (let folder = place; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const found = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[found]) return found;
    if (folder === '') return undefined;
  }
}

/**
 * A program of Linux without what no process loads: its symbols and debug information, a seventh of Node. Stacks of
 * JavaScript and native packages, which use the dynamic symbols, are as before.
 * @param {Buffer} elf
 */
export function withoutSymbols(elf) {
  const isElf64 = elf.readUInt32BE(0) === 0x7f454c46 && elf.readUInt16BE(4) === 0x0201;
  if (!isElf64) return elf;
  const [first, bytes, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  const segments = Array.from({ length: count }, (_, at) => elf.subarray(first + at * bytes, first + (at + 1) * bytes));
  const ends = segments.map((each) => Number(each.readBigUInt64LE(8) + each.readBigUInt64LE(32)));
  const loaded = Buffer.from(elf.subarray(0, Math.max(first + bytes * count, ...ends)));
  // Place, number and names of the sections, which are gone.
  loaded.fill(0, 40, 48).fill(0, 60, 64);
  return loaded;
}

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

/** The files at or below a path of the checkout. @param {string} path @returns {string[]} */
const filesBelow = (path) =>
  lstatSync(join(root, path)).isDirectory()
    ? readdirSync(join(root, path)).flatMap((name) => filesBelow(join(path, name)))
    : [path];

/** What an installation holds besides packages: the bundle, and what it reads. */
export const shippedFiles = () =>
  [...FILES, join('dist', readlinkSync(join(root, 'dist/current')))].flatMap(filesBelow);

/**
 * What processes read of a package. Native code of other platforms is in the lock, and not installed; a package inside of
 * another one has a place of its own.
 * @param {string} place @returns {string[]}
 */
export const filesOfPackage = (place) =>
  existsSync(join(root, place))
    ? filesBelow(place).filter((path) => !path.startsWith(`${place}/node_modules/`) && isRead(path))
    : [];

/** @param {string} folder which does not exist yet */
export function ship(folder) {
  const copyAll = (/** @type {readonly string[]} */ paths) => {
    for (const path of paths) copy(join(root, path), join(folder, path));
  };
  copyAll(shippedFiles());
  symlinkSync(readlinkSync(join(root, 'dist/current')), join(folder, 'dist/current'));
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  for (const place of shippedPackages(packages)) copyAll(filesOfPackage(place));
  const program = join(folder, 'node_modules/node/bin/node');
  mkdirSync(dirname(program), { recursive: true });
  writeFileSync(program, withoutSymbols(readFileSync(join(root, 'node_modules/node/bin/node'))), { mode: 0o755 });
  copy(join(root, 'node_modules/.bin/node'), join(folder, 'node_modules/.bin/node'));
}

const [, self = '', folder] = process.argv;
if (resolve(self) === fileURLToPath(import.meta.url) && folder !== undefined) ship(resolve(folder));
