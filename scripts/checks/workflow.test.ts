import { accessSync, constants, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

type Step = {
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly with?: Readonly<Record<string, unknown>>;
};
type Workflow = {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly permissions?: unknown; readonly steps: readonly Step[] }>>;
};
const workflow = parse(read('.github/workflows/ci.yml')) as Workflow;
const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

test('continuous integration runs .ci/run for every pull request, on the Node of .nvmrc', () => {
  expect(Object.keys(workflow.on)).toEqual(['push', 'pull_request']);
  expect(steps.filter(({ run }) => run === '.ci/run')).toHaveLength(1);
  accessSync(join(root, '.ci/run'), constants.X_OK);
  const node = steps.find(({ uses }) => uses?.startsWith('actions/setup-node@'));
  expect(node?.with).toEqual({ 'node-version-file': '.nvmrc' });
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: { node: string } };
  expect(dependencies.node.split('.')[0]).toBe(read('.nvmrc').trim());
});

test('the workflow may only read, keeps no credentials, and pins the version of every action', () => {
  expect(workflow.permissions).toEqual({ contents: 'read' });
  for (const job of Object.values(workflow.jobs)) expect(job.permissions).toBeUndefined();
  for (const { uses } of steps) if (uses !== undefined) expect(uses).toMatch(/^actions\/[a-z-]+@v\d+$/);
  const checkout = steps.find(({ uses }) => uses?.startsWith('actions/checkout@'));
  expect(checkout?.with).toEqual({ 'persist-credentials': false });
});

test('continuous integration requires the look-up of every dependency, and keeps its report', () => {
  expect(steps.find(({ run }) => run === '.ci/run')?.env).toEqual({ DEPENDENCY_AUDIT: 'required' });
  const [report] = /coverage\/[\w-]+\.json/.exec(read('scripts/checks/dependencies.ts')) ?? [];
  const kept = steps.find(({ uses }) => uses?.startsWith('actions/upload-artifact@'));
  // Also of a run that failed, perhaps for what it found.
  expect([kept?.if, kept?.with?.name, kept?.with?.path]).toEqual(['always()', 'dependencies', report]);
});
