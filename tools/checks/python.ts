// Checks and tests the Python verifier package: format, lint, types, wheel, tests. Needs Python 3.10 or newer, and once
// the network: pinned packages are installed into environments below node_modules/.cache.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { madeIn } from '../image/engine.ts';
import { runStep } from './missing-tool.ts';
import { environmentOf, findPython, PYTHON_PACKAGE, pipOf, pythonIn, run } from './python-environment.ts';

/** The program that the benchmarks run, checked like the package. */
const BENCH = '../../load-tests/verifiers';

function installWheel(environment: string, wheel: string): void {
  const python = pythonIn(environment);
  const install = ['install', '-q', '--no-index', '--no-deps', '--force-reinstall', '--root-user-action=ignore', wheel];
  run(python, [...pipOf(python), ...install]);
}

function main(): void {
  const python = findPython();
  const tools = environmentOf(python, [join(PYTHON_PACKAGE, 'requirements.txt')]);
  const runtime = environmentOf(python, [join(PYTHON_PACKAGE, 'requirements-runtime.txt')]);
  const tool = (...args: readonly string[]): string => run(pythonIn(tools), ['-m', ...args]);
  const sources = ['--config', 'pyproject.toml', '.', BENCH];
  tool('ruff', 'format', '--check', '-q', ...sources);
  tool('ruff', 'check', '-q', ...sources);
  tool('mypy', '--python-executable', pythonIn(tools));
  madeIn((folder) => {
    tool('hatchling', 'build', '-t', 'wheel', '-d', folder);
    const [wheel] = readdirSync(folder).filter((file) => file.endsWith('.whl'));
    const path = join(folder, wheel as string);
    // With its own dependencies alone the package must work, and nothing may be missing from the wheel.
    installWheel(runtime, path);
    run(pythonIn(runtime), [...pipOf(pythonIn(runtime)), 'check']);
    const program = [
      'from sallyport_verifier import Verifier',
      'from sallyport_verifier.testing import FakeIssuer',
      'issuer = FakeIssuer()',
      'assert Verifier(**issuer.options).verify(issuer.mint()).ok',
    ].join('\n');
    run(pythonIn(runtime), ['-I', '-c', program]);
    // The tests run against the installed wheel, whose pytest plugin pytest must find.
    installWheel(tools, path);
    tool('mypy', '--python-executable', pythonIn(tools), BENCH);
    process.stdout.write(`${wheel}\n${tool('pytest')}`);
  });
}

runStep('the Python verifier', main);
