import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { repositoryRoot } from '../services/platform/local/data-dir.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** One setting with its value, optionally quoted over several lines, or an empty line or comment. */
const ENTRY =
  /(?:(?:export[ \t]+)?[A-Za-z_]\w*[ \t]*=[ \t]*(?:"[^"]*"|'[^']*'|`[^`]*`|[^"'`\s][^\n]*|))?[ \t\r]*(?:#[^\n]*)?(?:\n|$)/y;

/** The file of settings: `.env` beside `.env.example`, or the one that SALLYPORT_ENV_FILE names (empty: none). */
export const envFileOf = (env: NodeJS.ProcessEnv, root = repositoryRoot): string =>
  env.SALLYPORT_ENV_FILE ?? join(root, '.env');

/**
 * Reads the file of settings into the environment. Variables that are already set take precedence. Returns the path it read; undefined if there is no `.env`.
 * Throws CommandError when a line is not a setting: Node's reader would ignore it silently.
 */
export function readEnvFile(env: NodeJS.ProcessEnv = process.env, root = repositoryRoot): string | undefined {
  const path = envFileOf(env, root);
  if (path === '') return undefined;
  const text = textOf(path, env.SALLYPORT_ENV_FILE !== undefined);
  if (text === undefined) return undefined;
  const line = firstUnreadableLine(text);
  // The message does not show the line: it may hold a secret.
  if (line !== undefined)
    throw new CommandError(
      exitCodes.refused,
      `line ${line} of ${path} is not a setting`,
      'write NAME=value, in quotes where it has a space, a # or a new line; a comment begins with #',
    );
  for (const [name, value] of Object.entries(parseEnv(text))) env[name] ??= value;
  return path;
}

function textOf(path: string, isNamed: boolean): string | undefined {
  try {
    // Editors on Windows begin a file with a byte order mark.
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (err) {
    if (!isNamed && (err as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const fix = 'make it readable for this user, or unset SALLYPORT_ENV_FILE';
    throw new CommandError(exitCodes.refused, `cannot read ${path}: ${(err as Error).message}`, fix, { cause: err });
  }
}

function firstUnreadableLine(text: string): number | undefined {
  let at = 0;
  while (at < text.length) {
    ENTRY.lastIndex = at;
    if (!ENTRY.test(text)) return text.slice(0, at).split('\n').length;
    at = ENTRY.lastIndex;
  }
  return undefined;
}
