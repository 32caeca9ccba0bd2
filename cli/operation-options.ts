import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { Ports } from '../services/core/ports.ts';
import { type CommandOption, type CommandOptions, optionOf } from '../services/platform/define/command-option.ts';
import type { Endpoint } from '../services/platform/define/endpoint.ts';
import { listed, wholeNumberOf } from './arguments.ts';
import { ask } from './confirm.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { optionReaders } from './option-readers.ts';

/** Options of the commands that are operations: their names, choices and values follow from the shapes of the contract. */

const DEFAULT = 'default';

type Shapes = Readonly<Record<string, z.ZodType>>;
type Given = Readonly<Record<string, unknown>>;

const shapesIn = (shape: z.ZodType | undefined): Shapes => {
  const object = shape === undefined ? undefined : bareOf(shape).shape;
  return object instanceof z.ZodObject ? (object.shape as Shapes) : {};
};

/** The members of body, query and path, by their names on the wire. */
export const membersOf = ({ body, query, params }: Endpoint): Shapes => ({
  ...shapesIn(query),
  ...shapesIn(params),
  ...shapesIn(body),
});

/** The shape without `optional`, `default` and `nullable`, and the option that it declares. */
function bareOf(shape: z.ZodType) {
  let at = shape;
  let isNullable = false;
  let declared = optionOf(at);
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodNullable) {
    isNullable ||= at instanceof z.ZodNullable;
    at = at.unwrap() as z.ZodType;
    declared ??= optionOf(at);
  }
  return { shape: at, isNullable, declared };
}

const choicesOf = (member: z.ZodType | undefined): string[] | undefined => {
  if (member === undefined) return undefined;
  const { shape, isNullable } = bareOf(member);
  if (!(shape instanceof z.ZodEnum)) return undefined;
  return [...(shape.options as string[]), ...(isNullable ? [DEFAULT] : [])];
};

const isRequired = (shape: z.ZodType | undefined): boolean =>
  shape !== undefined && !shape.safeParse(undefined).success;

const dashed = (member: string): string => member.replaceAll('_', '-');

function flagsOf(member: string, shape: z.ZodType): string {
  const bare = bareOf(shape).shape;
  if (bare instanceof z.ZodBoolean) return `--${dashed(member)}`;
  if (bare instanceof z.ZodArray) return `--${dashed(member)} <${dashed(member)}...>`;
  return `--${dashed(member)} <text>`;
}

const describedBy = (option: string | CommandOption): CommandOption =>
  typeof option === 'string' ? { help: option } : option;

const longOf = (flags: string): string => /--[\w-]+/.exec(flags)?.[0] ?? flags;
const nameOf = (flags: string): string => new Option(flags).attributeName();

/** One option, and its negation where it has one. */
type Offered = { readonly member: string; readonly flags: string; readonly option: CommandOption };

/** Options that the shapes of the members declare; a text that the contract sets where there is none is its default. */
const declaredBy = (members: Shapes): CommandOptions =>
  Object.fromEntries(
    Object.entries(members).flatMap(([member, shape]): [string, CommandOption][] => {
      const { declared } = bareOf(shape);
      const { data } = shape.safeParse(undefined);
      return declared ? [[member, typeof data === 'string' ? { default: data, ...declared } : declared]] : [];
    }),
  );

/**
 * What a command offers: the options of its members, and those that it names itself, which come first.
 * @param placed members that are arguments
 */
export function offeredBy(endpoint: Endpoint, own: CommandOptions = {}, placed: readonly string[] = []): Offered[] {
  const members = membersOf(endpoint);
  const options = Object.entries({ ...own, ...declaredBy(members), ...own });
  return options
    .filter(([member]) => !placed.includes(member))
    .map(([member, given]) => {
      const option = describedBy(given);
      const shape = members[member];
      if (option.flags === undefined && shape === undefined)
        throw new TypeError(`${endpoint.operation} has no member ${member}`);
      return { member, option, flags: option.flags ?? flagsOf(member, shape as z.ZodType) };
    });
}

export function addOptions(command: Command, endpoint: Endpoint, offered: readonly Offered[]): void {
  const members = membersOf(endpoint);
  for (const { member, flags, option } of offered) {
    const added = new Option(flags, option.help);
    const choices = flags.includes('<') && option.reads === undefined ? choicesOf(members[member]) : undefined;
    const offeredChoices = option.choices ?? choices;
    if (offeredChoices !== undefined) added.choices(offeredChoices);
    if (added.variadic && option.keepsCommas !== true) added.argParser(listed);
    if (typeof option.default === 'string') added.default(option.default);
    if (isRequired(members[member]) && option.default === undefined && option.asks === undefined)
      added.makeOptionMandatory();
    command.addOption(added);
    // A change can take back what is set; a new one has it only if it is given.
    const isChange = endpoint.method === 'PATCH' || endpoint.method === 'PUT';
    if (option.no !== undefined && isChange) command.option(longOf(flags).replace('--', '--no-'), option.no);
  }
}

function memberOf({ flags, option }: Offered, shape: z.ZodType | undefined, given: unknown): unknown {
  if (shape === undefined) return given;
  const { shape: bare, isNullable } = bareOf(shape);
  if (given === true && option.value !== undefined) return option.value;
  if (isNullable && (given === false || (given === DEFAULT && bare instanceof z.ZodEnum))) return null;
  if (bare instanceof z.ZodNumber && typeof given === 'string')
    return wholeNumberOf(longOf(flags), given, bare.minValue ?? 0, bare.maxValue ?? Number.MAX_SAFE_INTEGER);
  return given;
}

/** The members of the input that the options of a command set. */
export async function givenBy(
  endpoint: Endpoint,
  offered: readonly Offered[],
  options: Given,
  ports: Pick<Ports, 'sql'>,
): Promise<Given> {
  const members = membersOf(endpoint);
  const input: Record<string, unknown> = {};
  const setBy = new Map<string, string>();
  for (const each of offered) {
    const { asks } = each.option;
    const given = options[nameOf(each.flags)] ?? (asks && (await ask(asks, longOf(each.flags))));
    if (given === undefined) continue;
    const read = typeof given === 'string' && each.option.reads ? optionReaders[each.option.reads] : undefined;
    const made = await (read?.(given as string, each.member, ports) ?? {
      [each.member]: memberOf(each, members[each.member], given),
    });
    for (const member of Object.keys(made)) {
      const other = setBy.get(member);
      if (other !== undefined)
        throw new CommandError(
          exitCodes.usage,
          `${other} and ${longOf(each.flags)} exclude each other`,
          'give one of them',
        );
      setBy.set(member, longOf(each.flags));
    }
    Object.assign(input, made);
  }
  for (const { member, option } of offered)
    if (typeof option.default === 'function' && input[member] === undefined) input[member] = option.default(input);
  return input;
}
