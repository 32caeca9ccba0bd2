import { Command } from 'commander';
import { version } from '../observability/version.ts';

type Register = (program: Command) => void;

// Each verb is a file that exports a function that adds the verb to the program.
const verbs: Readonly<Record<string, () => Promise<Register>>> = {
  start: async () => (await import('./start.ts')).registerStart,
  status: async () => (await import('./status.ts')).registerStatus,
  doctor: async () => (await import('./doctor/doctor.ts')).registerDoctor,
  keys: async () => (await import('./keys.ts')).registerKeys,
  apply: async () => (await import('./apply.ts')).registerApply,
  applications: async () => (await import('./applications.ts')).registerApplications,
  agents: async () => (await import('./agents.ts')).registerAgents,
  'api-keys': async () => (await import('./api-keys.ts')).registerApiKeys,
  token: async () => (await import('./token.ts')).registerToken,
  audit: async () => (await import('./audit/audit.ts')).registerAudit,
  incidents: async () => (await import('./incidents.ts')).registerIncidents,
  report: async () => (await import('./report.ts')).registerReport,
  users: async () => (await import('./users/users.ts')).registerUsers,
  sessions: async () => (await import('./sessions.ts')).registerSessions,
  roles: async () => (await import('./roles.ts')).registerRoles,
  clients: async () => (await import('./clients.ts')).registerClients,
  queue: async () => (await import('./queue.ts')).registerQueue,
  mail: async () => (await import('./mail.ts')).registerMail,
  phi: async () => (await import('./phi.ts')).registerPhi,
  privacy: async () => (await import('./privacy/privacy.ts')).registerPrivacy,
  signoff: async () => (await import('./signoff.ts')).registerSignOff,
  restore: async () => (await import('./restore.ts')).registerRestore,
  migrate: async () => (await import('./migrate.ts')).registerMigrate,
  config: async () => (await import('./config.ts')).registerConfig,
  demo: async () => (await import('./demo.ts')).registerDemo,
  completion: async () => (await import('./completion.ts')).registerCompletion,
};

const EXIT_CODES =
  'Exit codes: 0 done, 1 a check failed, 2 wrong arguments, 3 a store or the API is unreachable, 4 waits for a person, 5 refused.';

/** Options allowed before a verb. */
const FOR_ALL = ['--json', '-q', '--quiet', '-y', '--yes', '--dry-run'];

/** The verbs to load for these arguments: the named one, or all of them for help, completion and suggestions. */
function verbsOf(args: readonly string[]): string[] {
  const asked = args.find((arg) => !FOR_ALL.includes(arg));
  const isOne = asked !== undefined && asked !== 'completion' && Object.hasOwn(verbs, asked);
  return isOne ? [asked] : Object.keys(verbs);
}

/**
 * Builds the command line; Commander throws errors instead of exiting.
 * @param args loads only the verb that they name, since loading is most of a short run's cost; without them all
 */
export async function createProgram(args: readonly string[] = []): Promise<Command> {
  const program = new Command('sallyport')
    .description('Run and administer an auth platform that issues, validates, refreshes and revokes tokens.')
    .version(version, '-V, --version', 'print the version')
    .option('--json', 'print data as one line of JSON')
    .option('-q, --quiet', 'print no messages on stderr')
    .option('-y, --yes', 'answer every question with yes')
    .option('--dry-run', 'show what would be done, without doing it')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('afterAll', `\n${EXIT_CODES}`)
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  for (const register of await Promise.all(verbsOf(args).map((verb) => verbs[verb]!()))) register(program);
  return program;
}
