/** What helm makes of deploy/helm. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { helm } from './tools.ts';

export const chart = resolve(import.meta.dirname, '../../deploy/helm');

/** Values: none for what the chart does by itself, and every option. */
export const renders = {
  default: [],
  all: ['--values', join(import.meta.dirname, 'all-values.yaml')],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type Render = keyof typeof renders;

export function runHelm(...args: readonly string[]): { ok: boolean; stdout: string; output: string } {
  const program = helm((text) => process.stderr.write(`${text}\n`));
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { ok: status === 0, stdout, output: stdout + stderr };
}

/** The objects of a render. @throws what helm says against it */
export function objectsOf<T>(name: Render): readonly T[] {
  const { ok, stdout, output } = runHelm('template', 'sallyport', chart, '--namespace', 'auth', ...renders[name]);
  if (!ok) throw new Error(`helm template (${name}):\n${output}`);
  return parseAllDocuments(stdout, { merge: true }).map((document) => document.toJS() as T);
}
