// Leaves in node_modules only what a process in production reads. npm runs it after `npm ci --omit=dev`, bootstrap.mjs
// after it generated the Prisma client. npm alone keeps hundreds of packages that nothing loads: an optional peer
// dependency of a library (Prisma's command line, vitest, TypeScript, React) counts as production once anything else
// installs it. Runs on any Node >= 20 and needs no package. docs/adr/0052-production-modules.md
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * @typedef {{ dependencies?: Record<string, string>, optionalDependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string>, peerDependenciesMeta?: Record<string, { optional?: boolean }> }} Package
 */

/**
 * What no process reads in packages that stay, with the reason: paths below node_modules.
 * @type {readonly { match: RegExp, why: string }[]}
 */
const UNREAD = [
  { match: /\.(d\.[cm]?ts|[cm]?js\.map|[cm]?ts\.map|tsbuildinfo)$/, why: 'types and source maps' },
  { match: /^node\/node_modules\//, why: 'another name of the program of Node, its C headers and manual pages' },
  {
    match: /^@prisma\/client\/runtime\/query_compiler_(?!fast_bg\.postgresql\.(wasm-base64\.)?mjs$)/,
    why: 'query compilers for other databases and module formats',
  },
  { match: /^@ip-location-db\/dbip-country-mmdb\/dbip-country-ipv[46]\.mmdb$/, why: 'tables of one kind of addresses' },
  { match: /^@prisma\/client\/(generator-build|scripts)\//, why: 'the generator, which ran before' },
];

/**
 * The packages that those of `dependencies` need, by the place that package-lock.json gives them.
 * @param {Record<string, Package>} packages `packages` of package-lock.json
 * @returns {Set<string>}
 */
export function productionPackages(packages) {
  /** @type {Set<string>} */
  const kept = new Set();
  const pending = [''];
  for (const place of pending) {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = packages[place] ?? {};
    const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
    for (const name of [...Object.keys(dependencies ?? {}), ...Object.keys(optionalDependencies ?? {}), ...peers]) {
      const found = placeOf(packages, place, name);
      if (found === undefined || kept.has(found)) continue;
      kept.add(found);
      pending.push(found);
    }
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

/** Why a file of a kept package is not read; undefined if it may be. @param {string} path below node_modules */
export const unreadFile = (path) => UNREAD.find(({ match }) => match.test(path))?.why;

/** Removes the rest. @param {string} root */
export function keepProductionModules(root) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const kept = productionPackages(packages);
  for (const place of Object.keys(packages)) {
    if (place === '' || kept.has(place)) continue;
    const holds = [...kept].some((other) => other.startsWith(`${place}/`));
    if (holds) throw new Error(`${place} is not needed, and contains a package that is`);
    rmSync(join(root, place), { recursive: true, force: true });
  }
  const modules = join(root, 'node_modules');
  for (const path of readdirSync(modules, { recursive: true, encoding: 'utf8' })) {
    if (unreadFile(path) !== undefined) rmSync(join(modules, path), { recursive: true, force: true });
  }
  const links = join(modules, '.bin');
  for (const name of existsSync(links) ? readdirSync(links) : []) {
    const link = join(links, name);
    if (!existsSync(link)) rmSync(link, { force: true });
  }
}

/**
 * MB (2^20 bytes) on the disk: a file with two names counts once.
 * @param {string} folder @param {(path: string) => boolean} counts
 */
export function megabytesOf(folder, counts = () => true) {
  const seen = new Set();
  let bytes = 0;
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!counts(path)) continue;
    const { ino, blocks } = lstatSync(join(folder, path));
    if (!seen.has(ino)) bytes += blocks * 512;
    seen.add(ino);
  }
  return Math.ceil(bytes / 2 ** 20);
}

const isMain = process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href;

/** As npm's `postinstall`: only for this package's own install without development packages, else its tree stays whole. */
function isWanted() {
  const {
    npm_lifecycle_event: event,
    npm_config_local_prefix: prefix,
    npm_config_omit: omit,
    npm_config_include: include,
  } = process.env;
  if (event !== 'postinstall') return true;
  const has = (/** @type {string | undefined} */ list) => /\bdev\b/.test(list ?? '');
  return prefix === ROOT && (has(omit) || process.env.NODE_ENV === 'production') && !has(include);
}

if (isMain && isWanted()) {
  keepProductionModules(ROOT);
  process.stderr.write(
    `sallyport: node_modules holds ${megabytesOf(join(ROOT, 'node_modules'))} MB, only what runs in production\n`,
  );
}
