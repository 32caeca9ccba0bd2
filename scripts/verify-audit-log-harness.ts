// For tests only: the offline verifier as a process of its own, in a folder of a test's own.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type TlogFiles, tlogSigner, writeTlog } from '../testing/fixtures/tlog-builder.ts';
import type { Json } from '../testing/http-client.ts';

export const VERIFIER = join(import.meta.dirname, './verify-audit-log.mjs');
export const signer = tlogSigner('sallyport.example/audit', 7);

/** Empty when a test begins, gone when it has ended; the verifier's home. */
export let folder: string;
/** Each test file calls it: files share a process, which loads this module once. */
export function useFolder(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-verify-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
}

export type Run = { readonly code: number | null; readonly out: string; readonly err: string; readonly report: Json };

export function verify(...args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [VERIFIER, '--json', ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (part: Buffer) => {
    out += part;
  });
  child.stderr.on('data', (part: Buffer) => {
    err += part;
  });
  return new Promise((done) =>
    child.once('close', (code) => done({ code, out, err, report: out === '' ? undefined : JSON.parse(out) })),
  );
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
