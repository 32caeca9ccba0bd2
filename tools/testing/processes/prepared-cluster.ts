// For tests only: a new Postgres cluster by copying one, where making it takes a second of the processor.
import { execFile } from 'node:child_process';
import { appendFileSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { openCluster } from '#services/platform/local/postgres-cluster.ts';

const PARTS = ['postgres-18', 'postgres-password'] as const;

/** Makes a cluster that no server ever ran on, to be copied. */
export async function makeCluster(dataDir: string, say: (text: string) => void): Promise<void> {
  ensureDataDir(dataDir);
  const { home } = await openCluster({ dataDir, say });
  // A killed server leaves its shared memory where it lies: here that is its own folder, which goes with the run.
  appendFileSync(join(home.data, 'postgresql.auto.conf'), "dynamic_shared_memory_type = 'mmap'\n");
}

/** Copies the prepared cluster into a data directory that has none. */
export async function copyCluster(from: string, dataDir: string): Promise<void> {
  const [data] = PARTS;
  // The temporary directory is private, so the prepared cluster cannot be shared: each start makes its own.
  if (lstatSync(join(from, data)).isSymbolicLink()) return;
  ensureDataDir(dataDir);
  await promisify(execFile)('cp', ['-Rp', ...PARTS.map((part) => join(from, part)), dataDir]);
}
