import { type Command, Option } from 'commander';
import { approveSignOffEndpoint, type SignOffView } from '../services/domain/signoff/contract.ts';
import { listSignOffs } from '../services/domain/signoff/read-signoff.ts';
import { labelledArguments, shownArguments } from '../services/domain/signoff/shown-arguments.ts';
import {
  type Decision,
  SIGNOFF_ROLES,
  SIGNOFF_STATES,
  type SignOffRole,
  type SignOffState,
} from '../services/domain/signoff/signoff-shapes.ts';
import { addPage, type ListOptions, listPage, onDatabase, pageOf, rehearsed } from './admin.ts';
import { callApi, findApi } from './api-client.ts';
import { checked, uuidOf } from './arguments.ts';
import { confirm } from './confirm.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const LISTING = 'sallyport signoff list';

type Filters = ListOptions & { readonly state?: SignOffState; readonly role?: SignOffRole };
type DecideOptions = GlobalOptions & { readonly api?: string; readonly role: SignOffRole; readonly comment?: string };

/** The person, never the command, decides: a command without a person would bypass roles and second factors. */
function accessTokenOf(env: NodeJS.ProcessEnv = process.env): string {
  const token = env.SALLYPORT_TOKEN;
  if (token === undefined || token === '')
    throw new CommandError(
      exitCodes.usage,
      'SALLYPORT_TOKEN is not set',
      'set it to your access token from a recent sign-in with your second factor, or open /signoff in a browser',
    );
  return token;
}

const line = (signOff: SignOffView): string =>
  [
    signOff.signoff_id,
    signOff.state.padEnd(11),
    `${signOff.decisions.filter(({ decision }) => decision === 'approve').length}/${signOff.quorum}`,
    signOff.act,
    signOff.title,
  ].join('  ');

const lines = (signOff: SignOffView): string[] => [
  line(signOff),
  `requested by ${signOff.requested_by.kind} ${signOff.requested_by.id}, expires ${signOff.expires_at}`,
  `waiting for ${signOff.waiting_for.join(', ') || 'no role'}`,
  ...signOff.decisions.map(({ role, user_id: userId, decision }) => `${role}: ${decision} by ${userId}`),
  ...labelledArguments(signOff.arguments, signOff.argument_labels, 'en').map(({ label, text }) => `${label}: ${text}`),
  `arguments, SHA-256 ${signOff.arguments_sha256}:`,
  shownArguments(signOff.arguments),
];

async function decide(decision: Decision, id: string, command: Command): Promise<void> {
  const options = command.optsWithGlobals<DecideOptions>();
  const output = createOutput(options);
  const signOffId = uuidOf(id, LISTING);
  const authorization = `Bearer ${accessTokenOf()}`;
  const api = findApi(options.api);
  const path = `/v1/handoff/signoffs/${signOffId}`;
  const asked = (await callApi(api, path, { authorization })).body as unknown as SignOffView;
  const { role, comment } = options;
  const json = checked(approveSignOffEndpoint, { role, comment, arguments_sha256: asked.arguments_sha256 });
  for (const shown of lines(asked)) output.say(shown);
  if (rehearsed(output, options, `${decision} ${asked.act} as ${role}`)) return;
  if (!options.yes) await confirm(`${decision === 'approve' ? 'Approve' : 'Deny'} ${asked.act} as ${role}?`);
  const { body } = await callApi(api, `${path}/${decision}`, { json, authorization });
  output.data(body as unknown as SignOffView, (decided) => [line(decided)]);
}

/** `sallyport signoff list` on the database; `approve` and `deny` at the API, as the person whose token is given. */
export function registerSignOff(program: Command): void {
  const signoff = program.command('signoff');
  addPage(signoff.command('list'))
    .description('list sign-offs, newest first')
    .addOption(new Option('--state <state>', 'only sign-offs in this state').choices(SIGNOFF_STATES))
    .addOption(new Option('--role <role>', 'only sign-offs that ask for this role').choices(SIGNOFF_ROLES))
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const { state, role } = options;
        listPage(output, 'signoffs', await listSignOffs(ports, { ...pageOf(options), state, role }), line);
      }),
    );
  for (const [decision, description] of [
    ['approve', 'approve an act, as the person whose access token is in SALLYPORT_TOKEN'],
    ['deny', 'deny an act, as the person whose access token is in SALLYPORT_TOKEN'],
  ] as const)
    signoff
      .command(decision)
      .description(description)
      .argument('<signoff_id>')
      .addOption(new Option('--role <role>', 'one of your roles').choices(SIGNOFF_ROLES).makeOptionMandatory())
      .option('--comment <text>', 'comment, stored with the decision')
      .addOption(new Option('--api <url>', 'URL of the API; default: the local one').env('SALLYPORT_API'))
      .action((id: string, _own, command: Command) => decide(decision, id, command));
}
