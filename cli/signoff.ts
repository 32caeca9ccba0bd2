import { type Command, Option } from 'commander';
import { approveSignOffEndpoint, type SignOffView } from '../services/wings/signoff/contract.ts';
import { signOffLine, signOffOperations } from '../services/wings/signoff/operations.ts';
import { labelledArguments, shownArguments } from '../services/wings/signoff/shown-arguments.ts';
import { type Decision, SIGNOFF_ROLES, type SignOffRole } from '../services/wings/signoff/signoff-shapes.ts';
import { rehearsed } from './admin.ts';
import { callApi, findApi } from './api-client.ts';
import { checked, uuidOf } from './arguments.ts';
import { confirm } from './confirm.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { registerOperations } from './operations.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const LISTING = 'sallyport signoff list';

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

const lines = (signOff: SignOffView): string[] => [
  signOffLine(signOff),
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
  const what = `${decision} ${asked.act} as ${role}`;
  if (options.dryRun) {
    const { body } = await callApi(api, `${path}/${decision}`, { json: { ...json, dry_run: true }, authorization });
    output.say(`it would be ${body.state}`);
    rehearsed(output, options, what);
    return;
  }
  if (!options.yes) await confirm(`${decision === 'approve' ? 'Approve' : 'Deny'} ${asked.act} as ${role}?`);
  const { body } = await callApi(api, `${path}/${decision}`, { json, authorization });
  output.data(body as unknown as SignOffView, (decided) => [signOffLine(decided)]);
}

/** `sallyport signoff list` on the database; `approve` and `deny` at the API, as the person whose token is given. */
export function registerSignOff(program: Command): void {
  registerOperations(program, signOffOperations);
  const signoff = program.commands.find((verb) => verb.name() === 'signoff') as Command;
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
