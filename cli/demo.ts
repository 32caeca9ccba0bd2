import { Argument, type Command, Option } from 'commander';
import { prepare } from '../services/migrate/prepare.ts';
import { rehearsed } from './admin.ts';
import { findApi, findTasks, readCredentials } from './api-client.ts';
import { openContext } from './context.ts';
import { seedClinic } from './demo-clinic.ts';
import { seedUsers } from './demo-users.ts';
import { assertHas } from './left-out.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function env(options: GlobalOptions & { readonly api?: string }): void {
  const { user, admin, client, file } = readCredentials();
  const tasks = findTasks();
  const values = {
    API: findApi(options.api),
    ...(tasks === undefined ? {} : { TASKS: tasks }),
    DEMO_EMAIL: user.email,
    DEMO_PASSWORD: user.password,
    ADMIN_EMAIL: admin.email,
    ADMIN_PASSWORD: admin.password,
    CLIENT_ID: client.client_id,
    CLIENT_SECRET: client.client_secret,
    CREDENTIALS_FILE: file,
  };
  createOutput(options).data(values, () =>
    Object.entries(values).map(([name, value]) => `export ${name}=${shellQuoted(value)}`),
  );
}

async function seed(
  scenario: 'clinic' | undefined,
  options: GlobalOptions & { readonly users?: string },
): Promise<void> {
  const output = createOutput(options);
  if (scenario === 'clinic') {
    assertHas('privacy', 'demo seed clinic');
    return seedClinic(output, options);
  }
  if (options.users !== undefined) return seedUsers(output, options, options.users);
  if (rehearsed(output, options, 'create missing demo users')) return;
  const { databaseUrl, redisUrl, dataDir } = await openContext(['databaseUrl', 'redisUrl']);
  const { credentialsFile, migrations } = await prepare({ databaseUrl, redisUrl, dataDir, log: output.say });
  output.data({ credentials_file: credentialsFile, migrations }, () => [
    credentialsFile ?? 'only the development profile has demo users',
  ]);
}

export function registerDemo(program: Command): void {
  const demo = program.command('demo');
  demo
    .command('env')
    .description('print shell variables for the tour: eval "$(npx sallyport demo env)"')
    .addOption(new Option('--api <url>', 'URL of the API; default: the local one').env('SALLYPORT_API'))
    .action((_own, command: Command) => env(command.optsWithGlobals()));
  demo
    .command('seed')
    .description(
      'create missing demo users again, test users with sessions for load tests, or a clinic with health data',
    )
    .addArgument(
      new Argument('[scenario]', 'clinic: staff, encrypted records, consents, an emergency access').choices(['clinic']),
    )
    .option('--users <count>', 'create this many test users instead, each with a session, in load-users.json')
    .action((scenario: 'clinic' | undefined, _own, command: Command) => seed(scenario, command.optsWithGlobals()));
}
