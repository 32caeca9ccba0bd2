import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { ClientCredentials } from './workloads.ts';

const root = resolve(import.meta.dirname, '../..');
const startMs = 180_000;
const stopMs = 45_000;

type Login = { readonly email: string; readonly password: string };

/** What `dev-credentials.json` holds. */
export type Credentials = {
  readonly user: Login;
  readonly admin: Login;
  readonly client: ClientCredentials;
  readonly database_url: string;
  readonly redis_url: string;
};

type ReadyLine = {
  readonly event: 'ready';
  readonly api: string;
  readonly metrics: string;
  readonly credentials_file: string;
  readonly pids: { readonly api: number };
};

/** A running start of the product. */
export type Product = {
  readonly api: string;
  readonly metrics: string;
  /** The process whose descendants, with itself, are the API. */
  readonly apiPid: number;
  /** The process that started everything. */
  readonly startPid: number;
  readonly dataDir: string;
  readonly credentials: Credentials;
  stop(): Promise<void>;
};

const running = new Set<ChildProcess>();

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // Already gone.
  }
}

/** Passes a stop request on to everything started here; the caller then ends. */
export function stopRunningProducts(): void {
  for (const child of running) signalGroup(child, 'SIGTERM');
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done, fail) => {
    probe.once('error', fail);
    probe.listen({ port: 0, host: '127.0.0.1', exclusive: true }, done);
  });
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Settings that would change what is measured, or reach beyond this machine, stay outside. */
function cleanEnv(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { SALLYPORT_ENV_FILE: '' };
  for (const name of ['PATH', 'HOME', 'LANG', 'TMPDIR', 'USER', 'NODE_EXTRA_CA_CERTS'])
    if (process.env[name] !== undefined) env[name] = process.env[name];
  return env;
}

function readyLineOf(child: ChildProcess, said: string[]): Promise<ReadyLine> {
  return new Promise((done, fail) => {
    const tail = (): string => said.slice(-20).join('\n');
    const timer = setTimeout(() => fail(new Error(`npm start was not ready in time:\n${tail()}`)), startMs);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{"event":"ready"')) return;
      clearTimeout(timer);
      done(JSON.parse(line) as ReadyLine);
    });
    child.once('error', fail);
    // Not at `exit`: its last words may still be on the way.
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      fail(new Error(`npm start ended with ${signal ?? `exit code ${code}`}:\n${tail()}`));
    });
  });
}

/**
 * Starts the product as `npm start` does, in a data directory of its own (or the given one) and on free ports, with
 * the rate limits of load tests and everything else as it ships.
 *
 * @throws when it is not ready within three minutes, with its last words
 */
export async function startProduct(
  settings: Readonly<Record<string, string>> = {},
  options: { readonly dataDir?: string } = {},
): Promise<Product> {
  const folder = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), 'sallyport-load-')) : undefined;
  // As root, Postgres runs as another user: what that one cannot reach would lie elsewhere, and stay there.
  if (folder) chmodSync(folder, 0o711);
  const dataDir = options.dataDir ?? join(folder!, 'data');
  const said: string[] = [];
  const child = spawn(join(root, 'node_modules/.bin/node'), ['cli/main.ts', 'start'], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...cleanEnv(),
      PORT: String(await freePort()),
      METRICS_PORT: String(await freePort()),
      SALLYPORT_DATA_DIR: dataDir,
      RATE_LIMIT_PROFILE: 'load',
      ...settings,
    },
  });
  running.add(child);
  createInterface({ input: child.stderr! }).on('line', (line) => {
    said.push(line);
    if (said.length > 200) said.shift();
    if (process.env.LOAD_TESTS_VERBOSE) process.stderr.write(`  ${line}\n`);
  });
  const ended = new Promise<void>((done) => child.once('exit', () => done()));

  const stop = async (): Promise<void> => {
    signalGroup(child, 'SIGTERM');
    const hurry = setTimeout(() => signalGroup(child, 'SIGKILL'), stopMs);
    await ended;
    clearTimeout(hurry);
    running.delete(child);
    if (folder) rmSync(folder, { recursive: true, force: true });
  };
  try {
    const ready = await readyLineOf(child, said);
    const credentials = JSON.parse(readFileSync(ready.credentials_file, 'utf8')) as Credentials;
    return {
      api: ready.api,
      metrics: ready.metrics,
      apiPid: ready.pids.api,
      startPid: child.pid!,
      dataDir,
      credentials,
      stop,
    };
  } catch (err) {
    await stop();
    throw err;
  }
}
