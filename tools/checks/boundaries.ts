// Checks every import against `.dependency-cruiser.mjs`, and prints how much the modules of the domain know of each
// other.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { type CruisedModule, couplingOf, judgeCoupling } from './coupling.ts';

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
      readonly rule: { readonly name: string };
      readonly cycle?: readonly { readonly name: string }[];
    }[];
  };
};

const program = resolve(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
const args = [program, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...FOLDERS];
const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 30 });
if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser gave no report: ${stderr}`);
const { modules, summary } = JSON.parse(stdout) as Report;

for (const { rule, from, to, cycle, comment } of summary.violations) {
  const path = cycle ? cycle.map(({ name }) => name).join(' → ') : to;
  process.stdout.write(`${rule.name}: ${from} → ${path}\n  ${comment ?? ''}\n`);
}
const [line, isWithin] = judgeCoupling(couplingOf(modules));
process.stdout.write(`${summary.violations.length} forbidden imports in ${summary.totalCruised} files\n${line}\n`);
if (summary.violations.length > 0 || !isWithin) process.exitCode = 1;
