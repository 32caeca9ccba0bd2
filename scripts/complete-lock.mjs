// Completes package-lock.json with the optional packages of other platforms. npm leaves out those that its registry
// does not have at that moment (a mirror keeps only its own platform's), and then `npm ci` refuses the lock everywhere,
// while a reader on another platform would miss the binary. Run after `npm install`; changes nothing when complete.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

/**
 * @typedef {{ version?: string, optional?: boolean, dev?: boolean, devOptional?: boolean, os?: string[], cpu?: string[],
 *   libc?: string[], optionalDependencies?: Record<string, string> }} Entry
 */

/** What `name` says about its platform, as the fields npm compares with the machine. @param {string} name */
export function platformOf(name) {
  const words = name.split('/').at(-1)?.split('-') ?? [];
  const os = systems.filter((system) => words.includes(system));
  const cpu = processors.filter((processor) => words.some((word) => word === processor));
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.some((word) => word.startsWith('gnu'))
      ? ['glibc']
      : [];
  return {
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(os.length > 0 ? { os } : {}),
    ...(os.includes('linux') && libc.length > 0 ? { libc } : {}),
  };
}

/**
 * The optional dependencies that the lock names but does not hold, as entries to add, by path.
 * @param {Record<string, Entry>} packages
 * @returns {Record<string, Entry>}
 */
export function missingOptional(packages) {
  /** @type {Record<string, Entry>} */
  const missing = {};
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      const folders = path === '' ? [] : path.split('/node_modules/');
      const places = folders.map(
        (_, index) => `${folders.slice(0, folders.length - index).join('/node_modules/')}/node_modules/${name}`,
      );
      if ([...places, `node_modules/${name}`].some((place) => packages[place])) continue;
      if (!/^\d+\.\d+\.\d+/.test(range)) continue;
      missing[`node_modules/${name}`] = {
        version: range,
        ...platformOf(name),
        ...(entry.dev ? { dev: true } : {}),
        optional: true,
      };
    }
  }
  return missing;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const file = fileURLToPath(new URL('../package-lock.json', import.meta.url));
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const missing = missingOptional(lock.packages);
  const all = Object.entries({ ...lock.packages, ...missing });
  lock.packages = Object.fromEntries(all.sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  process.stderr.write(
    `sallyport: added ${Object.keys(missing).length} optional packages of other platforms to the lock\n`,
  );
}
