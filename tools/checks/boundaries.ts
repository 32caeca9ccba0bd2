// Checks every import against `.dependency-cruiser.mjs`, and prints how much modules know of each other.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
// @ts-expect-error plain JavaScript without types
import { facesThatNameWings } from '../../.dependency-cruiser.mjs';
import { type CruisedModule, couplingOf, judgeCoupling } from './coupling.ts';
import gates from './size.json' with { type: 'json' };

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDERS = [
  ...['services', 'observability', 'cli', 'jobs'],
  ...['tools/chaos', 'tools/testing', 'load-tests', 'sdks', 'examples'],
];

type Report = {
  readonly modules: readonly CruisedModule[];
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly comment?: string;
      readonly rule: { readonly name: string; readonly severity: 'error' | 'info' };
      readonly cycle?: readonly { readonly name: string }[];
    }[];
  };
};

const program = resolve(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
const args = [program, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...FOLDERS];
const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 30 });
if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser gave no report: ${stderr}`);
const { modules, summary } = JSON.parse(stdout) as Report;

const { info: named = [], error: broken = [] } = Object.groupBy(summary.violations, ({ rule }) => rule.severity);
const stale = (facesThatNameWings as string[]).filter((face) => !named.some(({ from }) => from === face));
for (const face of stale) process.stdout.write(`${face} names no wing: take it off facesThatNameWings\n`);
for (const { rule, from, to, cycle, comment } of broken) {
  const path = cycle ? cycle.map(({ name }) => name).join(' → ') : to;
  process.stdout.write(`${rule.name}: ${from} → ${path}\n  ${comment ?? ''}\n`);
}
const [line, isWithin] = judgeCoupling(couplingOf(modules));
const faces = `faces name ${named.length} files of wings (at most ${gates.all.wingImports})`;
process.stdout.write(`${broken.length} forbidden imports in ${summary.totalCruised} files\n${line}\n${faces}\n`);
if (broken.length + stale.length > 0 || named.length > gates.all.wingImports || !isWithin) process.exitCode = 1;
