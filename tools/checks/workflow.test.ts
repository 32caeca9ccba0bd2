import { spawnSync } from 'node:child_process';
import { accessSync, constants, cpSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '#services/platform/config/load.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'deploy/systemd');
const roles = ['api', 'worker', 'mcp', 'migrate'] as const;
const shared = 'sallyport-.service.d/10-sallyport.conf';

/** Every `key=value` of a unit, in order: a key may be there more than once. */
function settingsOf(file: string): Map<string, string[]> {
  const pairs = [...readFileSync(join(folder, file), 'utf8').matchAll(/^(\w+)=(.*)$/gm)];
  const byKey = Map.groupBy(pairs, ([, key]) => key as string);
  return new Map([...byKey].map(([key, each]) => [key, each.map(([, , value]) => value as string)]));
}
const common = settingsOf(shared);
const unitOf = (role: string) => settingsOf(`sallyport-${role}.service`);
const one = (settings: ReadonlyMap<string, readonly string[]>, key: string): string | undefined =>
  settings.get(key)?.[0];

describe('units of systemd', () => {
  test('there is one unit for each role of the container’s entry point, and one file with their common settings', () => {
    expect(globSync('**/*.{service,conf}', { cwd: folder }).sort()).toEqual(
      [shared, ...roles.map((role) => `sallyport-${role}.service`)].sort(),
    );
    for (const role of roles) {
      const start = one(unitOf(role), 'ExecStart');
      expect(start).toBe(
        `/opt/sallyport/node_modules/.bin/node --max-semi-space-size=16 deploy/container/entry.mjs ${role}`,
      );
    }
    accessSync(join(root, 'node_modules/.bin/node'), constants.X_OK);
  });

  test('no unit has an unneeded right', () => {
    expect(Object.fromEntries([...common].map(([key, values]) => [key, values.at(-1)]))).toMatchObject({
      User: 'sallyport',
      NoNewPrivileges: 'yes',
      CapabilityBoundingSet: '',
      ProtectSystem: 'strict',
      ProtectHome: 'yes',
      PrivateTmp: 'yes',
      PrivateDevices: 'yes',
      RestrictAddressFamilies: 'AF_INET AF_INET6 AF_UNIX AF_NETLINK',
      SystemCallFilter: '@system-service',
      StateDirectory: 'sallyport',
      UMask: '0077',
    });
    // Node compiles JavaScript to machine code while it runs.
    for (const settings of [common, ...roles.map(unitOf)]) expect(settings.has('MemoryDenyWriteExecute')).toBe(false);
  });

  test('secrets are credentials of the unit, never text or environment variables in it', () => {
    for (const role of roles) {
      const unit = unitOf(role);
      const given = [...(common.get('LoadCredential') ?? []), ...(unit.get('LoadCredential') ?? [])];
      const names = given.map((each) => each.split(':')[0]);
      // The migration makes the logins of the others.
      const logins = role === 'migrate' ? ['database_url_api', 'database_url_mcp', 'database_url_worker'] : [];
      expect(names.sort()).toEqual(['auth_secret', 'database_url', ...logins, 'key_encryption_key', 'redis_url']);
      const variables = [...(common.get('Environment') ?? []), ...(unit.get('Environment') ?? [])];
      for (const name of names) expect(variables.filter((each) => each.endsWith(`_FILE=%d/${name}`))).toHaveLength(1);
      for (const each of variables) expect(each).toMatch(/^(\w+_FILE=%d\/|METRICS_PORT=|SALLYPORT_DATA_DIR=%S\/)/);
    }
  });

  test('API, worker and MCP server start after the migration, start again after a crash, and have time to drain', () => {
    const config = loadConfig({ DRAIN_SECONDS: '25', WORKER_DRAIN_SECONDS: '25' });
    const longest = Math.max(config.server.drainSeconds + 2, config.jobs.workerDrainSeconds);
    expect(Number(one(common, 'TimeoutStopSec'))).toBeGreaterThan(longest);
    expect([one(common, 'KillMode'), one(unitOf('migrate'), 'Type')]).toEqual(['mixed', 'oneshot']);
    for (const role of ['api', 'worker', 'mcp']) {
      const unit = unitOf(role);
      expect([one(unit, 'Requires'), one(unit, 'After')]).toEqual(Array(2).fill('sallyport-migrate.service'));
      expect(one(unit, 'Restart')).toBe('always');
    }
  });

  test('the API has a higher priority than the others, and each process has a separate metrics port', () => {
    const [api, worker, mcp] = [unitOf('api'), unitOf('worker'), unitOf('mcp')];
    for (const other of [worker, mcp])
      expect(Number(one(api, 'CPUWeight'))).toBeGreaterThan(Number(one(other, 'CPUWeight')));
    expect(Number(one(worker, 'Nice'))).toBeGreaterThan(Number(one(api, 'Nice') ?? 0));
    const ports = [api, worker, mcp].map((unit) =>
      unit.get('Environment')?.find((each) => each.startsWith('METRICS_PORT=')),
    );
    expect(new Set(ports).size).toBe(3);
    expect(ports).not.toContain(undefined);
  });

  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
  test.runIf(hasSystemd)('systemd reports no error, and rates the exposure of each unit at 2.0 or less', () => {
    const copy = testFolder(onTestFinished);
    cpSync(folder, copy, { recursive: true });
    for (const file of globSync('**/*.{service,conf}', { cwd: copy }))
      writeFileSync(join(copy, file), readFileSync(join(copy, file), 'utf8').replaceAll('/opt/sallyport', root));
    const analyze = (...args: string[]) =>
      spawnSync('systemd-analyze', args, {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_UNIT_PATH: `${copy}:` },
      });
    for (const role of roles) {
      const unit = join(copy, `sallyport-${role}.service`);
      const { status, stdout, stderr } = analyze('verify', '--man=no', unit);
      // systemd reports an unknown key on stderr, but does not fail.
      expect([status, stdout, stderr]).toEqual([0, '', '']);
      const security = analyze('security', '--offline=true', '--threshold=20', '--no-pager', unit);
      expect([security.status, security.stdout.match(/exposure level .*: ([\d.]+)/)?.[1]]).toEqual([
        0,
        expect.any(String),
      ]);
    }
  });
});

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
