// Vets and tests the Go verifier: its two modules, with the race detector where a C compiler is present. On a machine
// without Go, its official build is installed once from PyPI, below node_modules/.cache. What cannot run without a C
// compiler or without Gin's modules is skipped, and `npm test` counts it.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { ensureGo } from './go-program.ts';
import { runStep } from './missing-tool.ts';

const ROOT = resolve(import.meta.dirname, '../../sdks/go');
/** The program that the benchmarks run. */
const BENCH = '../../load-tests/verifiers/go';
const FETCH_LIMIT_MS = 20_000;
/** The first time, Go compiles its library for the race detector, beside other work. */
const TEST_LIMIT_MS = 900_000;

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

function passes(folder: string, args: readonly string[]): boolean {
  const { status, output } = go(folder, args, TEST_LIMIT_MS);
  const why = status === null ? `did not end within ${TEST_LIMIT_MS / 1_000} s` : 'failed';
  if (status !== 0) process.stdout.write(`sdks/go/${folder}: go ${args.join(' ')} ${why}\n${output}\n`);
  return status === 0;
}

const check = (folder: string, race: readonly string[]): boolean =>
  passes(folder, ['vet', './...']) && passes(folder, ['test', ...race, './...']);

function main(): void {
  program = ensureGo();
  const race = hasRaceDetector() ? ['-race'] : [];
  if (race.length === 0)
    skip('the race detector', 'cgo has no C compiler', 'Install gcc, and do not set CGO_ENABLED=0');
  let isPassed = check('.', race);
  isPassed = passes(BENCH, ['vet', './...']) && isPassed;
  if (go('gin', ['mod', 'download'], FETCH_LIMIT_MS).status === 0) isPassed = check('gin', race) && isPassed;
  else
    skip('the Gin module', 'its modules are neither here nor reachable', 'Run `go mod download` in sdks/go/gin online');
  if (!isPassed) process.exitCode = 1;
}

runStep('the Go verifier', main);
