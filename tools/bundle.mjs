// Makes the programs that `npm start`, an installation and the tests run, out of the TypeScript: one file for each process
// of the product, chunks that they share, and source maps; nothing is minified. docs/adr/0076-what-runs-is-a-bundle.md
//
//   node tools/bundle.mjs <folder, two levels below the root>
import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { OUTSIDE_PACKAGES } from './outside-packages.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * The programs, by the file that each begins with: processes, and what a process loads only if a setting wants it.
 * @type {Readonly<Record<string, string>>}
 */
const PROGRAMS = {
  'cli/main.ts': 'cli',
  'cli/run.ts': 'run',
  'services/api/main.ts': 'api',
  'services/worker/main.ts': 'worker',
  'services/mcp/main.ts': 'mcp',
  'services/migrate/main.ts': 'migrate',
  'services/platform/hasher/child.ts': 'hasher',
  'services/supervisor/tasks-database.ts': 'tasks-database',
  'observability/otel-export.ts': 'otel-export',
  'observability/store-spans.ts': 'store-spans',
  'observability/sentry.ts': 'sentry',
};

/** Of development; a library tries to load it, and goes on without. */
const ABSENT = ['supports-color'];

/** @param {string} id */
const isOutside = (id) =>
  [...Object.keys(OUTSIDE_PACKAGES), ...ABSENT].some((name) => id === name || id.startsWith(`${name}/`));

/**
 * A source finds its neighbours by `import.meta`, which here is the place of a chunk: put the source's own place below the
 * root instead. Where it names the first file of a program, put the program.
 * @param {string} folder
 */
const ownPlaces = (folder) => ({
  name: 'own-places',
  transform: {
    filter: { id: /\.(ts|mjs)$/, code: /import\.meta\./ },
    /** @param {string} code @param {string} id */
    handler(code, id) {
      if (!id.startsWith(`${root}/`) || id.includes('/node_modules/')) return null;
      /** @param {string} whole @param {string} before @param {string} path @param {string} after */
      const ofProgram = (whole, before, path, after) => {
        const program = PROGRAMS[relative(root, join(dirname(id), path))];
        return program === undefined ? whole : `${before}./${program}.mjs${after}`.replace('meta.url', 'meta.chunk');
      };
      const place = JSON.stringify(relative(folder, id));
      const placed = code
        .replaceAll(/(new URL\(')(\.[^']+\.ts)(', import\.meta\.url\))/g, ofProgram)
        .replaceAll(/(createRequire\(import\.meta\.url\)\(')(\.[^']+\.ts)('\))/g, ofProgram)
        .replaceAll('import.meta.url', `new URL(${place}, import.meta.chunk).href`)
        .replaceAll(
          'import.meta.dirname',
          `process.getBuiltinModule('node:path').join(import.meta.dirname, ${place}, '..')`,
        )
        .replaceAll('import.meta.chunk', 'import.meta.url');
      // Each line stays where it is.
      return { code: placed, map: null };
    },
  },
});

const migrations = readdirSync(join(root, 'prisma/migrations'), { withFileTypes: true });
const newestMigration = migrations
  .filter((each) => each.isDirectory())
  .map(({ name }) => name)
  .sort()
  .at(-1);

/** @param {string} folder */
async function bundle(folder) {
  const build = await rolldown({
    cwd: root,
    platform: 'node',
    input: Object.fromEntries(Object.entries(PROGRAMS).map(([file, name]) => [name, join(root, file)])),
    external: isOutside,
    plugins: [ownPlaces(folder)],
    transform: {
      define: {
        'globalThis.NEWEST_BUNDLED_MIGRATION': JSON.stringify(newestMigration),
        // Sentry's loader, which would instrument modules: left out whole.
        __SENTRY_CHANNEL_INJECTION__: 'false',
      },
    },
    onLog(level, log, handler) {
      // A library that looks its own pages up by `eval('require')`; we name their place.
      if (log.code !== 'EVAL') handler(level, log);
    },
  });
  const { output } = await build.write({
    dir: folder,
    format: 'esm',
    sourcemap: true,
    sourcemapExcludeSources: true,
    entryFileNames: '[name].mjs',
    chunkFileNames: ({ name }) => `${name.split('~')[0]}-[hash].mjs`,
    // No package is a part of a program's own file: else what also uses the package would run that program.
    codeSplitting: { groups: [{ name: 'packages', test: /\/node_modules\//, entriesAware: true }] },
  });
  await build.close();
  const modules = output.flatMap((each) => (each.type === 'chunk' ? each.moduleIds : []));
  const places = modules.flatMap(
    (id) => /\/(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? [],
  );
  // For the bill of materials, and whoever asks which packages run.
  writeFileSync(join(folder, 'packages.json'), `${JSON.stringify([...new Set(places)].sort(), null, 2)}\n`);
}

await bundle(resolve(process.argv[2] ?? ''));
