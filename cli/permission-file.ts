import { readFileSync, statSync } from 'node:fs';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { declarationShape } from '../services/core/access/application-shapes.ts';
import type { Declaration } from '../services/core/access/declaration.ts';
import { whyOf } from '../services/platform/define/input-problem.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

const FILE_BYTES_MAX = 1_048_576;
const PROBLEMS_SHOWN = 20;

type Problem = { readonly at: string; readonly why: string };
type Lines = { readonly name: string; readonly document: Document; readonly lines: LineCounter };

type PermissionFile = {
  readonly declaration: Declaration;
  /** The error of these problems, each with its line in the file. */
  readonly refused: (problems: readonly Problem[]) => CommandError;
};

/** A name in the file may have characters that a terminal obeys. */
const refusedFile = (name: string, messages: readonly string[]): CommandError =>
  new CommandError(
    exitCodes.usage,
    messages.map((message) => message.replaceAll(/\p{Cc}/gu, '\ufffd')).join('\n'),
    `correct ${name}; nothing was changed`,
  );

/** The line of a place in the file, or of the nearest member around it. */
function lineOf({ document, lines }: Lines, path: readonly (string | number)[]): number {
  for (let end = path.length; end > 0; end -= 1) {
    const node = document.getIn(path.slice(0, end), true) as { readonly range?: readonly number[] } | undefined;
    if (node?.range?.[0] !== undefined) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

/** `body/permissions/3` as `permissions.yaml:7: permissions/3 …`. */
function told(file: Lines, { at, why }: Problem): string {
  const path = at.split('/').filter((part) => part !== '' && part !== 'body');
  const place = path.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  return `${file.name}:${lineOf(file, place)}: ${path.length === 0 ? why : `${path.join('/')} ${why}`}`;
}

function readText(name: string): string {
  try {
    if (statSync(name).size <= FILE_BYTES_MAX) return readFileSync(name, 'utf8');
  } catch (cause) {
    throw new CommandError(
      exitCodes.usage,
      `${name} cannot be read`,
      'check the path: sallyport apply permissions.yaml',
      { cause },
    );
  }
  throw refusedFile(name, [`${name} is larger than 1 MB`]);
}

/** The deepest part of a declaration is at level 3. */
const DEEPEST = 20;
const DEEP_BLOCK = new RegExp(`^ {200}|(?:[-?:][ \\t]+){${DEEPEST}}`, 'm');

/** Whether lists are nested so deeply that the parser could end the process. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > DEEPEST) return true;
  }
  return DEEP_BLOCK.test(text);
}

/** An alias is refused: a file of a kilobyte could stand for gigabytes. */
function readValue({ name, document }: Lines): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new CommandError(exitCodes.usage, `${name} has an alias (*name)`, 'write the list out', { cause });
  }
}

/**
 * Reads a permission file (YAML, or JSON): the members `application`, `audience`, `permissions`, `roles`, `scopes`,
 * `signoff_policies` and `authorization_details`.
 * @throws CommandError (2) with the line of each problem
 */
export function readPermissionFile(name: string): PermissionFile {
  const lines = new LineCounter();
  const text = readText(name);
  if (isDeep(text)) throw refusedFile(name, [`${name} nests lists too deeply`]);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0)
    throw refusedFile(
      name,
      document.errors
        .slice(0, PROBLEMS_SHOWN)
        .map(({ message, pos }) => `${name}:${lines.linePos(pos[0]).line}: ${message}`),
    );
  const file = { name, document, lines };
  const refused = (problems: readonly Problem[]): CommandError =>
    refusedFile(
      name,
      problems.map((problem) => told(file, problem)),
    );
  const value = readValue(file);
  const read = declarationShape.safeParse(value);
  if (read.success) {
    // The shape leaves this member out; the rules name every other wrong role.
    if (Object.hasOwn((value as { readonly roles?: object }).roles ?? {}, '__proto__'))
      throw refused([{ at: 'roles/__proto__', why: 'is no name of a role' }]);
    return { declaration: read.data, refused };
  }
  const issues = read.error.issues.slice(0, PROBLEMS_SHOWN);
  throw refused(issues.map((issue) => ({ at: issue.path.join('/'), why: whyOf(issue, value) })));
}
