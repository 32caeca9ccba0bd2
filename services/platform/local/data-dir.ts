import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StartError } from './errors.ts';

export const repositoryRoot: string = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Absolute path of the state of this installation: `SALLYPORT_DATA_DIR`, else `.sallyport` in the repository. */
export const resolveDataDir = (env: NodeJS.ProcessEnv = process.env): string =>
  env.SALLYPORT_DATA_DIR ? resolve(env.SALLYPORT_DATA_DIR) : join(repositoryRoot, '.sallyport');

/**
 * Creates the data directory and its `run` folder. If we are root, other users may enter (not list) the directory,
 * because Postgres runs as an ordinary user in it; every secret in it is a file of mode 0600.
 *
 * @throws StartError `data_dir_not_writable`
 */
export function ensureDataDir(dataDir: string): void {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  try {
    mkdirSync(dataDir, { recursive: true, mode });
    const stat = statSync(dataDir);
    if (stat.uid === process.getuid?.() && (stat.mode & 0o777) !== mode) chmodSync(dataDir, mode);
    mkdirSync(join(dataDir, 'run'), { recursive: true, mode: 0o700 });
    accessSync(join(dataDir, 'run'), constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(
      'data_dir_not_writable',
      `cannot write to the data directory ${dataDir} (${code})`,
      'start as the user who created it, or set SALLYPORT_DATA_DIR to a folder that you can write',
      { cause },
    );
  }
}

/** `bytes` random bytes as base64url. */
export const randomSecret = (bytes = 32): string => randomBytes(bytes).toString('base64url');

/**
 * Writes `content` to `path` with mode 0600 unless the file exists, and returns what the file then holds. The whole
 * content appears atomically, so of two concurrent starts the slower reads the whole secret of the faster one.
 */
export function createSecretFile(path: string, content: string): string {
  const candidate = `${path}.${process.pid}.${randomSecret(6)}`;
  try {
    const file = openSync(candidate, 'wx', 0o600);
    try {
      writeSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    linkSync(candidate, path);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err;
  } finally {
    rmSync(candidate, { force: true });
  }
  return readFileSync(path, 'utf8').trim();
}

/** Writes or replaces `path` atomically, with mode 0600. */
export function writeSecretFile(path: string, content: string): void {
  const candidate = `${path}.${process.pid}.${randomSecret(6)}`;
  try {
    const file = openSync(candidate, 'wx', 0o600);
    try {
      writeSync(file, content);
    } finally {
      closeSync(file);
    }
    renameSync(candidate, path);
  } finally {
    rmSync(candidate, { force: true });
  }
}

/** The development secret of Better Auth: made once per data directory, 32 random bytes as base64url. */
export const ensureAuthSecret = (dataDir: string): string =>
  createSecretFile(join(dataDir, 'auth-secret'), randomSecret(32));
