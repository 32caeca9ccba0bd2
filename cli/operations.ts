import type { Command } from 'commander';
import { z } from 'zod';
import { createAccessDirectory } from '../services/core/access/access-directory.ts';
import type { Caller } from '../services/core/ports.ts';
import type { Operation, OperationCommand, PortsOfCommands } from '../services/core/shared/operation.ts';
import { type Listed, loadList } from '../services/modules.ts';
import { isVerificationRequired, secondFactorRolesOf } from '../services/platform/config/identity.ts';
import type { Config } from '../services/platform/config/load.ts';
import type { CommandArgument } from '../services/platform/define/command-option.ts';
import type { Endpoint } from '../services/platform/define/endpoint.ts';
import { addressRefusal } from '../services/platform/http/outbound.ts';
import { type ActOptions, actAsked, addPage, addReason, listPage, noNotices, onDatabase, pageOf } from './admin.ts';
import { checked, requireReason, uuidOf } from './arguments.ts';
import { type DatabasePorts, systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { mailer } from './mailer.ts';
import { addOptions, givenBy, membersOf, offeredBy } from './operation-options.ts';
import { optionReaders } from './option-readers.ts';
import type { GlobalOptions, Output } from './output.ts';

/** Commands that are operations: each calls the rule of its route in this process, directly on the database. */

/** What the settings of this installation say to rules. */
const settingsOf = (config: Config) => ({
  tokenSettings: config.identity,
  verificationRequired: isVerificationRequired(config),
  secondFactorRoles: secondFactorRolesOf(config),
  sessionsPerAccount: config.identity.sessionsPerAccount,
});

/** Adds verbs to the program. */
export type Register = (program: Command) => void;

/** What the rules of the commands of all modules get. */
type CommandPorts = PortsOfCommands<readonly Listed<'operations'>[]>;

type Options = GlobalOptions & Partial<ActOptions> & { readonly limit?: string; readonly cursor?: string };
type Input = Readonly<Record<string, unknown>>;
type Called = {
  readonly endpoint: Endpoint;
  readonly rule: (ports: object, input: object, caller: Caller) => unknown;
  readonly command: OperationCommand<object, object, unknown, unknown>;
};

async function portsOf(endpoint: Endpoint, ports: DatabasePorts): Promise<CommandPorts> {
  const access = createAccessDirectory(ports);
  // What is only read needs no rights.
  if (endpoint.method !== 'GET') await access.load();
  return {
    ...ports,
    ...noNotices,
    ...settingsOf(ports.settings),
    access,
    finders: () => loadList('finders', ports.settings.wings),
    alertAddresses: { refusalOf: (url) => addressRefusal(ports.settings.alerts, url) },
    // Only what sends a mail needs the address of its links.
    get mailer() {
      return mailer(ports.settings).mailer;
    },
    // Our issuer: what events of transmitters name as audience by default.
    get signalAudience() {
      const { settings } = ports;
      return settings.tokens.issuer ?? mailer(settings).mailer.publicUrl;
    },
  };
}

/** Validated by the schema of the body; the rest of the input has its form from the parser. */
function inputOf({ endpoint }: Called, named: Input): Input {
  const inBody = Object.keys(membersOf({ ...endpoint, query: undefined, params: undefined } as unknown as Endpoint));
  const own = Object.fromEntries(Object.entries(named).filter(([member]) => inBody.includes(member)));
  const body = endpoint.body as z.ZodType<object> | undefined;
  return { ...named, ...(inBody.length === 0 ? {} : checked({ body }, own)) };
}

function assertChanges({ endpoint }: Called, given: Input): void {
  if (endpoint.method === 'PATCH' && Object.keys(given).length === 0)
    throw new CommandError(exitCodes.usage, 'no change given', 'add --help for the options');
}

/** The one array of an answer is the list; its name is the API's. */
const listIn = (answer: object): readonly [string, readonly unknown[]] | undefined =>
  Object.entries(answer).find((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));

async function show({ command, rule }: Called, output: Output, ports: object, input: Input, caller: Caller) {
  const answer = (await rule(ports, input, caller)) as object;
  const [name, items] = (command.line && listIn(answer)) ?? [];
  if (name === undefined) return output.data(answer, (shown) => command.lines?.(shown) ?? []);
  const { next } = answer as { readonly next?: string | null };
  return listPage(
    output,
    name,
    { items: items as readonly unknown[], next },
    command.line as (item: unknown) => string,
  );
}

async function act(called: Called, output: Output, options: Options, ports: object, input: Input, caller: Caller) {
  const { command, rule, endpoint } = called;
  const about = await command.about?.(ports, input);
  const [first] = argumentsOf(command);
  const removed = String(input[first?.member ?? ''] ?? '');
  const run = async (): Promise<unknown> => {
    const answer = await rule(ports, input, caller);
    return answer === undefined && endpoint.method === 'DELETE' ? { deleted: removed } : answer;
  };
  const lines = command.lines ?? (() => [`${removed}  deleted`]);
  await actAsked(output, options as ActOptions, String(command.asks?.(input, about)), run, lines);
}

const isArgument = (word: string): boolean => /^[<[]/.test(word);
/** The groups and the name, without the arguments. */
const namesOf = (verb: string): string[] => verb.split(' ').filter((word) => !isArgument(word));

type Placed = Exclude<CommandArgument, string>;

const argumentsOf = ({ verb, arguments: described }: Called['command']): (Placed & { readonly written: string })[] =>
  verb
    .split(' ')
    .filter(isArgument)
    .map((written) => {
      const name = written.replaceAll(/[<>[\].]/g, '');
      const given = described?.[name] ?? name;
      return { written, ...(typeof given === 'string' ? { member: given, help: '' } : given) };
    });

function register(group: Command, called: Called, caller: Caller): void {
  const { endpoint, command } = called;
  const args = argumentsOf(command);
  const names = namesOf(command.verb);
  const members = membersOf(endpoint);
  const verb = group
    .command(names.at(-1) as string)
    .description(command.help ?? endpoint.summary.replace(/^./, (first) => first.toLowerCase()));
  for (const { written, help } of args) verb.argument(written, help);
  if ('cursor' in members) addPage(verb);
  if ('reason' in members) addReason(verb);
  const placedMembers = args.map(({ member }) => member);
  const offered = offeredBy(endpoint, command.options, placedMembers);
  addOptions(verb, endpoint, offered);
  const asked = offered.filter(({ option }) => option.asks !== undefined).map(({ flags }) => flags);
  if (asked.length > 0)
    verb.usage(['[options]', ...args.map(({ written }) => written), ...asked, '--reason <text>'].join(' '));
  verb.action((...given: unknown[]) => {
    const placed = Object.fromEntries(args.map(({ member }, at) => [member, given[at]]));
    // The fix of an id that is not valid is the command that lists such ids, with the arguments before it.
    for (const [at, [member, value]] of Object.entries(placed).entries())
      if (members[member] instanceof z.ZodUUID)
        uuidOf(
          String(value),
          ['sallyport', ...names.slice(0, -1), command.listedBy ?? 'list', ...given.slice(0, at)].join(' '),
        );
    if (command.checksArguments) checked({ body: endpoint.params as z.ZodType<object> }, placed);
    return onDatabase<Options>(given.at(-1) as Command, async (database, output, options) => {
      if (command.loadsKeys) await database.keyRing.load();
      for (const { member, reads } of args)
        if (reads !== undefined)
          Object.assign(placed, await optionReaders[reads](String(placed[member]), member, database));
      const changes = await givenBy(endpoint, offered, options as Input, database);
      assertChanges(called, changes);
      if ('reason' in members) requireReason(String(options.reason));
      const reason = 'reason' in members ? { reason: options.reason } : {};
      const page = 'cursor' in members ? pageOf(options as Parameters<typeof pageOf>[0]) : {};
      const input = inputOf(called, { ...placed, ...changes, ...reason, ...page });
      const ports = await portsOf(endpoint, database);
      if (command.asks === undefined) await show(called, output, ports, input, caller);
      else await act(called, output, options, ports, input, caller);
    });
  });
}

/**
 * Adds the commands among the operations.
 * @example registerOperations(program, clientOperations)
 */
export function registerOperations(program: Command, operations: readonly Operation[]): void {
  for (const operation of operations as unknown as readonly (Called | { readonly command: undefined })[]) {
    if (operation.command === undefined) continue;
    const names = namesOf(operation.command.verb);
    const group = names
      .slice(0, -1)
      .reduce(
        (parent, child) => parent.commands.find((verb) => verb.name() === child) ?? parent.command(child),
        program,
      );
    register(group, operation as Called, systemCaller(`sallyport ${names[0]}`));
  }
}
