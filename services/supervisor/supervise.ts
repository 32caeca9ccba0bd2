import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, loadProcessConfig } from '../platform/config/load.ts';
import { isMcpInApi, MCP_PATH, mcpCopiesOf } from '../platform/config/mcp.ts';
import { databaseUrlsOf } from '../platform/config/stores.ts';
import { ensureAuthSecret, ensureDataDir, resolveDataDir } from '../platform/local/data-dir.ts';
import { StartError } from '../platform/local/errors.ts';
import { loopbackNameOf } from '../platform/local/loopback.ts';
import { collectWhenIdle } from '../platform/process/collect-when-idle.ts';
import { PROBE_TIMEOUT_SECONDS, probeRedis, reachPostgres } from '../platform/process/probe-store.ts';
import { type OwnLog, ownLogOf, placeOf, troubleOf } from '../platform/process/store-trouble.ts';
import { httpUrl, tellMove } from './addresses.ts';
import { type BackoffPolicy, defaultBackoff } from './backoff.ts';
import { childEnv } from './child-env.ts';
import { drain } from './drain.ts';
import { chooseListenPort, type ListenPort } from './listen-port.ts';
import { healthOf, listenForMetrics } from './metrics-server.ts';
import { type PreparationStep, runStep } from './migrate-and-seed.ts';
import { type ChildSpec, processSpecs, withOwnRedisUser } from './process-specs.ts';
import { createProcesses, processName, socketOf } from './processes.ts';
import type { ReadyState } from './ready.ts';
import { clearDeadSupervisors, removeRunRecord, writeRunRecord } from './run-record.ts';
import { createSilenceWatch } from './silence-watch.ts';
import type { StopRequests } from './stop-requests.ts';
import { type Stores, startStores } from './stores.ts';
import { chooseTasksExample, type TasksExample } from './tasks-example.ts';

const SLOW_STEP_MS = 3_000;
const STORE_STOP_MS = 9_000;
const SILENCE_LOOK_MS = 5_000;
const LONGEST_SOCKET_FOLDER = 80;

type SuperviseOptions = {
  env: NodeJS.ProcessEnv;
  steps: readonly PreparationStep[];
  requests: StopRequests;
  /** Progress messages for operators. */
  say: (text: string) => void;
  /** Every child is ready: for the first time, and again after each restart. */
  onReady: (state: ReadyState) => void;
  /** Default: the product's own table. */
  children?: readonly ChildSpec[];
  /** Also run the tasks API of `examples/tasks-fastify`. */
  withTasks?: boolean;
  backoff?: BackoffPolicy;
  /** Receives the function that repeats the preparation and restarts all children (for the watch mode). */
  onRunning?: (startAgain: () => Promise<void>) => void;
};

/** Thrown inside a start that was asked to stop. */
class Stopped extends Error {}

type Undo = (() => Promise<void> | void)[];

/**
 * Starts everything, keeps it running until asked to stop, and stops it again: children first, one after the other,
 * then Postgres and Redis. Resolves when nothing of it runs any more.
 *
 * @throws StartError or ConfigError, after stopping what was running
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const config = loadProcessConfig(options.env);
  const undo: Undo = [];
  try {
    await runUntilStopped(options, config, undo);
  } catch (err) {
    if (!(err instanceof Stopped)) throw err;
  } finally {
    options.requests.request('the start failed');
    for (const step of undo.reverse()) {
      // If one step fails, the next ones still stop their processes.
      try {
        await step();
      } catch (err) {
        options.say(`while stopping: ${(err as Error).message}`);
      }
    }
  }
}

async function runUntilStopped(options: SuperviseOptions, config: Config, undo: Undo): Promise<void> {
  const { env, requests, say, backoff = defaultBackoff } = options;
  const { host, port, metricsPort, drainSeconds, profile } = config.server;
  const dataDir = resolveDataDir(env);
  const isFirst = !existsSync(dataDir);
  ensureDataDir(dataDir);
  await awaitStep('the previous run to end', clearDeadSupervisors(dataDir, drainSeconds, say), options);

  const loopback = loopbackNameOf(dataDir);
  // Before the stores, so that a taken port is reported at once.
  const isSet = Boolean(env.PORT);
  const api = await chooseListenPort({ wanted: port, host, loopback, setting: 'PORT', isSet, say });
  const mcp = await chooseMcpPort(options, config, { apiPort: api.port, loopback });
  const taken = [api.port, ...(mcp ? [mcp.port] : [])];
  const forTasks = { config, env, dataDir, say, except: taken, apiUrl: () => api.url, loopback };
  const tasks = options.withTasks ? await chooseTasksExample(forTasks) : undefined;
  const starting = startStores(env, dataDir, say);
  starting.catch(({ code }: StartError) => {
    if (isFirst && code === 'no_redis') rmSync(dataDir, { recursive: true });
  });
  undo.push(() => Promise.race([starting.then((started) => started.stop()).catch(() => {}), sleep(STORE_STOP_MS)]));
  const stores = await awaitStep('Postgres and Redis', starting, options);
  await reachStores(options, config, stores, dataDir);
  const steps = tasks ? [...options.steps, tasks.step] : options.steps;
  await prepareAll({ ...options, steps }, config, stores, dataDir);

  const socketFolder = makeSocketFolder(dataDir);
  undo.push(() => rmSync(socketFolder, { recursive: true, force: true }));
  const children = options.children ?? processSpecs(config);
  const specs = [...(env.REDIS_URL ? children : children.map(withOwnRedisUser)), ...(tasks ? [tasks.spec] : [])];
  const measured = specs.filter(({ servesMetrics }) => servesMetrics !== false).map(processName);
  const restarts = new Map<string, number>(specs.map((spec) => [processName(spec), 0]));
  const sources = () => measured.map((process) => ({ process, socketPath: socketOf(socketFolder, process) }));
  const metrics = await listenForMetrics(metricsPort, taken, { host, sources, restarts: () => restarts });
  undo.push(() => metrics.close());
  tellMove(say, 'metrics port', metricsPort, metrics.port);

  const metricsUrl = `${httpUrl(host, metrics.port, loopback)}/metrics`;
  const authSecret = profile === 'development' ? ensureAuthSecret(dataDir) : undefined;
  const startedAt = new Date().toISOString();
  const processes = createProcesses({
    specs,
    env: () => {
      const { databaseUrl, redisUrl } = stores;
      return childEnv(env, { host, port: api.port, apiUrl: api.url, mcp, databaseUrl, redisUrl, dataDir, authSecret });
    },
    socketFolder,
    backoff,
    ports: mcp ? { api, mcp } : { api },
    otherPorts: [metrics.port],
    requests,
    say,
    onChange: (children, ready) =>
      writeRunRecord(dataDir, {
        ...{ startedAt, api: api.url, metrics: metricsUrl, socketFolder, ready, children },
        ...tasksOf(tasks),
      }),
    onReady: (pids) => {
      const credentialsFile = join(dataDir, 'dev-credentials.json');
      options.onReady({
        api: api.url,
        publicUrl: config.server.publicUrl ?? api.url,
        ...mcpUrlOf(config, { api: api.url, mcp: mcp?.url }),
        metrics: metricsUrl,
        credentialsFile,
        pids,
        hasWorker: specs.some(({ name }) => name === 'worker'),
        ...tasksOf(tasks),
      });
    },
    onRestarted: (name) => restarts.set(name, (restarts.get(name) ?? 0) + 1),
  });
  undo.push(
    () => removeRunRecord(dataDir),
    () => drain(processes.children, requests),
  );
  processes.start();
  // Before it is ready: what changes from the first moment on is seen.
  options.onRunning?.(async () => {
    await processes.ready;
    await prepareAll({ ...options, steps }, config, stores, dataDir);
    await processes.restart();
  });
  const names = specs.map((spec) => spec.name).join(', ');
  await awaitStep(`${names} to be ready`, Promise.race([processes.ready, processes.failed]), options);
  collectWhenIdle();
  stores.keepAlive(backoff, processes.restart);
  const watch = createSilenceWatch({
    ask: async () => (await healthOf(sources())).body.processes,
    pidOf: (name) => processes.children.find((child) => child.name === name)?.process?.pid,
    say: (text) => requests.isStopping() || say(text),
    nowMs: () => performance.now(),
  });
  const looking = setInterval(() => void watch.look(), SILENCE_LOOK_MS);
  undo.push(() => clearInterval(looking));
  await Promise.race([requests.stop, processes.failed]);
}

/** Where MCP clients connect: to the process that this start runs for them, else to the API. */
function mcpUrlOf(config: Config, at: { readonly api: string; readonly mcp: string | undefined }): { mcp?: string } {
  if (at.mcp !== undefined) return { mcp: config.mcp.url ?? `${at.mcp}${MCP_PATH}` };
  if (!isMcpInApi(config) || config.server.apiCopies === 0) return {};
  return { mcp: `${config.server.publicUrl ?? at.api}${MCP_PATH}` };
}

/** Where this start runs an MCP server, its port: after the API's by default. */
async function chooseMcpPort(
  { env, say, children }: SuperviseOptions,
  config: Config,
  { apiPort, loopback }: { readonly apiPort: number; readonly loopback: string },
): Promise<ListenPort | undefined> {
  if (mcpCopiesOf(config) === 0 || children !== undefined) return undefined;
  const { host } = config.server;
  return chooseListenPort({
    wanted: config.mcp.port,
    host,
    loopback,
    setting: 'MCP_PORT',
    isSet: Boolean(env.MCP_PORT),
    say,
    except: [apiPort],
  });
}

const tasksOf = (tasks: TasksExample | undefined): { tasks?: string } => (tasks ? { tasks: tasks.url } : {});

/** Of the servers of the data directory, if no setting names others. */
const ownLogs = ({ env }: SuperviseOptions, dataDir: string): { postgres?: OwnLog; redis?: OwnLog } => ({
  ...(env.DATABASE_URL ? {} : { postgres: ownLogOf('PostgreSQL', dataDir) }),
  ...(env.REDIS_URL ? {} : { redis: ownLogOf('Redis', dataDir) }),
});

/** PostgreSQL is waited for. The API works without Redis, so an unreachable Redis is only named. */
async function reachStores(
  options: SuperviseOptions,
  { stores: settings }: Config,
  stores: Stores,
  dataDir: string,
): Promise<void> {
  const logs = ownLogs(options, dataDir);
  const { say, requests } = options;
  const { redisUrl } = stores;
  const urls = databaseUrlsOf(stores.databaseUrl, settings);
  const isWanted = (): boolean => !requests.isStopping();
  const wait = { say, isWanted, waitSeconds: settings.waitSeconds, variable: logs.postgres };
  await awaitStep(`PostgreSQL at ${placeOf('PostgreSQL', urls.databaseUrl)}`, reachPostgres(urls, wait), options);
  const redis = probeRedis(redisUrl).catch((err: unknown) => {
    const trouble = troubleOf('Redis', redisUrl, err, PROBE_TIMEOUT_SECONDS, logs.redis);
    if (!trouble) throw err;
    const { sentence, fix, mayPass, isTls } = trouble;
    if (!mayPass) throw new StartError(isTls ? 'store_tls' : 'store_refused', sentence, fix, { cause: err });
    say(`${sentence}; starting without it: jobs wait until it is there (fix: ${fix})`);
  });
  await awaitStep(`Redis at ${placeOf('Redis', redisUrl)}`, redis, options);
}

/** Runs every step in order, on the stores' current addresses: one of them may have moved. */
async function prepareAll(options: SuperviseOptions, config: Config, stores: Stores, dataDir: string): Promise<void> {
  const { steps, requests, say } = options;
  const isWanted = (): boolean => !requests.isStopping();
  for (const step of steps) {
    const { redisUrl } = stores;
    const input = { ...databaseUrlsOf(stores.databaseUrl, config.stores), redisUrl, dataDir, log: say };
    await awaitStep(
      step.name,
      runStep(step, input, config.stores.waitSeconds, isWanted, ownLogs(options, dataDir).postgres),
      options,
    );
  }
}

/** In the data directory, or under /tmp where that path is too long for a unix socket (about 104 bytes). */
function makeSocketFolder(dataDir: string): string {
  const inside = join(dataDir, 'run', `metrics-${process.pid}`);
  if (Buffer.byteLength(inside) > LONGEST_SOCKET_FOLDER) return mkdtempSync('/tmp/sallyport-');
  rmSync(inside, { recursive: true, force: true });
  mkdirSync(inside, { mode: 0o700 });
  return inside;
}

/** Waits for one step of the start, logs when it takes long, and aborts it at a stop request. */
async function awaitStep<T>(name: string, work: Promise<T>, { requests, say }: SuperviseOptions): Promise<T> {
  const slow = setTimeout(() => say(`still waiting for ${name} …`), SLOW_STEP_MS);
  const stopped = requests.stop.then((): never => {
    throw new Stopped();
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, stopped]);
  } finally {
    clearTimeout(slow);
  }
}
