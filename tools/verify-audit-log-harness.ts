// For tests only: the offline verifier, in a folder of a test's own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import { type TlogFiles, tlogSigner, writeTlog } from './testing/fixtures/tlog-builder.ts';
import type { Json } from './testing/http-client.ts';
import { main } from './verify-audit-log.mjs';

export const VERIFIER = join(import.meta.dirname, './verify-audit-log.mjs');
export const signer = tlogSigner('sallyport.example/audit', 7);

/** Empty when a test begins, gone when it has ended; the verifier's home. */
export let folder: string;
/** Each test file calls it: files share a process, which loads this module once. */
export function useFolder(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-verify-'));
    vi.stubEnv('HOME', folder).stubEnv('XDG_STATE_HOME', undefined);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
}

export type Run = { readonly code: number; readonly out: string; readonly err: string; readonly report: Json };

/** Runs the verifier in this process: starting one costs more than most tests. */
export async function verify(...args: readonly string[]): Promise<Run> {
  const told: string[] = [];
  const said: string[] = [];
  const to = (all: string[]) => ({ write: (text: string): unknown => all.push(text) });
  const code = await main(['--json', ...args], { stdout: to(told), stderr: to(said) });
  const [out, err] = [told.join(''), said.join('')];
  return { code, out, err, report: out === '' ? undefined : JSON.parse(out) };
}
export const faultsOf = ({ report }: Run): Json[] => report.logs.flatMap((log: Json) => log.faults);

/** Writes a log and verifies it with its key pinned. */
export async function verifyFiles(files: TlogFiles, ...args: readonly string[]): Promise<Run> {
  const at = join(folder, 'log');
  rmSync(at, { recursive: true, force: true });
  writeTlog(at, files);
  return verify(at, '--vkey', signer.vkey, ...args);
}

export const plainLeaves = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(`leaf ${i}`));

/** Event `seq`, in canonical form: members in order, no spaces. */
export const eventLeaf = (seq: number, more = ''): Buffer =>
  Buffer.from(
    `{"actor":{"kind":"system"},"detail":{},"event_id":"${`${seq}`.padStart(8, '0')}-0000-7000-8000-000000000000",${more}"seq":${seq},"type":"test.done","v":1}`,
  );
