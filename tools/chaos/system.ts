import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { commandOf, type RecordedProcess, recordProcess, waitForExit } from '#services/platform/local/processes.ts';
import { oneHasher } from '#tools/testing/harness/busy-machine.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { descendantsOf } from '#tools/testing/processes/alive.ts';
import { type CliRun, runCli } from '#tools/testing/processes/run-cli.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { ensureProgram, triplet } from '../checks/debian-package.ts';
import { mountSmallDisk, type SmallDisk } from './disk.ts';
import type { CopyName } from './ledger.ts';
import { type ChaosStores, type StoreName, startChaosStores, startClusterStores } from './stores.ts';

const LIBRARY = 'libfaketime.so.1';

/** What a hash costs is tested beside the hasher; here sign-ins would only measure the machine. */
const cheapHashes = { NODE_OPTIONS: `--import=${new URL('../testing/processes/cheap-bcrypt.ts', import.meta.url)}` };

/** A wall clock of its own for the processes that get `env`; monotonic time stays the machine's. */
type FakeClock = {
  readonly env: Readonly<Record<string, string>>;
  /** How far the clock is ahead from now on, in seconds; negative: behind. */
  set(offsetSeconds: number): void;
};

function findLibrary(): string {
  for (const folder of [`/usr/lib/${triplet}/faketime`, '/usr/lib/faketime', '/usr/local/lib/faketime'])
    if (existsSync(folder) && readdirSync(folder).includes(LIBRARY)) return join(folder, LIBRARY);
  return ensureProgram({ package: 'libfaketime', name: LIBRARY, path: `usr/lib/${triplet}/faketime/${LIBRARY}` });
}

/** @throws when there is no libfaketime here and Debian's package cannot be fetched */
function createFakeClock(folder: string): FakeClock {
  const library = findLibrary();
  mkdirSync(folder, { recursive: true });
  const control = join(folder, 'clock');
  const set = (offsetSeconds: number): void => {
    // Whole at once: the library may read at any moment.
    writeFileSync(`${control}.new`, `${offsetSeconds >= 0 ? '+' : ''}${offsetSeconds}\n`);
    renameSync(`${control}.new`, control);
  };
  set(0);
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: control,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
      // Lock files are compared by the times of their owners.
      NO_FAKE_STAT: '1',
    },
    set,
  };
}

/** One supervisor with an API and a worker, which reach their stores over links that faults bend. */
type Copy = {
  readonly name: CopyName;
  readonly url: string;
  readonly links: Readonly<Record<StoreName, TcpProxy>>;
  /** Undefined where it runs no MCP server. */
  mcpUrl(): string | undefined;
  /** The supervisor of now. */
  product(): Product;
  apiPid(): number | undefined;
  workerPid(): number | undefined;
  /** Every process that was seen below its supervisors, ended ones too. */
  seen(): readonly RecordedProcess[];
  /** Ends the supervisor with this signal, and starts another in its place. */
  restart(signal: NodeJS.Signals): Promise<void>;
};

/** How many processes were seen, and which of them did not end, by pid and command. */
export type Stopped = { readonly seen: number; readonly left: readonly string[] };

export type System = {
  readonly copies: Readonly<Record<CopyName, Copy>>;
  readonly stores: ChaosStores;
  readonly folder: string;
  readonly dataDir: string;
  /** Where A serves the Model Context Protocol; ends with `/mcp`. */
  readonly mcpUrl: string;
  /** B's clock; undefined where no library for it can be had. */
  readonly clock: FakeClock | undefined;
  /** Below the data directory that the copies share; undefined where the suite may not mount. */
  readonly disk: SmallDisk | undefined;
  /** Undefined where the run has one PostgreSQL. */
  readonly cluster: ChaosStores['cluster'];
  /** Points every link at where the stores are now. */
  relink(): void;
  /** The command line, as an operator types it. */
  sallyport(args: readonly string[], more?: Readonly<Record<string, string>>): Promise<CliRun>;
  /** Takes everything down, once. */
  dispose(): Promise<Stopped>;
};

const EXIT_MS = 10_000;
const WATCH_MS = 500;
/** Migrations, keys and seeds of a first start, on a machine that has other work. */
const READY_MS = 300_000;

async function startCopy(
  name: CopyName,
  stores: ChaosStores,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<Copy> {
  const link = (store: StoreName) => startTcpProxy(stores.url(store));
  const links = { postgres: await link('postgres'), redis: await link('redis') };
  const [port, metricsPort] = await Promise.all([randomFreePort(), randomFreePort()]);
  const start = (): Promise<Product> =>
    startProduct({
      dataDir,
      stores: { databaseUrl: links.postgres.url, redisUrl: links.redis.url },
      isAsShipped: true,
      env: { ...oneHasher, ...cheapHashes, ...env, PORT: String(port), METRICS_PORT: String(metricsPort) },
      readyWithinMs: READY_MS,
    });
  let product = await start();
  const seen = new Map<string, RecordedProcess>();
  const look = (): void => {
    for (const pid of [product.supervisorPid, ...descendantsOf(product.supervisorPid)]) {
      const record = recordProcess(pid);
      if (record.start !== undefined) seen.set(`${pid} ${record.start}`, record);
    }
  };
  setInterval(look, WATCH_MS).unref();
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    links,
    mcpUrl: () => product.ready.mcp,
    product: () => product,
    apiPid: () => product.apiPid(),
    workerPid: () => product.workerPid(),
    seen: () => {
      look();
      return [...seen.values()];
    },
    restart: async (signal) => {
      look();
      if (signal === 'SIGKILL') process.kill(product.supervisorPid, 'SIGKILL');
      else await product.stop(signal);
      await product.ended();
      product = await start();
    },
  };
}

/** Processes end a moment after their supervisor, hashing children a moment after their API. */
async function stillAlive(records: readonly RecordedProcess[]): Promise<string[]> {
  const left = await Promise.all(
    records.map(async (record) =>
      (await waitForExit(record, EXIT_MS)) ? [] : [`${record.pid} ${commandOf(record.pid)}`],
    ),
  );
  return left.flat();
}

type SystemOptions = {
  /** Whether B gets a clock of its own. */
  readonly hasClock: boolean;
  /** Whether PostgreSQL is a cluster under Patroni. */
  readonly hasCluster: boolean;
  /** Settings of both copies. */
  readonly env: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
};

function tryToMount(dataDir: string, say: SystemOptions['say']): SmallDisk | undefined {
  try {
    return mountSmallDisk(dataDir);
  } catch (err) {
    say(`NO FAULT full-data-directory: a tmpfs cannot be mounted here: ${(err as Error).message}`);
    return undefined;
  }
}

/** Starts stores, links and both copies. */
export async function startSystem({ hasClock, hasCluster, env, say }: SystemOptions): Promise<System> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-chaos-'));
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  const stores = await (hasCluster ? startClusterStores(folder, say) : startChaosStores(folder));
  const clock = hasClock ? createFakeClock(join(folder, 'clock')) : undefined;
  const disk = tryToMount(dataDir, say);
  const started: Copy[] = [];
  const takeDown = async (): Promise<Stopped> => {
    clock?.set(0);
    const seen = started.flatMap((copy) => copy.seen());
    await Promise.all(started.map(({ product }) => product().stop()));
    const left = await stillAlive(seen);
    await Promise.all(started.map(({ product }) => product().dispose()));
    await Promise.all(started.flatMap(({ links }) => [links.postgres.cut(), links.redis.cut()]));
    await stores.dispose();
    disk?.unmount();
    rmSync(folder, { recursive: true, force: true });
    return { seen: seen.length, left };
  };
  let takingDown: Promise<Stopped> | undefined;
  const dispose = (): Promise<Stopped> => {
    takingDown ??= takeDown();
    return takingDown;
  };
  try {
    // One after the other: the first migrates and makes the keys.
    const mcpPort = String(await randomFreePort());
    started.push(await startCopy('A', stores, dataDir, { ...env, MCP_COPIES: '1', MCP_PORT: mcpPort }));
    started.push(await startCopy('B', stores, dataDir, { ...env, ...clock?.env, MCP_URL: started[0]!.mcpUrl() ?? '' }));
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
    mcpUrl: A.mcpUrl()!,
    clock,
    disk,
    cluster: stores.cluster,
    relink: () => {
      for (const { links } of [A, B])
        for (const store of ['postgres', 'redis'] as const) links[store].retarget(stores.url(store));
    },
    sallyport: (args, more) =>
      runCli(args, {
        ...env,
        DATABASE_URL: stores.url('postgres'),
        REDIS_URL: stores.url('redis'),
        SALLYPORT_DATA_DIR: dataDir,
        NO_COLOR: '1',
        ...more,
      }),
    dispose,
  };
}
