import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, loadConfig } from '../platform/config/load.ts';
import { ensureAuthSecret, ensureDataDir, resolveDataDir } from '../platform/local/data-dir.ts';
import { StartError } from '../platform/local/errors.ts';
import { type BackoffPolicy, defaultBackoff } from './backoff.ts';
import type { SupervisedChild } from './child.ts';
import { copyNames, createFleet, socketOf, startAttempts } from './fleet.ts';
import { listenForMetrics } from './metrics-server.ts';
import { claimPort } from './port-claim.ts';
import type { FatalMessage } from './protocol.ts';
import type { ReadyState } from './ready.ts';
import { clearDeadSupervisors, removeRunRecord, writeRunRecord } from './run-record.ts';
import { type PreparationStep, runStep } from './steps.ts';
import type { StopRequests } from './stop-requests.ts';
import { startStores } from './stores.ts';
import { type ChildSpec, childTable } from './table.ts';

const slowStepMs = 3_000;
/** From a stop request: a child still draining then is killed, which leaves the stores their time within 40 s. */
const drainBudgetMs = 28_000;
const storeStopMs = 9_000;
const portRetryMs = 1_000;
const longestSocketFolder = 80;

export interface SuperviseOptions {
  env: NodeJS.ProcessEnv;
  steps: readonly PreparationStep[];
  requests: StopRequests;
  /** Talk for people. */
  say: (text: string) => void;
  /** Every child is ready: for the first time, and again after each restart. */
  onReady: (state: ReadyState) => void;
  /** Default: the product's own table. */
  children?: readonly ChildSpec[];
  backoff?: BackoffPolicy;
  /** Receives the function that prepares again and restarts all children (the watch loop's). */
  onRunning?: (startAgain: () => Promise<void>) => void;
}

/** Thrown through a start that was asked to stop. */
class Stopped extends Error {}

type Undo = (() => Promise<void> | void)[];

/**
 * Brings everything up, keeps it running until asked to stop, and takes it down again: children first, kind by kind,
 * then Postgres and Redis. Resolves when nothing of it is left.
 *
 * @throws StartError or ConfigError, after taking down what was up
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const config = loadConfig(options.env);
  const undo: Undo = [];
  try {
    await runUntilStopped(options, config, undo);
  } catch (err) {
    if (!(err instanceof Stopped)) throw err;
  } finally {
    options.requests.request('the start failed');
    for (const step of undo.reverse()) {
      // Whatever goes wrong in one step, the ones after it stop processes.
      try {
        await step();
      } catch (err) {
        options.say(`while stopping: ${(err as Error).message}`);
      }
    }
  }
}

async function runUntilStopped(options: SuperviseOptions, config: Config, undo: Undo): Promise<void> {
  const { env, requests, say } = options;
  const { host, drainSeconds } = config.server;
  const dataDir = resolveDataDir(env);
  const credentialsFile = join(dataDir, 'dev-credentials.json');
  ensureDataDir(dataDir);
  await awaitStep('the previous run to end', clearDeadSupervisors(dataDir, drainSeconds, say), options);

  const starting = startStores(env, dataDir, say);
  undo.push(() => Promise.race([starting.then((started) => started.stop()).catch(() => {}), sleep(storeStopMs)]));
  const stores = await awaitStep('Postgres and Redis', starting, options);
  const prepareAll = async (): Promise<void> => {
    for (const step of options.steps) {
      const { databaseUrl, redisUrl } = stores;
      const input = { databaseUrl, redisUrl, dataDir, log: say };
      await awaitStep(
        step.name,
        runStep(step, input, () => !requests.isStopping()),
        options,
      );
    }
  };
  await prepareAll();

  let claim = await claimPort(config.server.port, host);
  undo.push(() => claim.release());
  tellMove(say, 'port', config.server.port, claim.port);
  const apiUrl = (): string => httpUrl(host, claim.port);

  const socketFolder = makeSocketFolder(dataDir);
  undo.push(() => rmSync(socketFolder, { recursive: true, force: true }));

  const specs = options.children ?? childTable(config);
  const restarts = new Map<string, number>(specs.flatMap(copyNames).map((name) => [name, 0]));
  const metrics = await listenForMetrics(config.server.metricsPort, [claim.port], {
    host,
    sources: () => [...restarts.keys()].map((process) => ({ process, socketPath: socketOf(socketFolder, process) })),
    restarts: () => restarts,
  });
  undo.push(() => metrics.close());
  tellMove(say, 'metrics port', config.server.metricsPort, metrics.port);
  const metricsUrl = `${httpUrl(host, metrics.port)}/metrics`;

  const authSecret = config.server.profile === 'development' ? ensureAuthSecret(dataDir) : undefined;
  const childEnv = (): NodeJS.ProcessEnv => ({
    ...(authSecret ? { BETTER_AUTH_SECRET: authSecret } : {}),
    BETTER_AUTH_URL: apiUrl(),
    ...withoutEmpty(env),
    HOST: host,
    PORT: String(claim.port),
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    SALLYPORT_DATA_DIR: dataDir,
  });

  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const allReady = Promise.withResolvers<void>();
  const startedAt = new Date().toISOString();
  let wasReady = false;
  let isAllReady = false;

  const onChange = (): void => {
    const children = fleets.flatMap((fleet) => fleet.children);
    const ready = children.length > 0 && children.every((child) => child.isReady);
    if (!requests.isStopping()) {
      writeRunRecord(dataDir, {
        startedAt,
        api: apiUrl(),
        metrics: metricsUrl,
        socketFolder,
        ready,
        children: children.flatMap(({ name, process, isReady }) =>
          process ? [{ name, process, ready: isReady }] : [],
        ),
      });
      const hopeless = wasReady ? undefined : children.find((child) => child.failures >= startAttempts);
      if (hopeless) failed.reject(gaveUp(hopeless));
      if (ready && !isAllReady) {
        wasReady = true;
        allReady.resolve();
        const pids = Object.fromEntries(fleets.map(({ spec, children: [first] }) => [spec.name, first!.process!.pid]));
        const workers = specs.find(({ name }) => name === 'worker')?.copies ?? 0;
        options.onReady({ api: apiUrl(), metrics: metricsUrl, credentialsFile, pids, workers });
      }
    }
    isAllReady = ready;
  };

  const restartAll = async (): Promise<void> => {
    for (const { children } of fleets) {
      await Promise.all(children.map((child) => child.stop()));
      if (!requests.isStopping()) for (const child of children) child.start();
    }
  };
  const onFatal = async (child: SupervisedChild, message: FatalMessage): Promise<void> => {
    const isPortTaken = message.code === 'port_taken' || message.code === 'EADDRINUSE';
    if (!isPortTaken) return failed.reject(new StartError(message.code, message.message, message.fix));
    if (wasReady) {
      // Its address is the issuer of tokens in use: it waits for its port rather than move.
      say(`port ${claim.port} of ${child.name} is taken: trying again in ${portRetryMs / 1_000} s`);
      await Promise.race([sleep(portRetryMs), requests.stop]);
      await child.stop();
      if (!requests.isStopping()) child.start();
      return;
    }
    const next = await claimPort(claim.port + 1, host, [metrics.port]);
    claim.release();
    tellMove(say, 'port', claim.port, next.port);
    claim = next;
    await restartAll();
  };

  const fleets: { spec: ChildSpec; children: SupervisedChild[] }[] = [];
  undo.push(
    () => removeRunRecord(dataDir),
    () =>
      drain(
        fleets.map((fleet) => fleet.children),
        requests,
      ),
  );
  for (const spec of specs) {
    const shared = spec.copies > 1;
    const children = createFleet({
      spec: shared ? copiesParent(spec) : spec,
      names: shared ? [spec.name] : copyNames(spec),
      env: shared ? () => ({ ...childEnv(), SALLYPORT_COPIES: JSON.stringify(spec) }) : childEnv,
      socketFolder,
      backoff: options.backoff ?? defaultBackoff,
      ownGroup: true,
      say,
      onFatal: (child, message) => void onFatal(child, message),
      onChange,
      onRestarted: (name) => void (restarts.has(name) && restarts.set(name, restarts.get(name)! + 1)),
    });
    fleets.push({ spec, children });
    for (const child of children) child.start();
  }
  await awaitStep(
    `${specs.map((spec) => spec.name).join(', ')} to be ready`,
    Promise.race([allReady.promise, failed.promise]),
    options,
  );
  stores.keepAlive(options.backoff ?? defaultBackoff, restartAll);
  options.onRunning?.(async () => {
    await prepareAll();
    await restartAll();
  });
  await Promise.race([requests.stop, failed.promise]);
}

/** In the data directory, or under /tmp where that path is too long for a unix socket (some 104 bytes). */
function makeSocketFolder(dataDir: string): string {
  const inside = join(dataDir, 'run', `metrics-${process.pid}`);
  if (Buffer.byteLength(inside) > longestSocketFolder) return mkdtempSync('/tmp/sallyport-');
  rmSync(inside, { recursive: true, force: true });
  mkdirSync(inside, { mode: 0o700 });
  return inside;
}

/** Waits for one step of the start, says so when it takes long, and leaves it at a stop request. */
async function awaitStep<T>(name: string, work: Promise<T>, { requests, say }: SuperviseOptions): Promise<T> {
  const slow = setInterval(() => say(`still waiting for ${name} …`), slowStepMs);
  const stopped = requests.stop.then((): never => {
    throw new Stopped();
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, stopped]);
  } finally {
    clearInterval(slow);
  }
}

/** Stops the fleets one after the other, each within its drain time and all within the budget; a hurry kills them. */
async function drain(fleets: readonly SupervisedChild[][], requests: StopRequests): Promise<void> {
  let isOver = false;
  const killAll = (): void => {
    isOver = true;
    for (const child of fleets.flat()) child.kill();
  };
  const budget = setTimeout(killAll, drainBudgetMs);
  void requests.hurry.then(killAll);
  for (const children of fleets) {
    const stopping = children.map((child) => child.stop());
    if (isOver) killAll();
    await Promise.all(stopping);
  }
  clearTimeout(budget);
}

const copiesParent = (spec: ChildSpec): Omit<ChildSpec, 'name' | 'copies'> => ({
  entry: new URL('./copies.ts', import.meta.url).pathname,
  readyTimeoutSeconds: spec.readyTimeoutSeconds + 5,
  drainSeconds: spec.drainSeconds + 2,
});

const gaveUp = (child: SupervisedChild): StartError =>
  new StartError(
    'child_not_started',
    `${child.name} crashed ${child.failures} times before it was ever ready`,
    'its own words are above; mend that and start again',
  );

function tellMove(say: (text: string) => void, what: string, wanted: number, got: number): void {
  if (wanted !== 0 && wanted !== got) say(`${what} ${wanted} is taken: using ${got}`);
}

function httpUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** An empty variable means "not set", and must not hide a value of our own. */
function withoutEmpty(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}
