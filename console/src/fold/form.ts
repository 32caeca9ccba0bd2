import { shellWord } from '../data/shell-word.ts';
import type { Item, Members, Operation, Shape } from './operation.ts';

/** What stands in a field: text, yes or no, chosen values, or the fields of an object. */
type Typed = string | boolean | readonly string[] | { readonly [name: string]: Typed };
export type TypedMembers = Readonly<Record<string, Typed>>;

const isChoices = ({ kind, of }: Shape): boolean => kind === 'list' && of?.kind === 'choice';
const isLines = ({ kind, of }: Shape): boolean => kind === 'list' && (of?.kind === 'text' || of?.kind === 'id');

/** A time as a field shows it, in the zone of the browser. */
function localTime(at: string): string {
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What a field begins with: what is set already, else what the contract sets, else nothing. */
function startOf(shape: Shape, set: unknown): Typed {
  const value = set ?? shape.initially;
  if (shape.kind === 'yes') return value === true;
  if (isChoices(shape)) return (value ?? []) as readonly string[];
  if (shape.kind === 'object') return startAll(shape.members ?? {}, (value ?? {}) as Item);
  if (value === undefined || value === null) return '';
  if (isLines(shape)) return (value as readonly string[]).join('\n');
  if (shape.kind === 'time') return localTime(String(value));
  return shape.kind === 'list' || shape.kind === 'any' ? JSON.stringify(value, null, 2) : String(value);
}

export const startAll = (members: Members, set: Item): TypedMembers =>
  Object.fromEntries(Object.entries(members).map(([name, shape]) => [name, startOf(shape, set[name])]));

/** What a field says on the wire; undefined for nothing. @throws SyntaxError for data that is not JSON */
function said(shape: Shape, typed: Typed): unknown {
  if (shape.kind === 'yes' || isChoices(shape)) return typed;
  if (shape.kind === 'object') {
    const members = changesOf(shape.members ?? {}, startAll(shape.members ?? {}, {}), typed as TypedMembers, false);
    return Object.keys(members).length === 0 ? undefined : members;
  }
  const text = String(typed);
  if (isLines(shape))
    return text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  if (text === '') return undefined;
  if (shape.kind === 'number') return Number(text);
  if (shape.kind === 'time') return new Date(text).toISOString();
  return shape.kind === 'list' || shape.kind === 'any' ? JSON.parse(text) : text;
}

/** What an emptied field says: null where it may be, else what the contract calls empty. */
const emptied = (shape: Shape): unknown => (shape.nullable ? null : shape.kind === 'list' ? [] : '');

/**
 * The members to send: what differs from what the form began with, and what the contract requires.
 * @param isChange whether an emptied field takes back what is set
 * @throws SyntaxError for data that is not JSON
 */
export function changesOf(members: Members, start: TypedMembers, typed: TypedMembers, isChange: boolean): Item {
  const sent = Object.entries(members).flatMap(([name, shape]): [string, unknown][] => {
    const [before, now] = [start[name], typed[name] ?? ''];
    const isSame = before === now || (typeof now !== 'string' && JSON.stringify(before) === JSON.stringify(now));
    if (isSame && !shape.required) return [];
    const value = said(shape, now);
    if (value !== undefined) return [[name, value]];
    return isChange && !isSame ? [[name, emptied(shape)]] : [];
  });
  return Object.fromEntries(sent);
}

/** Whether the fields that must be filled are, as far as a browser does not ask for it by itself. */
export const isFilled = (members: Members, sent: Item): boolean =>
  Object.entries(members).every(([name, shape]) => {
    const value = sent[name];
    return !Array.isArray(value) || value.length >= (shape.min ?? 0);
  });

const shellWords = (value: unknown): string =>
  (Array.isArray(value) ? value : [value])
    .map((each) => shellWord(typeof each === 'object' ? JSON.stringify(each) : String(each)))
    .join(' ');

function optionOf(flag: string, value: unknown, kind: Shape['kind'] | undefined): string {
  const isFile = flag.includes(' ');
  if (isFile && value !== null) return flag;
  const [name = flag] = flag.split(' ');
  if (value === null && kind === 'choice') return `${name} default`;
  if (value === null || value === '') return name.replace('--', '--no-');
  if (typeof value !== 'boolean') return `${name} ${shellWords(value)}`;
  const plain = name.replace('--no-', '--');
  return value ? plain : plain.replace('--', '--no-');
}

/** The same on the command line; undefined for what has no command, or none that says all of it. */
export function commandOf({ command, members }: Operation, input: Item, reason: string): string | undefined {
  if (command === undefined) return undefined;
  const placed = new Set<string>();
  const verb = command.verb.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    placed.add(name);
    const value = name === 'reason' ? reason : input[name];
    return value === undefined ? `<${name}>` : shellWords(value);
  });
  // A command that leaves something out does something else, and an empty list has no words.
  const isSaid = ([name, value]: [string, unknown]): boolean =>
    !(Array.isArray(value) && value.length === 0) && (placed.has(name) || command.members[name] !== undefined);
  if (!Object.entries(input).every(isSaid)) return undefined;
  const options = Object.entries(input).flatMap(([name, value]) => {
    const flag = command.members[name];
    return placed.has(name) || !flag ? [] : [optionOf(flag, value, members[name]?.kind)];
  });
  return ['sallyport', verb, ...options, ...(command.reason ? [`--reason ${shellWord(reason)}`] : [])].join(' ');
}
