import { Command } from 'commander';
import { registerApiKeys } from './api-keys.ts';
import { registerAudit } from './audit/audit.ts';
import { registerClients } from './clients.ts';
import { registerCompletion } from './completion.ts';
import { registerConfig } from './config.ts';
import { registerDemo } from './demo.ts';
import { registerDoctor } from './doctor/doctor.ts';
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
import { registerUsers } from './users/users.ts';

// A verb is a file that exports a function which adds itself to the program.
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
  registerCompletion,
];

/** The command line with every verb; an end of its own becomes an error. */
export function createProgram(): Command {
  const program = new Command('sallyport')
    .description('Auth platform: tokens issued, validated, refreshed and revoked.')
    .option('--json', 'data as one line of JSON')
    .option('-q, --quiet', 'no talk on stderr')
    .option('-y, --yes', 'answer every question with yes')
    .option('--dry-run', 'say what would be done, and do nothing')
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  for (const register of verbs) register(program);
  return program;
}
