// What the peers share: a database, a process that answers, and the reason why one is left out.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { readState } from '#services/platform/local/processes.ts';
import type { BenchContext } from '../lib/bench.ts';
import type { ClientCredentials } from '../lib/workloads.ts';

/** Where peers are built and unpacked, by version. */
export const cacheFolder = resolve(import.meta.dirname, '../.bin');
const READY_MS = 600_000;

/** A running authorization server that writes each token of client credentials to PostgreSQL. */
export type Peer = {
  readonly api: string;
  /** Of its token endpoint. */
  readonly path: string;
  readonly client: ClientCredentials;
  /** Its own process; `productPids` adds its PostgreSQL. */
  readonly pid: number;
  readonly productPids: readonly number[];
  readonly databaseUrl: string;
};

export type PeerKind = {
  readonly name: string;
  /** Version and settings, as the page prints them. */
  readonly settings: string;
  /** @throws with the reason where this machine cannot bring it */
  readonly start: (context: BenchContext) => Promise<Peer>;
};

/** A PostgreSQL of its own, with the server settings of the product's. */
export async function database(context: BenchContext): Promise<{ url: string; pid: number; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-peer-'));
  context.onClose(() => rmSync(folder, { recursive: true, force: true }));
  ensureDataDir(folder);
  const postgres = await startPostgres({ dataDir: folder, say: context.say });
  context.onClose(() => postgres.stop());
  const pid = readState(join(folder, 'run/postgres.json'))?.pid;
  if (pid === undefined) throw new Error('the PostgreSQL of the peer has no process');
  return { url: postgres.url, pid, folder };
}

/** Runs a program to its end, its words in `log`. @throws with `what` if it cannot or fails */
export async function prepare(
  what: string,
  [program, ...args]: readonly [string, ...string[]],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly log?: string },
): Promise<void> {
  const out = options.log === undefined ? 2 : openSync(options.log, 'a');
  const env = { ...process.env, NODE_OPTIONS: '', ...options.env };
  const child = spawn(program, args, { cwd: options.cwd, env, stdio: ['ignore', out, out] });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  const code = await once(child, 'exit').then(
    ([status]) => status as number | null,
    (err: Error) => err.message,
  );
  if (code !== 0) throw new Error(`${what}: ${program} ended with ${code}`);
}

/** Starts a server that is stopped with the bench; resolves once `readyUrl` answers. */
export async function serve(
  context: BenchContext,
  [program, ...args]: readonly [string, ...string[]],
  { env, log, readyUrl }: { readonly env: NodeJS.ProcessEnv; readonly log: string; readonly readyUrl: string },
): Promise<ChildProcess & { readonly pid: number }> {
  const out = openSync(log, 'a');
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', out, out] });
  const ended = once(child, 'exit').catch(() => {});
  context.onClose(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  for (const until = Date.now() + READY_MS; ; await sleep(500)) {
    if ((await fetch(readyUrl).catch(() => undefined))?.ok) return child as ChildProcess & { readonly pid: number };
    if (child.exitCode !== null || Date.now() > until)
      throw new Error(`${program} did not start (${child.exitCode ?? 'no answer'})`);
  }
}

/** Rows inserted into a database so far, within some seconds. */
export async function insertedRows(connectionString: string): Promise<number> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query('SELECT sum(n_tup_ins) AS inserted FROM pg_stat_user_tables');
    return Number(rows[0]?.inserted ?? 0);
  } finally {
    await client.end();
  }
}

export const isCached = (path: string): boolean => existsSync(join(cacheFolder, path));

/** POST of a JSON value; resolves to the answer's. */
export async function post(
  url: string,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${new URL(url).pathname}: ${answer.status} ${text.slice(0, 300)}`);
  return text === '' ? undefined : JSON.parse(text);
}
