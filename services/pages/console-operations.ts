import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import {
  COLLECTIONS,
  type Operation as Described,
  type Members,
  type Shape,
  segmentOf,
} from '#console/src/fold/operation.ts';
import { eventSentences } from '#services/core/audit/read/event-sentences.ts';
import type { Module } from '#services/core/module.ts';
import type { Operation, OperationCommand } from '#services/core/shared/operation.ts';
import { type CommandOption, optionOf } from '#services/platform/define/command-option.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { actWords } from './texts/act-words.ts';
import { memberWords, placeWords, valueWords } from './texts/member-words.ts';

/**
 * What the console knows of the operations of administrators: their forms, filters, columns and acts are folds over it. It
 * is written into the console's own sources, so that the console imports nothing of the server.
 */

type Schema = Readonly<Record<string, unknown>> & {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
};

/** An operation, and the wing that an installation may leave out. */
type Placed = { readonly operation: Operation; readonly wing?: string | undefined };

/** From this many characters on a text is a file. */
const FILE_LENGTH = 1_000_000;
/** How deep members are shown one by one; what is deeper is data. */
const DEEPEST = 2;

const schemaOf = (shape: z.ZodType, io: 'input' | 'output'): Schema =>
  z.toJSONSchema(shape, { io, unrepresentable: 'any', reused: 'inline' }) as Schema;

function kindOf({ type, format, properties, items }: Schema): Shape['kind'] {
  if (type === 'string') return format === 'date-time' ? 'time' : format === 'uuid' ? 'id' : 'text';
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'boolean') return 'yes';
  if (type === 'array' && items !== undefined) return 'list';
  return type === 'object' && properties !== undefined ? 'object' : 'any';
}

const given = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
const bound = (value: unknown): number | undefined =>
  typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;

/** The variant that is not null. */
function bareOf(schema: Schema): { readonly bare: Schema; readonly nullable?: true } {
  if (Array.isArray(schema.type)) {
    const type = (schema.type as readonly string[]).find((each) => each !== 'null') ?? 'null';
    return { bare: { ...schema, type }, nullable: true };
  }
  const variants = schema.anyOf?.filter(({ type }) => type !== 'null') ?? [];
  if (variants.length === 1 && schema.anyOf?.length === 2) return { bare: variants[0] as Schema, nullable: true };
  return { bare: schema };
}

function shapeOf(schema: Schema, depth = 0): Shape {
  const { bare, nullable } = bareOf(schema);
  const kind = bare.enum === undefined ? kindOf(bare) : 'choice';
  const isDeep = depth >= DEEPEST && (kind === 'object' || kind === 'list');
  const of = kind === 'list' && !isDeep ? shapeOf(bare.items as Schema, depth + 1) : undefined;
  return given({
    kind: isDeep ? 'any' : kind,
    nullable,
    min: bound(bare.minLength ?? bare.minimum ?? bare.minItems),
    max: bound(bare.maxLength ?? bare.maximum ?? bare.maxItems),
    initially: schema.default,
    choices: bare.enum?.map(String),
    file: kind === 'text' && Number(bare.maxLength) >= FILE_LENGTH ? 'text' : undefined,
    of,
    // A browser asks for nothing in an object that may be left out.
    members:
      kind === 'object' && !isDeep ? membersOf(nullable ? { ...bare, required: [] } : bare, depth + 1) : undefined,
  }) as Shape;
}

const membersOf = ({ properties = {}, required = [] }: Schema, depth = 0): Members =>
  Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [
      name,
      {
        ...shapeOf(schema, depth),
        ...(required.includes(name) && schema.default === undefined ? { required: true as const } : {}),
      },
    ]),
  );

/** The members of a body, a query or a path; one that the command line reads from a PNG file is such a file. */
function asked(shape: z.ZodType | undefined): Members {
  if (shape === undefined) return {};
  const declared = shape instanceof z.ZodObject ? (shape.shape as Readonly<Record<string, z.ZodType>>) : {};
  const isPicture = (name: string): boolean => declaredBy(declared[name] ?? z.unknown())?.reads === 'png-file';
  return Object.fromEntries(
    Object.entries(membersOf(schemaOf(shape, 'input'))).map(([name, member]) => [
      name,
      isPicture(name) ? { ...member, file: 'png' as const } : member,
    ]),
  );
}

/** The ending of a file that an operation answers instead of JSON. */
function fileOf({ responses }: Endpoint): string | undefined {
  const [first] = Object.values(responses);
  return first !== null && first !== undefined && 'contentType' in first
    ? /\w+$/.exec(first.contentType)?.[0]
    : undefined;
}

/** The members of the usual answer; of a list, those of one item. An answer of several lists alone has each of them. */
function answersOf({ path, responses }: Endpoint): readonly NonNullable<Described['answer']>[] {
  const [first] = Object.values(responses);
  const shape = first !== null && first !== undefined && 'contentType' in first ? undefined : first;
  if (shape === null || shape === undefined) return [];
  const schema = schemaOf(shape, 'output');
  const lists = Object.entries(schema.properties ?? {}).filter(([, { items }]) => items?.properties !== undefined);
  const isPaged = schema.properties?.next !== undefined;
  const isAlone = isPaged || Object.keys(schema.properties ?? {}).length === lists.length;
  const ofName = segmentOf(path).replaceAll('-', '_');
  const shown = isAlone ? lists : lists.filter(([name]) => name === ofName);
  if (shown.length === 0) return [{ members: membersOf(schema) }];
  const paged = isPaged ? { paged: true as const } : {};
  return shown.map(([list, of]) => ({ list, ...paged, members: membersOf(of.items as Schema) }));
}

/** The option that a shape declares, through what makes it optional or null. */
function declaredBy(shape: z.ZodType): CommandOption | undefined {
  let at: z.ZodType = shape;
  while (optionOf(at) === undefined) {
    if (!(at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodNullable)) return undefined;
    at = at.unwrap() as z.ZodType;
  }
  return optionOf(at);
}

const FILES: Readonly<Record<string, string>> = {
  'jwks-file': 'json',
  'json-file': 'json',
  'png-file': 'png',
  'text-file': 'txt',
};

/** How the command line offers the members: `--name`, `--url-file url.txt`. */
function optionsOf(endpoint: Endpoint, { options = {} }: OperationCommand<never, never, never, never>) {
  const shapes = [endpoint.query, endpoint.body].flatMap((shape) =>
    shape instanceof z.ZodObject ? Object.entries(shape.shape as Record<string, z.ZodType>) : [],
  );
  return Object.fromEntries(
    shapes.flatMap(([member, shape]) => {
      const own = options[member];
      const option = own === undefined ? declaredBy(shape) : typeof own === 'string' ? { help: own } : own;
      if (option === undefined) return [];
      const [flag = `--${member.replaceAll('_', '-')}`] = /--[\w-]+/.exec((option as CommandOption).flags ?? '') ?? [];
      const file = FILES[(option as CommandOption).reads ?? ''];
      return [[member, file === undefined ? flag : `${flag} ${member}.${file}`]];
    }),
  );
}

const takesReason = ({ query, body }: Endpoint): boolean => 'reason' in { ...asked(query), ...asked(body) };

function commandOf(
  endpoint: Endpoint,
  command: OperationCommand<never, never, never, never> | undefined,
  own: { readonly command?: string; readonly options?: Readonly<Record<string, string>> } = {},
) {
  if (command === undefined)
    return own.command === undefined ? undefined : { verb: own.command, members: own.options ?? {} };
  const named = Object.entries(command.arguments ?? {}).map(([name, of]) => [
    name,
    typeof of === 'string' ? of : of.member,
  ]);
  const args = Object.fromEntries(named) as Readonly<Record<string, string>>;
  const verb = command.verb.replaceAll(/[<[](\w+)(?:\.\.\.)?[>\]]/g, (_, name: string) => `{${args[name] ?? name}}`);
  return { verb, members: optionsOf(endpoint, command), ...(takesReason(endpoint) ? { reason: true as const } : {}) };
}

const nameOf = ({ method, path }: Endpoint): string => `${method} ${path}`;
/** `disableClient` → `Disable client`: what an act without words is called. */
const spoken = (name: string): string => {
  const words = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const namesOf = (members: Members): readonly string[] =>
  Object.entries(members).flatMap(([name, { members: own = {}, of }]) => [
    name,
    ...namesOf(own),
    ...namesOf(of?.members ?? {}),
  ]);

/** What the answer of a write shows and no read does, such as a new secret. */
function onlyShown(endpoint: Endpoint, all: readonly Placed[]): readonly string[] {
  const read = all
    .map(({ operation }) => operation.endpoint)
    .filter(({ method, path }) => method === 'GET' && segmentOf(path) === segmentOf(endpoint.path))
    .flatMap((each) => answersOf(each).flatMap(({ members }) => namesOf(members)));
  // A notice is for callers, in English.
  return Object.keys(answersOf(endpoint)[0]?.members ?? {}).filter((name) => ![...read, 'notice'].includes(name));
}

/** The permission that opens what belongs to others. */
const permissionOf = ({ auth }: Endpoint): string | undefined =>
  auth === 'public'
    ? undefined
    : (auth.permission ?? (typeof auth.subject === 'object' ? auth.subject.others : undefined));

/**
 * Whether an administrator does it at the console: neither for what is the caller's own, nor as a person without a token, nor
 * what each caller gets by its permissions, which is no page.
 */
export const isAdministrative = ({ path, auth }: Endpoint): boolean =>
  COLLECTIONS.some((each) => path.startsWith(each)) &&
  auth !== 'public' &&
  auth.for !== 'person' &&
  auth.subject !== 'own' &&
  auth.subject !== 'permitted';

function describe({ operation, wing }: Placed, all: readonly Placed[]): readonly Described[] {
  const { endpoint } = operation;
  const { auth, method } = endpoint;
  const permission = permissionOf(endpoint);
  if (auth === 'public' || permission === undefined) throw new Error(`${nameOf(endpoint)} needs no permission`);
  const isRead = method === 'GET';
  const [query, body] = [asked(endpoint.query), asked(endpoint.body)];
  const words = actWords[endpoint.operation];
  const segment = segmentOf(endpoint.path);
  const once = isRead ? [] : onlyShown(endpoint, all);
  const [answer, ...others] = isRead ? answersOf(endpoint) : [];
  const rehearsal = all.find(({ operation: { endpoint: of } }) => of.path === `${endpoint.path}/rehearse`);
  const members = Object.entries({ ...query, ...body }).filter(
    // What a dry run answers has no place in the dialog.
    ([name]) => !['reason', 'limit', 'cursor', 'dry_run'].includes(name),
  );
  const described = given({
    name: nameOf(endpoint),
    method,
    path: endpoint.path,
    segment,
    wing,
    permission,
    stepUp: auth.stepUp === undefined ? undefined : true,
    keyed: endpoint.idempotency === undefined ? undefined : true,
    reason: 'reason' in body ? 'body' : 'reason' in query ? 'query' : undefined,
    sends: isRead ? undefined : endpoint.body === undefined ? 'query' : 'body',
    ends: words?.ends ?? (method === 'DELETE' ? true : undefined),
    file: fileOf(endpoint),
    says: isRead
      ? words?.says
      : (words?.says ?? {
          en: [spoken(endpoint.operation), `${endpoint.summary}.`],
          de: [spoken(endpoint.operation), ''],
        }),
    params: Object.keys(asked(endpoint.params)),
    members: Object.fromEntries(members),
    answer,
    rehearsal: rehearsal && {
      name: nameOf(rehearsal.operation.endpoint),
      says: actWords[rehearsal.operation.endpoint.operation]?.says,
      members: answersOf(rehearsal.operation.endpoint)[0]?.members,
    },
    once: once.length === 0 ? undefined : once,
    command: isRead ? undefined : commandOf(endpoint, operation.command as never, words),
  }) as Described;
  return [described, ...others.map((other) => ({ ...described, segment: `${segment}.${other.list}`, answer: other }))];
}

/** Whether it says what another write would do: a step of the dialog of that. */
const isRehearsal = ({ operation: { endpoint } }: Placed): boolean => endpoint.path.endsWith('/rehearse');

/** The operations of administrators, as the console folds over them. */
export const describeOperations = (placed: readonly Placed[]): readonly Described[] => {
  const all = placed.filter(({ operation }) => isAdministrative(operation.endpoint));
  return all.filter((each) => !isRehearsal(each)).flatMap((each) => describe(each, all));
};

const lines = (values: readonly unknown[]): string => values.map((value) => ` ${JSON.stringify(value)},`).join('\n');

type Modules = readonly Pick<Module, 'operations' | 'wing'>[];

/** `console/src/texts/generated/operations.ts`. */
async function operationsTs(modules: Modules): Promise<string> {
  const lists = modules.map(async ({ operations, wing }) =>
    (await operations()).map((operation) => ({ operation, wing })),
  );
  const described = describeOperations((await Promise.all(lists)).flat());
  // One line for each kind of thing.
  const grouped = Object.values(Object.groupBy(described, ({ segment }) => segment));
  return [
    '// Generated by `npm run catalog` from the operations of modules and services/pages/texts. Do not edit.',
    "import type { Operation, Words } from '../../fold/operation.ts';",
    'const grouped: readonly (readonly Operation[])[] = [',
    lines(grouped),
    '];',
    'export const operations: readonly Operation[] = grouped.flat();',
    `export const memberWords: Words = ${JSON.stringify(memberWords)};`,
    `export const valueWords: Words = ${JSON.stringify(valueWords)};`,
    `export const placeWords: Readonly<Record<string, Words>> = ${JSON.stringify(placeWords)};`,
    '',
  ].join('\n');
}

const GENERATED = 'console/src/texts/generated';
const BROWSER_NAME = 'services/pages/own-account/browser-name.ts';
/** What the console has of the server, of which it imports nothing. */
export const consoleFiles = async (modules: Modules): Promise<Readonly<Record<string, string>>> => ({
  [`${GENERATED}/operations.ts`]: await operationsTs(modules),
  [`${GENERATED}/browser-name.ts`]: `// Copied by \`npm run catalog\` from ${BROWSER_NAME}. Do not edit.\n${readFileSync(resolve(import.meta.dirname, '../..', BROWSER_NAME), 'utf8').replace('export type', 'type')}`,
  [`${GENERATED}/events.ts`]: [
    '// Generated by `npm run catalog` from services/core/audit/read/event-sentences.ts. Do not edit.',
    `export const eventSentences: Readonly<Record<string, readonly string[]>> = ${JSON.stringify(Object.fromEntries(eventSentences))};`,
    '',
  ].join('\n'),
});
