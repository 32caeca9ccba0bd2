import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { ensureGo } from '#tools/checks/go-program.ts';
import { environmentOf, findPython, PYTHON_PACKAGE, pythonIn } from '#tools/checks/python-environment.ts';
import type { BenchContext } from './bench.ts';
import { LineProcess } from './line-process.ts';

export const verifierLanguages = ['typescript', 'python', 'go'] as const;
export type VerifierLanguage = (typeof verifierLanguages)[number];

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'load-tests/verifiers');
const goBinary = join(root, 'load-tests/.bin/verifier-go');

/** Prepares a language once a run. @throws with what to install, if its tools are missing */
const prepare: Readonly<Record<VerifierLanguage, () => () => LineProcess>> = {
  typescript: () => () => new LineProcess(process.execPath, [join(folder, 'verifier.ts')]),
  python: () => {
    const environment = environmentOf(findPython(), [join(PYTHON_PACKAGE, 'requirements-runtime.txt')]);
    const env = { PYTHONPATH: join(PYTHON_PACKAGE, 'src'), PYTHONDONTWRITEBYTECODE: '1' };
    return () => new LineProcess(pythonIn(environment), [join(folder, 'verifier.py')], env);
  },
  go: () => {
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' };
    const build = ['build', '-o', goBinary, '.'];
    execFileSync(ensureGo(), build, { cwd: join(folder, 'go'), env, stdio: ['ignore', 2, 2] });
    return () => new LineProcess(goBinary, []);
  },
};
const prepared = new Map<VerifierLanguage, () => LineProcess>();

/** A process with the verifier package of a language. @throws with what to install, if its tools are missing */
export function spawnVerifier(language: VerifierLanguage): LineProcess {
  const start = prepared.get(language) ?? prepare[language]();
  prepared.set(language, start);
  return start();
}

/** Like `spawnVerifier`; the process ends with the run at the latest. */
export async function startVerifier(context: BenchContext, language: VerifierLanguage): Promise<LineProcess> {
  const verifier = spawnVerifier(language);
  context.onClose(() => verifier.close());
  Object.assign(context.versions, await verifier.ask<Record<string, string>>({ operation: 'versions' }));
  return verifier;
}
