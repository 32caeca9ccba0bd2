import { LIMITS } from './generated/contract.ts';
import { isObject } from './strict-json.ts';

type FeedText = {
  /** Changes when the file does. */
  readonly stamp: string;
  readonly jwks: string;
  /** Answers of the feed, in the order in which they were read. */
  readonly answers: readonly string[];
  /** How long ago the file was written. */
  readonly ageMs: number;
};

/** What is used of `node:fs/promises`. */
type FileSystem = {
  stat(path: string): Promise<{ readonly mtimeMs: number; readonly size: number; readonly ino: number }>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  writeFile(path: string, text: string, options: { readonly mode: number; readonly flag: string }): Promise<void>;
  rm(path: string, options: { readonly force: boolean }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
};

/** The file system of Node. A bundler for an edge runtime sees no import. */
function fileSystem(): FileSystem {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const found = process?.getBuiltinModule?.('node:fs/promises');
  if (found === undefined) throw new Error("the feed 'file' needs Node 20.16 or newer");
  return found as FileSystem;
}

/** Reads a feed file. Null when it has not changed since the stamp. Throws when it is missing or malformed. */
export async function readFeedText(path: string, known: string | undefined): Promise<FeedText | null> {
  const { stat, readFile } = fileSystem();
  const { mtimeMs, size, ino } = await stat(path);
  const stamp = `${ino} ${mtimeMs} ${size}`;
  if (stamp === known) return null;
  if (size > LIMITS.feedFileBytes) throw new Error('the feed file is too large');
  const body: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (
    !isObject(body) ||
    !isObject(body.jwks) ||
    !Array.isArray(body.answers) ||
    !body.answers.every((one) => typeof one === 'string')
  )
    throw new Error('the feed file is malformed');
  return { stamp, jwks: JSON.stringify(body.jwks), answers: body.answers, ageMs: Math.max(0, Date.now() - mtimeMs) };
}

/** Replaces a feed file as a whole, readable by its owner and group only. */
export async function writeFeedText(path: string, jwks: string, answers: readonly string[]): Promise<void> {
  const { writeFile, rename, rm } = fileSystem();
  const text = JSON.stringify({ jwks: JSON.parse(jwks) as unknown, answers });
  // A name that cannot be guessed, and that must not exist: an attacker can put no link or file in its place.
  const fresh = `${path}.${crypto.randomUUID()}`;
  try {
    await writeFile(fresh, text, { mode: 0o640, flag: 'wx' });
    await rename(fresh, path);
  } catch (err) {
    await rm(fresh, { force: true });
    throw err;
  }
}
