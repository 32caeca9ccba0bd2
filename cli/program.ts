import { Command, type Option } from 'commander';
import { version } from '../observability/version.ts';
import type { Wing } from '../services/platform/config/wings.ts';
import type { Register } from './operations.ts';

type Verb = {
  /** The wing that it acts on; refused in an installation without it. */
  readonly wing?: Wing;
  readonly summary: string;
  /** A file whose function adds the verb to the program. */
  readonly load: () => Promise<Register>;
};

/** The operations of a module that are the verb. */
async function folded(module: string, verb: string): Promise<Register> {
  const [{ registerOperations }, { operationsOf }] = await Promise.all([
    import('./operations.ts'),
    import('../services/modules.ts'),
  ]);
  const operations = (await operationsOf(module)).filter(({ command }) => command?.verb.split(' ')[0] === verb);
  return (program) => registerOperations(program, operations);
}

/** A verb of which only some are operations, which it adds in their place. */
async function partlyFolded(
  module: string,
  verb: string,
  load: () => Promise<(program: Command, addOperations: Register) => void>,
): Promise<Register> {
  const [addOperations, register] = [await folded(module, verb), await load()];
  return (program) => register(program, addOperations);
}

export const verbs: Readonly<Record<string, Verb>> = {
  start: {
    summary: 'start Postgres, Redis, API, worker and MCP server on this machine; Ctrl-C stops them',
    load: async () => (await import('./start.ts')).registerStart,
  },
  init: {
    summary:
      'set up an installation: five questions, then settings, keys, the first administrator and the first client',
    load: async () => (await import('./init.ts')).registerInit,
  },
  status: {
    summary: 'show what is running from this data directory',
    load: async () => (await import('./status.ts')).registerStatus,
  },
  doctor: {
    summary: 'check settings, stores, keys and the running API',
    load: async () => (await import('./doctor/doctor.ts')).registerDoctor,
  },
  keys: {
    summary: 'manage signing keys: list, rotate, compromise, timeline, wrap, rewrap',
    load: async () => (await import('./keys.ts')).registerKeys,
  },
  apply: {
    summary:
      'create or change an application, its permissions, roles and policies of sign-off as a YAML file declares them',
    load: async () => (await import('./apply.ts')).registerApply,
  },
  applications: {
    summary: 'manage applications with permissions of their own: list, delete (to declare one: sallyport apply)',
    load: () => folded('access', 'applications'),
  },
  agents: {
    wing: 'agents',
    summary: 'register, list, show, limit, explain (why) and kill agents: software that acts for a user',
    load: () => folded('agents', 'agents'),
  },
  'api-keys': {
    summary: 'manage API keys: list, create, rotate, revoke',
    load: async () => (await import('./api-keys.ts')).registerApiKeys,
  },
  token: {
    summary: 'work with single tokens: issue, inspect, validate, revoke',
    load: async () => (await import('./token.ts')).registerToken,
  },
  audit: {
    summary: 'read and verify the sealed audit log: tail, verify, key, prove, export, report, continue, erase',
    load: async () => (await import('./audit/audit.ts')).registerAudit,
  },
  dashboard: {
    wing: 'monitoring',
    summary: 'show sign-ins, incidents, the speed of tokens, and the use of processors, memory, pools and queues',
    load: () => folded('monitoring', 'dashboard'),
  },
  capacity: {
    wing: 'monitoring',
    summary: 'predict when limits are reached, and advise on settings',
    load: () => folded('monitoring', 'capacity'),
  },
  reports: {
    wing: 'monitoring',
    summary: 'make, list and show security reports (run, list, show)',
    load: () => partlyFolded('monitoring', 'reports', async () => (await import('./reports.ts')).registerReports),
  },
  incidents: {
    summary:
      'handle security incidents (list, show, acknowledge, close) and events that could not be evaluated (unjudged, retry)',
    load: () => partlyFolded('security', 'incidents', async () => (await import('./incidents.ts')).registerIncidents),
  },
  transmitters: {
    wing: 'outbound',
    summary: 'say which systems may end sessions here by shared signals: add, list, remove, received',
    load: () => folded('outbound/signals', 'transmitters'),
  },
  'signal-streams': {
    wing: 'outbound',
    summary: 'streams of shared signals of every receiver: list, status, verify',
    load: () => folded('outbound/signals', 'signal-streams'),
  },
  alerts: {
    wing: 'outbound',
    summary: 'see, acknowledge and resolve alerts: list, acknowledge, resolve',
    load: () => folded('outbound/alerts', 'alerts'),
  },
  'alert-targets': {
    wing: 'outbound',
    summary: 'say where alerts are sent: add, list, update, remove, test, deliveries',
    load: () => folded('outbound/alerts', 'alert-targets'),
  },
  silences: {
    wing: 'outbound',
    summary: 'do not send some alerts for a while: add, list, end',
    load: () => folded('outbound/alerts', 'silences'),
  },
  violations: {
    wing: 'compliance',
    summary: 'list violations of compliance controls, and acknowledge the events that they name',
    load: () => folded('compliance', 'violations'),
  },
  report: {
    wing: 'compliance',
    summary: 'build, list and show compliance reports (run, list, show), and verify a bundle offline (verify)',
    load: () => partlyFolded('compliance', 'report', async () => (await import('./report.ts')).registerReport),
  },
  search: {
    summary: 'find people, clients, agents, roles, API keys, incidents and events by a part of what is known of them',
    load: () => folded('access', 'search'),
  },
  users: {
    summary:
      'accounts: list, show, why, invite, invite-again, disable, enable, reset-factors, send-password-mail, verify-email, change-email, consents, withdraw-consent, delete, roles, unlock',
    load: async () => (await import('./users/users.ts')).registerUsers,
  },
  import: {
    wing: 'import',
    summary:
      'import users from an export of auth0, better-auth, clerk, cognito, csv, firebase, keycloak, mongo, ndjson, supabase or zitadel; status, certificate, verify',
    load: async () => (await import('./import/import.ts')).registerImport,
  },
  export: {
    wing: 'import',
    summary: 'write every user, with password hashes and factors, as ndjson or csv',
    load: async () => (await import('./import/export.ts')).registerExport,
  },
  sessions: {
    summary: 'manage browser sessions and their token families: list, reach, revoke',
    load: async () => (await import('./sessions.ts')).registerSessions,
  },
  roles: {
    summary: 'manage roles and their permissions: list, create, set, delete',
    load: () => folded('access', 'roles'),
  },
  clients: {
    summary: 'OAuth clients: list, show, why, refusals, create, update, rotate-secret, disable, enable, delete',
    load: () => folded('access', 'clients'),
  },
  queue: {
    summary:
      'show jobs and schedules (list), look at, retry or remove dead letters (show, retry, discard), remove waiting jobs (drain)',
    load: async () => (await import('./queue.ts')).registerQueue,
  },
  mail: {
    summary: 'read mails that were written to files because SMTP_URL is not set: list, show',
    load: async () => (await import('./mail.ts')).registerMail,
  },
  phi: {
    wing: 'privacy',
    summary: 'protect health data: encrypt, decrypt, and manage its keys (keys, rotate, rotation, shred)',
    load: () => partlyFolded('privacy', 'phi', async () => (await import('./phi.ts')).registerPhi),
  },
  privacy: {
    wing: 'privacy',
    summary:
      'manage access to health data of persons: accesses, policies, break-glass, restrictions, disclosures, consents, export, delete, request, holds, retention',
    load: async () => (await import('./privacy/privacy.ts')).registerPrivacy,
  },
  siem: {
    wing: 'handoff',
    summary: 'list the targets of the SIEM export, and send one the events from a position on again (replay)',
    load: () => folded('outbound/handoff', 'siem'),
  },
  signoff: {
    wing: 'signoff',
    summary: 'list, approve and deny acts that wait for sign-off',
    load: async () => (await import('./signoff.ts')).registerSignOff,
  },
  backup: {
    wing: 'recovery',
    summary: 'write an encrypted backup of the database, or read one and name its damage (verify)',
    load: async () => (await import('./backup.ts')).registerBackup,
  },
  restore: {
    wing: 'recovery',
    summary:
      'show whether the database has lost commits; with --accept-loss, accept the loss and end every session and token; with --from, fill an empty database from a backup',
    load: async () => (await import('./restore.ts')).registerRestore,
  },
  integrity: {
    wing: 'recovery',
    summary: 'find orphans, guards that are not in force, and faults of the audit log in the whole database: check',
    load: async () => (await import('./integrity.ts')).registerIntegrity,
  },
  migrate: {
    summary: 'manage the database schema: status, up',
    load: async () => (await import('./migrate.ts')).registerMigrate,
  },
  releases: {
    summary: 'list the versions that were deployed and rolled back: list',
    load: async () => (await import('./releases.ts')).registerReleases,
  },
  upgrade: {
    summary: 'try an upgrade of the database in a copy of it: check',
    load: async () => (await import('./upgrade.ts')).registerUpgrade,
  },
  rollback: {
    summary: 'return the database to an older version, or say why that is refused',
    load: async () => (await import('./releases.ts')).registerRollback,
  },
  config: {
    summary: 'show the settings of this environment: print, explain',
    load: async () => (await import('./config.ts')).registerConfig,
  },
  demo: {
    summary: 'set up the demo users and their client: env, seed',
    load: async () => (await import('./demo.ts')).registerDemo,
  },
  completion: {
    summary: 'print a script that completes verbs and options: source <(sallyport completion bash)',
    load: async () => (await import('./completion.ts')).registerCompletion,
  },
};

const EXIT_CODES =
  'Exit codes: 0 done, 1 a check failed, 2 wrong arguments, 3 a store or the API is unreachable, 4 waits for a person, 5 refused, 6 no key to trust, 7 TLS to a store failed.';

/** A reason without a default is required, except by a dry run (`addReason`). */
const isRequired = ({ mandatory, long, defaultValue }: Option): boolean =>
  mandatory || (long === '--reason' && defaultValue === undefined);

/** The usage line, with the options that a verb requires. */
function usageOf(command: Command): string {
  const required = command.options.filter((option) => isRequired(option) && !command.usage().includes(option.flags));
  const parents: string[] = [];
  for (let at = command.parent; at !== null; at = at.parent) parents.unshift(at.name());
  return [...parents, command.name(), command.usage(), ...required.map(({ flags }) => flags)].join(' ');
}

/** Adds a verb, or only its name and summary: loading a verb is most of a short run's cost. */
async function addVerb(program: Command, name: string, verb: Verb, isLoaded: boolean): Promise<void> {
  if (isLoaded) (await verb.load())(program);
  else program.command(name);
  const { summary, wing } = verb;
  const added = program.commands.at(-1)?.description(summary);
  if (wing !== undefined) added?.hook('preAction', async () => (await import('./left-out.ts')).assertHas(wing, name));
}

/**
 * Builds the command line; Commander throws errors instead of exiting.
 * @param args loads only the verb that they name first; without them, and for completion, loads all
 */
export async function createProgram(args?: readonly string[]): Promise<Command> {
  const program = new Command('sallyport')
    .description('Run and administer an auth platform that issues, validates, refreshes and revokes tokens.')
    .version(version, '-V, --version', 'print the version')
    .option('--json', 'print data as one line of JSON')
    .option('-q, --quiet', 'print no messages on stderr')
    .option('-y, --yes', 'answer every question with yes')
    .option('--dry-run', 'show what would be done, without doing it')
    .configureHelp({ showGlobalOptions: true, commandUsage: usageOf })
    .addHelpText('afterAll', `\n${EXIT_CODES}`)
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  const asked = args?.find((arg) => Object.hasOwn(verbs, arg));
  const isAll = args === undefined || asked === 'completion';
  for (const [name, verb] of Object.entries(verbs)) await addVerb(program, name, verb, isAll || name === asked);
  return program;
}
