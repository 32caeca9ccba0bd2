// What a bundle is made of. Plain JavaScript, because the bootstrap asks it on the system's Node before anything is
// installed; a process of a bundle asks the same.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

const FOLDERS = ['cli', 'jobs', 'observability', 'services'];
const BUNDLER = 'tools/bundle.mjs';
/** Files beside the folders. Packages are known by the lock, generated code by its stamp, migrations by their sums. */
const FILES = [
  'package-lock.json',
  'services/platform/postgres/generated/.stamp',
  'prisma/SHA256SUMS',
  BUNDLER,
  'tools/outside-packages.mjs',
];

/** An installation that has only the bundle has no sources. @param {string} root */
const hasSources = (root) => [BUNDLER, ...FOLDERS].every((path) => existsSync(join(root, path)));

/** @param {string} path */
const isSource = (path) => /\.(ts|mjs|json)$/.test(path) && !/\.test\.ts$|-harness\.ts$|[/\\]generated[/\\]/.test(path);

/**
 * The name of the bundle of the sources below this folder; undefined without sources.
 * @param {string} root
 */
export function bundleNameOf(root) {
  if (!hasSources(root)) return undefined;
  const sources = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(isSource)
      .sort()
      .map((path) => join(folder, path)),
  );
  const hash = createHash('sha256');
  for (const path of [...FILES, ...sources].filter((each) => existsSync(join(root, each))))
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(join(root, path)))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

/**
 * Whether a folder of sources, or a file beside them, is newer. Files that are put in place by git, tar or rsync change
 * the time of their folder.
 * @param {string} root  @param {number} thanMs
 */
function isAnyNewer(root, thanMs) {
  const isNewer = (/** @type {string} */ path) =>
    (statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0) > thanMs;
  const waiting = [...FOLDERS];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (isNewer(folder)) return true;
    for (const each of readdirSync(join(root, folder), { withFileTypes: true }))
      if (each.isDirectory()) waiting.push(join(folder, each.name));
  }
  return FILES.some(isNewer);
}

/**
 * Whether the sources beside a bundle are others than those it is made of. It reads them only if one is newer than the
 * bundle, whose time is that at which its sources were last known to be these.
 * @param {string} root  @param {string} bundle its folder
 */
export function isOutdated(root, bundle) {
  if (!hasSources(root) || !isAnyNewer(root, statSync(bundle).mtimeMs)) return false;
  return bundleNameOf(root) !== basename(bundle);
}
