// The gate before production: every step must be green, in this order, or nothing after it happens.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '#observability/version.ts';
import { readMigrations, readReleases } from '#services/platform/postgres/migration-files.ts';
import { expectRecorded } from '../test/record.ts';
import { changedFiles, lacksOf } from './describe-release.ts';
import { type GateStep, runCommand, runSteps } from './steps.ts';
import { validateStaging } from './validate-staging.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const AUDIT_REPORT = resolve(import.meta.dirname, 'results/dependencies.json');

const HELP = `npm run release:gate -- --staging URL --client ID [--deploy-staging COMMAND] [--deploy-production COMMAND]

Steps, in this order; the first that fails blocks all that follow, and the exit code is 1:
  release      the commit is clean, CHANGELOG.md and prisma/releases.json name the version
  tests        npm run test:all, and its record is of just this tree
  rehearsal    npm run rehearse: the release before and this one side by side under load, up, down, up
  advisories   npm run audit, with nothing skipped; the dated list of advisories is at most 30 days old
  upgrade      sallyport upgrade check VERSION --rows all, on the database of staging (STAGING_DATABASE_URL)
  deploy       --deploy-staging
  validation   the last security validation of staging, over the network
  production   --deploy-production

Settings: STAGING_DATABASE_URL, STAGING_CLIENT_SECRET (of --client: client credentials, and revocation of its tokens)
  --list       prints the steps and ends
`;

const required = (name: string, value: string | undefined): string => {
  if (!value) throw new Error(`${name} is missing: see --help`);
  return value;
};

async function checkRelease(): Promise<void> {
  const [lack] = lacksOf({
    version,
    changelog: readFileSync(resolve(ROOT, 'CHANGELOG.md'), 'utf8'),
    releases: await readReleases(),
    migrations: (await readMigrations()).map(({ name }) => name),
    changed: changedFiles(ROOT),
  });
  if (lack) throw new Error(lack);
}

type Asked = { staging?: string; client?: string; 'deploy-staging'?: string; 'deploy-production'?: string };

function stepsOf(asked: Asked): GateStep[] {
  const url = required('--staging', asked.staging);
  const id = required('--client', asked.client);
  const secret = required('STAGING_CLIENT_SECRET', process.env.STAGING_CLIENT_SECRET);
  const databaseUrl = required('STAGING_DATABASE_URL', process.env.STAGING_DATABASE_URL);
  const deploys = (name: string, command: string | undefined): GateStep[] =>
    command === undefined ? [] : [{ name, run: () => runCommand(command) }];
  const check = ['tools/sallyport.mjs', 'upgrade', 'check', version, '--rows', 'all'];
  return [
    { name: 'release', run: checkRelease },
    {
      name: 'tests',
      run: async () => {
        await runCommand('npm', ['run', 'test:all']);
        expectRecorded(ROOT);
      },
    },
    { name: 'rehearsal', run: () => runCommand('npm', ['run', 'rehearse']) },
    {
      name: 'advisories',
      run: async () => {
        await runCommand(process.execPath, ['tools/checks/listed-advisories.ts', '--fresh']);
        await runCommand('npm', ['run', 'audit', '--', '--report', AUDIT_REPORT], { DEPENDENCY_AUDIT: 'required' });
      },
    },
    { name: 'upgrade', run: () => runCommand(process.execPath, check, { DATABASE_URL: databaseUrl }) },
    ...deploys('deploy', asked['deploy-staging']),
    { name: 'validation', run: () => validateStaging({ url, client: { id, secret }, version }) },
    ...deploys('production', asked['deploy-production']),
  ];
}

const say = (text: string): void => void process.stderr.write(`gate: ${text}\n`);

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ staging: text, client: text, 'deploy-staging': text, 'deploy-production': text },
      ...{ list: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const steps = stepsOf(values);
  if (values.list) return void process.stdout.write(`${steps.map(({ name }) => name).join('\n')}\n`);
  const results = await runSteps(steps, say);
  const isOpen = results.every(({ failure }) => failure === undefined);
  process.stdout.write(`${JSON.stringify({ version, open: isOpen, steps: results })}\n`);
  if (!isOpen) process.exitCode = 1;
}

try {
  await main();
} catch (err) {
  say((err as Error).message);
  process.exitCode = 2;
}
