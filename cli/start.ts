import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { loadProcessConfig, profileWarning } from '../services/platform/config/load.ts';
import { repositoryRoot, resolveDataDir } from '../services/platform/local/data-dir.ts';
import { preparationSteps } from '../services/supervisor/migrate-and-seed.ts';
import { processSpecs } from '../services/supervisor/process-specs.ts';
import {
  banner,
  describeAuditHead,
  describeKeyRing,
  nextSteps,
  type ReadyState,
  readyLine,
} from '../services/supervisor/ready.ts';
import { listenForStop } from '../services/supervisor/stop-requests.ts';
import { supervise } from '../services/supervisor/supervise.ts';
import { watchSources } from '../services/supervisor/watch.ts';
import { exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const watchedFolders = ['services', 'observability', 'jobs', 'prisma', 'examples/tasks-fastify'];

type StartOptions = GlobalOptions & {
  watch?: boolean;
  /** Example services to run beside the product. */
  with?: readonly string[];
};

export function registerStart(program: Command): void {
  program
    .command('start')
    .option('--watch', 'restart API, worker and MCP server when their sources change')
    .addOption(
      new Option('--with <example...>', 'also run an example service: tasks, an API that verifies tokens').choices([
        'tasks',
      ]),
    )
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<StartOptions>();
      const output = createOutput(options);
      const warning = profileWarning(process.env);
      if (warning) output.say(warning);
      if (options.dryRun) return describeStart(output, options);
      await start(options, output);
      // An open handle (an abandoned step, a pool) must not keep the process alive.
      process.exit(exitCodes.ok);
    });
}

async function start(options: StartOptions, output: Output): Promise<void> {
  const requests = listenForStop();
  const isForPeople = process.stdout.isTTY === true && !options.json;
  let wasReady = false;
  void requests.stop.then((reason) =>
    output.say(`stopping (${reason})${wasReady ? '; waiting for requests in flight to finish' : ''} …`),
  );

  const onReady = (state: ReadyState): void => {
    if (wasReady) output.say(`ready again: ${state.publicUrl}`);
    else if (isForPeople) void welcome(state);
    else {
      process.stdout.write(`${readyLine(state)}\n`);
      output.say(nextSteps(state));
    }
    if (options.watch) output.say(`try: curl -s ${state.api}/readyz`);
    wasReady = true;
  };
  const watchLoop = (startAgain: () => Promise<void>): void => {
    const folders = watchedFolders.map((folder) => join(repositoryRoot, folder));
    let restarting = Promise.resolve();
    const watcher = watchSources(folders, (file) => {
      output.say(`${file} changed`);
      restarting = restarting
        .then(() => (requests.isStopping() ? undefined : startAgain()))
        .catch((err: Error) => {
          if (!requests.isStopping()) output.say(`not restarted: ${err.message}`);
        });
    });
    void requests.stop.then(() => watcher.close());
  };
  await supervise({
    env: process.env,
    steps: preparationSteps,
    requests,
    say: output.say,
    onReady,
    withTasks: options.with?.includes('tasks') ?? false,
    ...(options.watch ? { onRunning: watchLoop } : {}),
  });
}

async function welcome(state: ReadyState): Promise<void> {
  const [keyRing, auditHead] = await Promise.all([describeKeyRing(state.api), describeAuditHead(state.api)]);
  console.log(banner(state, keyRing, auditHead).join('\n'));
}

/** Prints the settings that a start would use, without starting. @throws ConfigError */
function describeStart(output: Output, options: StartOptions): void {
  const { env } = process;
  const config = loadProcessConfig(env);
  const { server } = config;
  const plan = {
    data_dir: resolveDataDir(env),
    profile: server.profile,
    port: server.port,
    metrics_port: server.metricsPort,
    postgres: env.DATABASE_URL ? 'DATABASE_URL' : 'embedded',
    redis: env.REDIS_URL ? 'REDIS_URL' : 'private',
    preparation: preparationSteps.map((step) => step.name),
    children: processSpecs(config).map(({ name }) => name),
    examples: options.with ?? [],
  };
  output.data(plan, () => Object.entries(plan).map(([name, value]) => `${name}  ${JSON.stringify(value)}`));
}
