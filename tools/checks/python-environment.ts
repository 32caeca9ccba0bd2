// Python environments below node_modules/.cache, with pinned packages.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureProgram, onPath } from './debian-package.ts';
import { MissingTool } from './missing-tool.ts';

const ROOT = resolve(import.meta.dirname, '../..');
export const PYTHON_PACKAGE = join(ROOT, 'sdks/python');
const CACHE = join(ROOT, 'node_modules/.cache/python');
const NAMES = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];
/** What pip says of an index that does not answer. */
const NO_INDEX = /NewConnectionError|ConnectTimeoutError|ProxyError|NameResolutionError|Could not fetch URL/;
const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1' };

const spawn = (command: string, args: readonly string[], cwd = PYTHON_PACKAGE): SpawnSyncReturns<string> =>
  spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 64 * 1_024 * 1_024 });

/** Runs a program. Throws its output if it fails. */
export function run(command: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr, error } = spawn(command, args, cwd);
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} failed:\n${error?.message ?? ''}${stdout}${stderr}`);
}

/** Path and version of a Python that is new enough. @throws MissingTool */
export function findPython(): { readonly path: string; readonly version: string } {
  const program = 'import sys; print(sys.version); sys.exit(sys.version_info < (3, 10))';
  for (const name of NAMES) {
    const path = onPath(name);
    const { status, stdout } = path === undefined ? { status: 1, stdout: '' } : spawn(path, ['-c', program]);
    if (path !== undefined && status === 0) return { path, version: stdout };
  }
  throw new MissingTool(
    'no Python 3.10 or newer on PATH, which sdks/python needs. Run: sudo apt-get install python3 (Debian 12, Ubuntu 22.04 or newer)',
  );
}

/** The command of pip. Debian's python3 comes without it: then its wheel is used, which Python runs as it is. */
export function pipOf(python: string): readonly string[] {
  if (spawn(python, ['-m', 'pip', '--version']).status === 0) return ['-m', 'pip'];
  const program = 'import ensurepip, os; print(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))';
  const { stdout } = spawn(python, ['-c', program]);
  const wheelIn = (folder: string): string | undefined =>
    existsSync(folder) ? readdirSync(folder).find((file) => /^pip-.*\.whl$/.test(file)) : undefined;
  const folders = [stdout.trim(), '/usr/share/python-wheels'];
  const found =
    folders.find((folder) => folder !== '' && wheelIn(folder) !== undefined) ??
    ensureProgram({ package: 'python3-pip-whl', name: 'pip wheel', path: 'usr/share/python-wheels' });
  return [join(found, wheelIn(found) as string, 'pip')];
}

export const pythonIn = (environment: string): string => join(environment, 'bin/python');

/**
 * An environment with the packages of requirements files and nothing else, made once for each version of them and of
 * Python.
 * @param requirements absolute paths
 */
export function environmentOf(python: ReturnType<typeof findPython>, requirements: readonly string[]): string {
  const texts = requirements.map((path) => readFileSync(path, 'utf8'));
  const key = createHash('sha256')
    .update([...texts, python.path, python.version].join('\0'))
    .digest('hex')
    .slice(0, 16);
  const finished = join(CACHE, key);
  const isFinished = (): boolean => existsSync(join(finished, '.complete'));
  if (isFinished()) return finished;
  // Several steps of a test run may make it at the same time: each makes its own, and the first to finish keeps it.
  const environment = `${finished}-${process.pid}`;
  rmSync(environment, { recursive: true, force: true });
  run(python.path, ['-m', 'venv', '--without-pip', environment]);
  const install = ['install', '-q', '--require-hashes', '--only-binary', ':all:'];
  for (const path of requirements) install.push('-r', path);
  try {
    run(pythonIn(environment), [...pipOf(pythonIn(environment)), ...install]);
  } catch (err) {
    const { message } = err as Error;
    // A package that pip reached and refused is no missing tool.
    if (!NO_INDEX.test(message)) throw err;
    throw new MissingTool(
      `packages of Python could not be fetched. Run it once where pip reaches its index (https://pypi.org, or PIP_INDEX_URL)\n${message}`,
    );
  }
  writeFileSync(join(environment, '.complete'), '');
  try {
    renameSync(environment, finished);
  } catch (err) {
    if (!isFinished()) throw err;
    rmSync(environment, { recursive: true, force: true });
  }
  return finished;
}
