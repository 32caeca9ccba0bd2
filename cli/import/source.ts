import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type ImportMap, importMap, type SourceDigest } from '#services/wings/import/import-shapes.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';

export type ImportSource = {
  /** As it is shown, without a password. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256, hex: of a file, or of the address of a live source, by which a run that was killed is found again. */
  readonly sha256: string;
  open(): AsyncIterable<Uint8Array>;
  /** What a live source gave from its beginning to its end. */
  read?(): SourceDigest;
  close?(): Promise<void>;
};

const CHUNK_BYTES = 262_144;
const MAP_BYTES_MAX = 4_194_304;

const unreadable = (file: string, cause: unknown): CommandError =>
  new CommandError(exitCodes.usage, `${file} cannot be read`, 'check its path and its permissions', { cause });

/** A URL, well or badly typed: it may hold a password, and is not repeated. */
const MAY_HOLD_PASSWORD = /^\s*[a-z][a-z0-9+.-]*:\/\/|mongodb(\+srv)?:|:.*@/is;

const noFile = (path: string, cause: unknown): CommandError =>
  MAY_HOLD_PASSWORD.test(path)
    ? new CommandError(
        exitCodes.usage,
        'this is no file, and no URL that this kind reads',
        'give the path of a file; only `sallyport import mongo` reads a URL, of the form mongodb://user@host:27017/database',
      )
    : unreadable(path, cause);

/** @throws CommandError (2) if it cannot be read */
export async function sourceFile(path: string): Promise<ImportSource> {
  const open = (): AsyncIterable<Uint8Array> => createReadStream(path, { highWaterMark: CHUNK_BYTES });
  try {
    const { size } = await stat(path);
    const digest = createHash('sha256');
    for await (const chunk of open()) digest.update(chunk);
    return { path, bytes: size, sha256: digest.digest('hex'), open };
  } catch (cause) {
    throw noFile(path, cause);
  }
}

/** A parameter of the mapping that is the text of another file, by its path beside the mapping. */
async function withFiles(value: unknown, folder: string): Promise<unknown> {
  const { parameters } = (value ?? {}) as { readonly parameters?: unknown };
  if (typeof parameters !== 'object' || parameters === null) return value;
  const read: Record<string, unknown> = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    const file = (parameter as { readonly file?: unknown } | null)?.file;
    read[name] = typeof file === 'string' ? await textOf(resolve(folder, file)) : parameter;
  }
  return { ...(value as object), parameters: read };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** @throws CommandError (2) if the file is no mapping */
/** @param options what the command line says beside the file, and stronger than it */
export async function readMap(
  path: string | undefined,
  options: { readonly allowHash?: readonly string[]; readonly factorsLost?: ImportMap['factors_lost'] } = {},
): Promise<ImportMap> {
  const text = path === undefined ? '{}' : await textOf(path);
  const malformed = (why: string): CommandError =>
    new CommandError(exitCodes.usage, `${path} is no mapping: ${why}`, 'docs/how-to/import-users.md shows one');
  if (text.length > MAP_BYTES_MAX) throw malformed('it has more than 4 MiB');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('it is not JSON');
  }
  const read = importMap.safeParse(await withFiles(value, dirname(path ?? '.')));
  if (!read.success) {
    const [issue] = read.error.issues;
    throw malformed(`${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'wrong'}`);
  }
  const { allowHash = [], factorsLost = read.data.factors_lost } = options;
  const allowed = [...new Set([...read.data.allow_hashes, ...allowHash])].sort();
  return { ...read.data, allow_hashes: allowed, factors_lost: factorsLost };
}
