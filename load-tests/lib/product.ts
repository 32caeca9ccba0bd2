import { startProduct as launch, type Product as Running } from '#tools/testing/harness/product.ts';

const READY_MS = 180_000;
const STOP_MS = 45_000;

/** A running start of the product. */
export type Product = Pick<Running, 'api' | 'metrics' | 'dataDir' | 'credentials'> & {
  /** The process whose descendants, with itself, are the API. */
  readonly apiPid: number;
  /** The process that started everything. */
  readonly startPid: number;
  /** Pids by name of its processes of now: API, workers and the stores that it brought. */
  processes(): Readonly<Record<string, number>>;
  /** Exit code of the start, or the signal that ended it; waits for it. */
  ended(): Promise<number | string>;
  stop(): Promise<void>;
};

const running = new Set<AbortController>();

/** Passes a stop request on to everything started here; the caller then ends. */
export function stopRunningProducts(): void {
  for (const stopping of running) stopping.abort();
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
  const stopping = new AbortController();
  running.add(stopping);
  try {
    const product = await launch({
      ...options,
      isAsShipped: true,
      env: settings,
      readyWithinMs: READY_MS,
      stopSignal: stopping.signal,
      ...(process.env.LOAD_TESTS_VERBOSE ? { onLog: (text: string) => void process.stderr.write(text) } : {}),
    });
    return {
      api: product.api,
      metrics: product.metrics,
      dataDir: product.dataDir,
      credentials: product.credentials,
      apiPid: product.ready.pids.api,
      startPid: product.supervisorPid,
      processes: () => {
        const stores = { postgres: product.storePid('postgres'), redis: product.storePid('redis') };
        const all = { api: product.apiPid(), worker: product.workerPid(), ...stores };
        return Object.fromEntries(
          Object.entries(all).flatMap(([name, pid]) => (pid === undefined ? [] : [[name, pid]])),
        );
      },
      ended: () => product.ended(),
      stop: async () => {
        stopping.abort();
        const hurry = setTimeout(() => void product.stop('SIGKILL'), STOP_MS);
        await product.ended();
        clearTimeout(hurry);
        running.delete(stopping);
        await product.dispose();
      },
    };
  } catch (err) {
    running.delete(stopping);
    throw err;
  }
}
