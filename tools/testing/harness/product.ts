// For tests only: the product on a database of a test file's own, asked over HTTP and held to its OpenAPI document.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { isSameProcessAlive } from '#services/platform/local/file-lock.mjs';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { readState, sendSignal, waitForExit } from '#services/platform/local/processes.ts';
import { patient as longer, TEST_FOLDER, TEST_PATIENCE } from '#services/platform/process/patience.ts';
import { readRunRecords } from '#services/supervisor/run-record.ts';
import { eventually } from '../eventually.ts';
import { type ClientCredentials, type Received, type Sent, send } from '../http-client.ts';
import { createAnswerCheck, type Operation, operationsOf } from '../openapi-check.ts';
import { leftOut, preloaded } from '../processes/child-env.ts';
import { copyCluster } from '../processes/prepared-cluster.ts';
import { program } from '../processes/programs.ts';
import { oneHasher, patient } from './busy-machine.ts';
import { queryRows } from './ports.ts';
import { createTestDatabase, testRedisUrl } from './stores.ts';

export type ProductHarness = {
  readonly product: Product;
  readonly databaseUrl: string;
  readonly operations: readonly Operation[];
  /** One request whose answer must be documented. */
  call(method: string, path: string, sent?: Sent): Promise<Received>;
  /** One request with a JSON body. */
  post(path: string, json: unknown, sent?: Sent): Promise<Received>;
  /** The authentication header of its client. */
  readonly byClient: Sent;
  /** Fails unless the API process is still the one that the harness started. */
  expectUnharmed(): Promise<void>;
  /** Ends the product and drops its database. */
  close(): Promise<void>;
};

/** @param env settings over what a start without any would do; it has no worker unless they say so */
export async function startProductHarness(env: Readonly<Record<string, string>> = {}): Promise<ProductHarness> {
  const database = await createTestDatabase();
  try {
    const stores = { databaseUrl: database.url, redisUrl: testRedisUrl() };
    const product = await startProduct({ stores, env: { WORKER_COPIES: '0', ...env } });
    const pid = product.apiPid();
    const openApi = (await send(product.api, 'GET', '/openapi.json')).body;
    const check = createAnswerCheck(openApi);
    const call: ProductHarness['call'] = async (method, path, sent = {}) => {
      const answer = await send(product.api, method, path, sent);
      check(method, path, answer);
      return answer;
    };
    return {
      product,
      databaseUrl: database.url,
      operations: operationsOf(openApi),
      call,
      post: (path, json, sent = {}) => call('POST', path, { json, ...sent }),
      byClient: { basic: product.credentials.client },
      expectUnharmed: async () => {
        expect((await send(product.api, 'GET', '/healthz')).status).toBe(200);
        expect(pid).toBeDefined();
        expect(product.apiPid()).toBe(pid);
      },
      close: async () => {
        await product.dispose();
        await database.drop();
      },
    };
  } catch (err) {
    await database.drop();
    throw err;
  }
}

/** Starts another worker of a product's installation, and no API. */
export const startWorkerBeside = (
  { api, dataDir, credentials }: Product,
  env: ProductOptions['env'],
): Promise<Product> =>
  startProduct({
    ...{ dataDir, stores: { databaseUrl: credentials.database_url, redisUrl: credentials.redis_url } },
    env: { ...env, BETTER_AUTH_URL: api, API_COPIES: '0' },
  });

/** Moves a family's last use, and the expiry that follows from it, into the past. */
export const expireFamily = ({ databaseUrl }: ProductHarness, familyId: string): Promise<unknown> =>
  queryRows(databaseUrl)`
    UPDATE refresh_families SET idle_expires_at = now() - interval '1 second', rotated_at = now() - interval '1 day'
    WHERE id = ${familyId}`;

type Login = { readonly email: string; readonly password: string };
/** What `dev-credentials.json` holds. */
type Credentials = {
  readonly user: Login;
  readonly admin: Login;
  readonly client: ClientCredentials;
  readonly database_url: string;
  readonly redis_url: string;
};

type ReadyLine = {
  readonly event: 'ready';
  readonly api: string;
  readonly mcp?: string;
  readonly metrics: string;
  readonly tasks?: string;
  readonly credentials_file: string;
  readonly pids: { readonly api: number; readonly worker?: number; readonly mcp?: number; readonly tasks?: number };
};

export type ProductOptions = {
  /** Settings over what a start without any would do. */
  readonly env?: Readonly<Record<string, string>>;
  /** With its own limits of time and its own number of hashing processes, not those of tests on a busy machine. */
  readonly isAsShipped?: boolean;
  /** Words after `start`, as `--with tasks`. */
  readonly args?: readonly string[];
  /** Given stores; without them the product brings its own into its data directory. */
  readonly stores?: { readonly databaseUrl: string; readonly redisUrl: string };
  /** A data directory to use and leave; without it a temporary one. */
  readonly dataDir?: string;
  /** A prepared cluster to copy into its data directory, in place of running initdb. */
  readonly clusterDir?: string;
  /** Time limit until it is ready, where that is what is promised. */
  readonly readyWithinMs?: number;
  /** Asks it to drain and stop, at any time from its spawn. */
  readonly stopSignal?: AbortSignal;
  /** Gets the log while it is written. */
  readonly onLog?: (text: string) => void;
};

export type Product = {
  readonly api: string;
  readonly metrics: string;
  readonly dataDir: string;
  readonly credentials: Credentials;
  readonly ready: ReadyLine;
  readonly supervisorPid: number;
  /** The API process of now: another one after a crash. */
  apiPid(): number | undefined;
  /** The worker process of now: another one after a crash. */
  workerPid(): number | undefined;
  /** Of the stores the product brought; undefined for given ones. */
  storePid(store: 'postgres' | 'redis'): number | undefined;
  /** Standard output and error of the product; of long output, the end. */
  output(): string;
  /** Exit code of the supervisor, or the signal that ended it; waits for it. */
  ended(): Promise<number | string>;
  /** Signals the whole process group, as a terminal's Ctrl-C does, and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
  /** Ends whatever is left, and removes a temporary data directory. */
  dispose(): Promise<void>;
};

const STORES = ['postgres', 'redis'] as const;

/** The environment of the tests without the developer's own settings. */
function ownEnv(): NodeJS.ProcessEnv {
  const kept = /^(PATH|HOME|USER|LANG|TZ|TMPDIR|LC_.*|NODE_V8_COVERAGE|NODE_COMPILE_CACHE|NODE_EXTRA_CA_CERTS)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name)));
}

const spawnProduct = (args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess =>
  spawn(join(repositoryRoot, 'node_modules/.bin/node'), [program('cli'), 'start', ...args], {
    cwd: repositoryRoot,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });

async function endStores(dataDir: string): Promise<void> {
  for (const store of STORES) {
    const state = readState(join(dataDir, 'run', `${store}.json`));
    if (!state || !isSameProcessAlive(state)) continue;
    sendSignal(state.pid, 'SIGCONT');
    sendSignal(state.pid, store === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
    if (!(await waitForExit(state, 10_000))) sendSignal(state.pid, 'SIGKILL');
  }
}

/** A start that fails ends by itself: this bounds only one that hangs, within the patience of a test's hooks. */
const START_PATIENCE_MS = 110_000;

/** The patience of this run, for its processes. */
function patienceOfTests(): NodeJS.ProcessEnv {
  const { [TEST_FOLDER]: folder, [TEST_PATIENCE]: factor } = process.env;
  return folder === undefined ? {} : { [TEST_FOLDER]: folder, [TEST_PATIENCE]: factor };
}

/** Under load a product may log without bound. */
const OUTPUT_KEPT = 8_000_000;
const keep = (text: string): string => (text.length > 2 * OUTPUT_KEPT ? text.slice(-OUTPUT_KEPT) : text);

/**
 * Starts the product on free ports and resolves when it says that it is ready.
 * @throws when it ends before, with its last words
 */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const folder = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), 'sallyport-product-')) : undefined;
  // As root, Postgres runs as another user, who must be able to pass through.
  if (folder) chmodSync(folder, 0o755);
  const dataDir = options.dataDir ?? join(folder!, 'data');
  if (options.clusterDir) await copyCluster(options.clusterDir, dataDir);
  const child = spawnProduct(options.args ?? [], {
    ...ownEnv(),
    ...preloaded(),
    ...leftOut,
    SALLYPORT_ENV_FILE: '',
    PORT: String(await randomFreePort()),
    METRICS_PORT: String(await randomFreePort()),
    TASKS_PORT: String(await randomFreePort()),
    SALLYPORT_DATA_DIR: dataDir,
    RATE_LIMIT_PROFILE: 'load',
    ...(options.isAsShipped ? {} : { ...patient, ...oneHasher, ...patienceOfTests() }),
    // A process more to start; only its own tests need it.
    MCP_COPIES: '0',
    ...(options.stores ? { DATABASE_URL: options.stores.databaseUrl, REDIS_URL: options.stores.redisUrl } : {}),
    ...options.env,
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (part: Buffer) => {
    stdout = keep(stdout + part);
  });
  child.stderr?.on('data', (part: Buffer) => {
    stderr = keep(stderr + part);
    options.onLog?.(part.toString());
  });
  let ending: number | string | undefined;
  const ended = new Promise<number | string>((done) => {
    child.once('exit', (code, signal) => {
      ending = signal ?? code ?? -1;
      done(ending);
    });
  });
  const killGroup = (): void => sendSignal(-child.pid!, 'SIGKILL');
  process.once('exit', killGroup);
  options.stopSignal?.addEventListener('abort', () => {
    // It stops by itself, with its stores, even if this process ends first.
    process.off('exit', killGroup);
    if (ending === undefined) sendSignal(-child.pid!, 'SIGTERM');
  });

  const children = () =>
    readRunRecords(dataDir)
      .filter((record) => record.supervisor.pid === child.pid)
      .flatMap((record) => record.children);

  const pidOf = (kind: string) =>
    children().find(({ name, process: own }) => name.startsWith(kind) && isSameProcessAlive(own))?.process.pid;

  const dispose = async (): Promise<void> => {
    const left = children();
    if (ending === undefined) killGroup();
    await ended;
    for (const { process: own } of left) if (isSameProcessAlive(own)) sendSignal(own.pid, 'SIGKILL');
    for (const { process: own } of left) await waitForExit(own, 10_000);
    process.off('exit', killGroup);
    if (!folder) return;
    await endStores(dataDir);
    rmSync(folder, { recursive: true, force: true });
  };

  let ready: ReadyLine;
  try {
    ready = await eventually(
      'the ready line',
      () => {
        const line = stdout.split('\n').find((text) => text.startsWith('{"event":"ready"') && text.endsWith('}'));
        if (line === undefined && ending !== undefined) throw new Error(`the start ended (${ending})`);
        return line === undefined ? undefined : (JSON.parse(line) as ReadyLine);
      },
      options.readyWithinMs ?? longer(START_PATIENCE_MS),
    );
  } catch (cause) {
    await dispose();
    throw new Error(`${(cause as Error).message}\n${stderr}`, { cause });
  }
  return {
    api: ready.api,
    metrics: ready.metrics,
    dataDir,
    credentials: JSON.parse(readFileSync(ready.credentials_file, 'utf8')) as Credentials,
    ready,
    supervisorPid: child.pid!,
    apiPid: () => pidOf('api'),
    workerPid: () => pidOf('worker'),
    storePid: (store) => readState(join(dataDir, 'run', `${store}.json`))?.pid,
    output: () => stdout + stderr,
    ended: () => ended,
    stop: async (signal = 'SIGTERM') => {
      if (ending === undefined) sendSignal(-child.pid!, signal);
      return ended;
    },
    dispose,
  };
}
