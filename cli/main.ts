// PROCESS: the command line. A verb is a file that exports a function which adds itself to the program.
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../services/platform/config/load.ts';
import { registerApiKeys } from './api-keys.ts';
import { registerAudit } from './audit.ts';
import { registerClients } from './clients.ts';
import { registerConfig } from './config.ts';
import { registerDemo } from './demo.ts';
import { registerDoctor } from './doctor.ts';
import { CommandError, type ExitCode, exitCodes } from './exit-codes.ts';
import { registerIncidents } from './incidents.ts';
import { registerKeys } from './keys.ts';
import { registerMail } from './mail.ts';
import { registerMigrate } from './migrate.ts';
import { registerQueue } from './queue.ts';
import { registerRestore } from './restore.ts';
import { registerRoles } from './roles.ts';
import { registerSessions } from './sessions.ts';
import { registerStart } from './start.ts';
import { registerStatus } from './status.ts';
import { registerToken } from './token.ts';
import { registerUsers } from './users.ts';

const verbs: readonly ((program: Command) => void)[] = [
  registerStart,
  registerStatus,
  registerDoctor,
  registerKeys,
  registerApiKeys,
  registerToken,
  registerAudit,
  registerIncidents,
  registerUsers,
  registerSessions,
  registerRoles,
  registerClients,
  registerQueue,
  registerMail,
  registerRestore,
  registerMigrate,
  registerConfig,
  registerDemo,
];

const program = new Command('sallyport')
  .description('Auth platform: tokens issued, validated, refreshed and revoked.')
  .option('--json', 'data as one line of JSON')
  .option('-q, --quiet', 'no talk on stderr')
  .option('-y, --yes', 'answer every question with yes')
  .option('--dry-run', 'say what would be done, and do nothing')
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();
for (const register of verbs) register(program);

// A reader that went away (a closed pipe) is no reason to fall.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  await program.parseAsync();
} catch (err) {
  // Whatever still holds the event loop (a pool, the launcher's channel) must not hold the process.
  process.exit(tell(err));
}

/** Says on stderr what went wrong, and gives the exit code. */
function tell(err: unknown): ExitCode {
  if (err instanceof CommanderError) return err.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (err instanceof ConfigError) {
    const lines = err.problems.map(({ env, problem, fix }) => `${env} ${problem}\n  fix: ${fix}\n`);
    process.stderr.write(`sallyport: the configuration is refused\n${lines.join('')}`);
    return exitCodes.refused;
  }
  if (err instanceof CommandError) {
    process.stderr.write(`sallyport: ${err.message}\n${err.fix ? `  fix: ${err.fix}\n` : ''}`);
    return err.exitCode;
  }
  process.stderr.write(`sallyport: ${err instanceof Error ? (err.stack ?? err.message) : String(err)}\n`);
  return exitCodes.checkFailed;
}
