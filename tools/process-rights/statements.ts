// PROGRAM: prints, as JSON, the SQL statements that each process of the product can reach. It bundles what the process
// imports and removes dead code, so that the statements of a shared file count only for the processes that use them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';

const ROOT = resolve(import.meta.dirname, '../..');

/** What a process imports. The sealer is the part of a worker that has connections of its own. */
const IMPORTED = {
  api: importsOf('services/api/main.ts'),
  mcp: importsOf('services/mcp/main.ts'),
  worker: importsOf('services/worker/main.ts'),
  log_sealer: [
    ['sealEvents', 'services/core/audit/seal/seal-events.ts'],
    ['thinCheckpoints', 'services/core/audit/seal/thin-checkpoints.ts'],
    ['maintainAuditOutbox', 'services/core/audit/maintain-audit-outbox.ts'],
    ['composeAuditLog', 'services/worker/audit-log.ts'],
    ['takeFence', 'services/platform/queue/fences.ts'],
  ].map(([name, file]) => `export { ${name} } from ${JSON.stringify(join(ROOT, file as string))};`),
} as const;
export type Process = keyof typeof IMPORTED;

/** The imports of a file, as exports: so that all of them stay in the bundle, without the work of the file. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  return [...source.matchAll(/^import (?:\* as (\w+)|(\{[^}]*\})) from '([^']+)';/gm)].map(
    ([, all, names = '', from = '']) => {
      const path = from.startsWith('#') ? join(ROOT, from.slice(1)) : resolve(ROOT, dirname(file), from);
      const place = JSON.stringify(/^[#.]/.test(from) ? path : from);
      return all === undefined
        ? `export ${names.replaceAll('type ', '')} from ${place};`
        : `export * as ${all} from ${place};`;
    },
  );
}

/** Functions that only define statements: what they return is dropped with its last use. */
const DEFINING = 'defineStatement defineRetries defineAttemptEnds defineCircuit definePurge defineTally ofKinds'.split(
  ' ',
);

/** A statement as a tagged template. It is read as a call of two arguments, which is dropped whatever its SQL takes in. */
const STATEMENT = /\bdefineStatement\(('\w*'|`[^`]*`)\)(`(?:[^`$]|\$(?!\{)|\$\{(?:[^{}`]|`[^`]*`|\{[^}]*\})*\})*`)/g;

const MAIN = 'virtual:main';
const NOTHING = 'virtual:nothing';
const TAGGED = '@oxc-project/runtime/helpers/taggedTemplateLiteral';
/** The lists of modules that a process loads. */
const LOADS: Readonly<Record<Process, readonly string[]>> = {
  api: ['operations', 'deadLetters', 'copyWatches', 'score', 'gaps', 'grants'],
  mcp: ['tools', 'tasks'],
  worker: ['processors', 'taskAdvances', 'watches', 'copyWatches', 'score'],
  log_sealer: [],
};
/** A member of a module that loads something: on one line, or to the end of its brackets. */
const LIST = /^ {2}(\w+): async \(\) =>(?: .*[^[{(\n]\n| .*[[{(]\n(?: {3,}.*\n)* {2}[\])}]+,\n)/gm;
/** The part of an API process whose statements run as the role of the MCP server. */
const FACE = /\/face\.ts$/;

/** A control names its check beside what a reader sees of it. */
const CONTROL = /\/compliance\/controls\/[\w-]+\.ts$/;
const PART_OF_CONTROL = /^\.\/|^\.\.\/control\.ts$/;
/** The only file that runs a check: a process that does not load it needs nothing of what a check imports. */
const RUNS_CHECKS = join(ROOT, 'services/wings/compliance/run-check.ts');
const UNUSED = 'virtual:unused:';

/** The exports of a file as values that may be called and read while modules load, and do nothing. */
const unused = (file: string): string =>
  [
    'const unused = new Proxy(function () {}, { get: (_, name) => name === Symbol.toPrimitive ? () => 0 : unused, apply: () => unused });',
    ...[...readFileSync(file, 'utf8').matchAll(/^export (?:async )?(?:const|function\*?|class) (\w+)/gm)].map(
      ([, name]) => `export const ${name} = unused;`,
    ),
  ].join('\n');

/** Declares a statement, and notes it. */
const RECORDING = `
export function defineStatement(name, text) {
  (globalThis.statementsOfProcess ??= []).push([name, text]);
  return { name, text, writes: /\\b(insert into|update|delete from)\\b/i.test(text) };
}`;

const readPaths = (code: string, id: string): string =>
  code
    .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
    .replaceAll('import.meta.dirname', JSON.stringify(dirname(id)))
    .replaceAll('import.meta.filename', JSON.stringify(id));

const pluginOf = (of: Process): Plugin => ({
  name: 'statements',
  resolveId: (id, importer = '') => {
    if (of === 'api' && FACE.test(id) && importer.endsWith('/mcp/mount.ts')) return NOTHING;
    if (of !== 'worker' && CONTROL.test(importer) && !PART_OF_CONTROL.test(id))
      return UNUSED + (id.startsWith('#') ? join(ROOT, id.slice(1)) : resolve(dirname(importer), id));
    return id === MAIN || id === TAGGED ? id : undefined;
  },
  load: (id) => {
    if (id === MAIN) return IMPORTED[of].join('\n');
    if (id === NOTHING) return 'export {};';
    if (id.startsWith(UNUSED)) return unused(id.slice(UNUSED.length));
    if (id === TAGGED) return 'export default (strings, raw) => Object.assign(strings ?? [], { raw: raw ?? strings });';
    return id.endsWith('services/platform/define/statement.ts') ? RECORDING : undefined;
  },
  transform: (code, id) => {
    if (id.endsWith('/module.ts')) return code.replaceAll(LIST, (list, name) => (LOADS[of].includes(name) ? list : ''));
    const called = code.replaceAll(STATEMENT, 'defineStatement($1, $2)');
    return called.includes('import.meta.') ? readPaths(called, id) : called;
  },
});

async function statementsOf(of: Process): Promise<Record<string, string>> {
  const bundle = await rolldown({
    input: MAIN,
    platform: 'node',
    cwd: ROOT,
    transform: { target: 'esnext' },
    external: (id) => !/^[.#/]|^virtual:/.test(id) && id !== TAGGED,
    treeshake: { manualPureFunctions: DEFINING, moduleSideEffects: false, propertyReadSideEffects: false },
    plugins: [pluginOf(of)],
    logLevel: 'silent',
  });
  // Beside the packages that it imports.
  const folder = mkdtempSync(join(ROOT, 'node_modules/.statements-'));
  const found: [string, string][] = [];
  Object.assign(globalThis, { statementsOfProcess: found });
  try {
    const names = '[name].mjs';
    const { output } = await bundle.write({ dir: folder, format: 'esm', entryFileNames: names, chunkFileNames: names });
    if (of !== 'worker' && output.some((chunk) => chunk.type === 'chunk' && chunk.moduleIds.includes(RUNS_CHECKS)))
      throw new Error(`${of} runs the checks of controls: take what they import into account`);
    for (const { fileName } of output) await import(join(folder, fileName));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  // Each process names the purges of its modules; only workers run them.
  return Object.fromEntries(
    found.filter(([name]) => of === 'worker' || of === 'log_sealer' || !name.startsWith('purge_')),
  );
}

const all: Partial<Record<Process, Record<string, string>>> = {};
for (const process of Object.keys(IMPORTED) as Process[]) all[process] = await statementsOf(process);
process.stdout.write(JSON.stringify(all), () => process.exit(0));
