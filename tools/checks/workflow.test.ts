import { accessSync, constants, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
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
const workflowOf = (name: string): Workflow => parse(read(`.github/workflows/${name}.yml`)) as Workflow;
const workflows = { ci: workflowOf('ci'), nightly: workflowOf('nightly') };
const stepsOf = ({ jobs }: Workflow): readonly Step[] => Object.values(jobs).flatMap((job) => job.steps);

test('continuous integration runs .ci/run for every pull request, and everything each night', () => {
  expect(Object.keys(workflows.ci.on)).toEqual(['push', 'pull_request']);
  expect(stepsOf(workflows.ci).filter(({ run }) => run === '.ci/run')).toHaveLength(1);
  accessSync(join(root, '.ci/run'), constants.X_OK);
  // The reviewer of a change sees there how the contract of the API changes.
  expect(stepsOf(workflows.ci).filter(({ run }) => run === 'npm run -s contract')).toHaveLength(1);
  expect(Object.keys(workflows.nightly.on)).toEqual(['schedule', 'workflow_dispatch']);
  expect(stepsOf(workflows.nightly).filter(({ run }) => run === 'npm run test:all')).toHaveLength(1);
});

describe.each(Object.entries(workflows))('the workflow %s', (_name, workflow) => {
  const steps = stepsOf(workflow);

  test('runs on the Node of .nvmrc', () => {
    const node = steps.find(({ uses }) => uses?.startsWith('actions/setup-node@'));
    expect(node?.with).toEqual({ 'node-version-file': '.nvmrc' });
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: { node: string } };
    expect(dependencies.node.split('.')[0]).toBe(read('.nvmrc').trim());
  });

  test('may only read, keeps no credentials, pins the version of every action, and has the whole history', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const job of Object.values(workflow.jobs)) expect(job.permissions).toBeUndefined();
    for (const { uses } of steps) if (uses !== undefined) expect(uses).toMatch(/^actions\/[a-z-]+@v\d+$/);
    const checkout = steps.find(({ uses }) => uses?.startsWith('actions/checkout@'));
    expect(checkout?.with).toEqual({ 'persist-credentials': false, 'fetch-depth': 0 });
  });

  test('requires the look-up of every dependency, and keeps its report', () => {
    const looksUp = steps.filter(({ run }) => run === 'npm run audit' || run === 'npm run test:all');
    expect(looksUp.map(({ env }) => env)).toEqual([{ DEPENDENCY_AUDIT: 'required' }]);
    const [report] = /coverage\/[\w-]+\.json/.exec(read('tools/checks/dependencies.ts')) ?? [];
    const kept = steps.find(
      ({ uses, with: of }) => uses?.startsWith('actions/upload-artifact@') && of?.name === 'dependencies',
    );
    // Also of a run that failed, perhaps for what it found.
    expect([kept?.if, kept?.with?.path]).toEqual(['always()', report]);
  });
});
