import { type ImagePackage, imagePackages, readLock } from '../image/packages.ts';
import { page, table } from './pages.ts';

/** Of the image for x64; on arm64 only the native packages have other names. */
export const shippedPackages = (): readonly ImagePackage[] => [
  ...imagePackages(readLock(), 'x64'),
  ...consolePackages(readLock()),
];

/** Bundled into the files of the console. Their peers are each other, or for a server that the console has not. */
const CONSOLE_LIBRARIES = ['preact', 'preact-iso', '@tanstack/preact-query'];

function consolePackages(packages: ReturnType<typeof readLock>): readonly ImagePackage[] {
  const names = new Set(CONSOLE_LIBRARIES);
  for (const name of names)
    for (const needed of Object.keys(packages[`node_modules/${name}`]?.dependencies ?? {})) names.add(needed);
  return [...names].sort().map((name) => {
    const place = `node_modules/${name}`;
    const { version = '', license = 'unknown' } = packages[place] ?? {};
    return { place, name, version, license, reason: 'bundled into the console' };
  });
}

/** Licences under which what ships may be passed on in a product of another licence. */
export const ACCEPTED_LICENCES: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC-BY-4.0',
  'ISC',
  'MIT',
  'MIT-0',
  'MIT and ISC',
  'Unlicense',
]);

/** `docs/reference/licences.md`: every npm package that ships. */
export function licencesPage(packages: readonly ImagePackage[]): string {
  const byLicence = [...Map.groupBy(packages, ({ license }) => license)].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = packages.map(({ name, version, license, reason }) => [`\`${name}\``, version, license, reason]);
  const body = [
    table(
      ['licence', 'packages'],
      byLicence.map(([licence, all]) => [licence, String(all.length)]),
    ),
    '',
    '## Data',
    '',
    'The table of the countries of IP addresses is [IP Geolocation by DB-IP](https://db-ip.com), under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), in the MaxMind DB format and otherwise unchanged.',
    '',
    '## Packages',
    '',
    table(['package', 'version', 'licence', 'why it ships'], rows),
  ].join('\n');
  return page(
    'Licences of what ships',
    'Sallyport itself is under Apache-2.0 (`LICENSE`). These npm packages are in its image, in the bundle that runs or beside it, or in the built console, from `package-lock.json`. Debian packages of the base image are in the bill of materials of an image.',
    body,
  );
}
