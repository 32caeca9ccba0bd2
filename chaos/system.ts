import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomFreePort } from '../services/platform/local/ports.ts';
import { isAlive } from '../services/platform/testing/processes/alive.ts';
import { type CliRun, runCli } from '../services/platform/testing/processes/run-cli.ts';
import { startTcpProxy, type TcpProxy } from '../services/platform/testing/processes/tcp-proxy.ts';
import { type Product, startProduct } from '../services/platform/testing/product.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import type { CopyName } from './ledger.ts';
import { type ChaosStores, type StoreName, startChaosStores } from './stores.ts';

/** One supervisor with an API and a worker, which reach their stores over links that faults bend. */
export type Copy = {
  readonly name: CopyName;
  readonly url: string;
  readonly links: Readonly<Record<StoreName, TcpProxy>>;
  /** The supervisor of now. */
  product(): Product;
  apiPid(): number | undefined;
  workerPid(): number | undefined;
  /** Ends the supervisor with this signal, and starts another in its place. */
  restart(signal: NodeJS.Signals): Promise<void>;
};

export type System = {
  readonly copies: Readonly<Record<CopyName, Copy>>;
  readonly stores: ChaosStores;
  readonly folder: string;
  readonly dataDir: string;
  /** B's clock; undefined where no library for it can be had. */
  readonly clock: FakeClock | undefined;
  /** Points every link at where the stores are now. */
  relink(): void;
  /** The command line, as an operator types it. */
  sallyport(args: readonly string[]): Promise<CliRun>;
  /** Takes everything down; resolves with the processes that did not end. */
  dispose(): Promise<number[]>;
};

const PUBLIC_URL = 'http://auth.chaos.test';

const settings: Readonly<Record<string, string>> = {
  BETTER_AUTH_URL: PUBLIC_URL,
  // Rotations that a run lives to see.
  KEY_PREPUBLISH_SECONDS: '5',
  JWKS_MAX_AGE_SECONDS: '5',
};

async function startLinks(stores: ChaosStores): Promise<Record<StoreName, TcpProxy>> {
  const [postgres, redis] = await Promise.all([
    startTcpProxy(stores.url('postgres')),
    startTcpProxy(stores.url('redis')),
  ]);
  return { postgres, redis };
}

async function startCopy(
  name: CopyName,
  stores: ChaosStores,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<Copy> {
  const links = await startLinks(stores);
  const [port, metricsPort] = await Promise.all([randomFreePort(), randomFreePort()]);
  const start = (): Promise<Product> =>
    startProduct({
      dataDir,
      stores: { databaseUrl: links.postgres.url, redisUrl: links.redis.url },
      env: { ...settings, ...env, PORT: String(port), METRICS_PORT: String(metricsPort) },
    });
  let product = await start();
  const childPid = (kind: 'api' | 'worker'): number | undefined =>
    kind === 'api' ? product.apiPid() : Object.values(product.workerPids())[0];
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    links,
    product: () => product,
    apiPid: () => childPid('api'),
    workerPid: () => childPid('worker'),
    restart: async (signal) => {
      if (signal === 'SIGKILL') process.kill(product.supervisorPid, 'SIGKILL');
      else await product.stop(signal);
      await product.ended();
      product = await start();
    },
  };
}

/** Starts stores, links and both copies. @param hasClock whether B gets a clock of its own */
export async function startSystem({ hasClock }: { readonly hasClock: boolean }): Promise<System> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-chaos-'));
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  const stores = await startChaosStores(folder);
  const clock = hasClock ? createFakeClock(join(folder, 'clock')) : undefined;
  const started: Copy[] = [];
  const dispose = async (): Promise<number[]> => {
    clock?.set(0);
    const pids = started.flatMap(({ product }) => [product().supervisorPid, product().apiPid()]);
    await Promise.all(started.map(({ product }) => product().stop()));
    const left = pids.filter((pid) => pid !== undefined).filter(isAlive);
    await Promise.all(started.map(({ product }) => product().dispose()));
    await Promise.all(started.flatMap(({ links }) => [links.postgres.cut(), links.redis.cut()]));
    await stores.dispose();
    rmSync(folder, { recursive: true, force: true });
    return left;
  };
  try {
    // One after the other: the first migrates and makes the keys.
    started.push(await startCopy('A', stores, dataDir, {}));
    started.push(await startCopy('B', stores, dataDir, clock?.env ?? {}));
  } catch (err) {
    await dispose();
    throw err;
  }
  const [A, B] = started as [Copy, Copy];
  return {
    copies: { A, B },
    stores,
    folder,
    dataDir,
    clock,
    relink: () => {
      for (const { links } of [A, B])
        for (const store of ['postgres', 'redis'] as const) links[store].retarget(stores.url(store));
    },
    sallyport: (args) =>
      runCli(args, {
        ...settings,
        DATABASE_URL: stores.url('postgres'),
        REDIS_URL: stores.url('redis'),
        SALLYPORT_DATA_DIR: dataDir,
        NO_COLOR: '1',
      }),
    dispose,
  };
}
