import { mcpCopiesOf } from '../platform/config/mcp.ts';
import type { WingSettings } from '../platform/config/wings.ts';
import { redisUrlOf } from '../platform/local/redis-users.ts';

/** One kind of child process. */
export type ChildSpec = {
  name: string;
  /** Absolute path of its TypeScript or JavaScript entry. */
  entry: string;
  copies: number;
  /** A start that is not ready by then counts as a crash; a child that waits for its store gives up earlier. */
  readyTimeoutSeconds: number;
  /** From SIGTERM to SIGKILL. */
  drainSeconds: number;
  /** False for a process without the metrics socket. Default: true. */
  servesMetrics?: boolean;
  /** Its environment, made from that of the other processes. Default: the same. */
  env?: (product: NodeJS.ProcessEnv) => NodeJS.ProcessEnv;
};

/** The settings that the table uses. */
export type ChildSettings = {
  readonly server: {
    readonly apiCopies: number;
    readonly drainSeconds: number;
    readonly drainNoticeSeconds?: number;
  };
  readonly stores: { readonly waitSeconds: number };
  readonly mcp: { readonly copies: number };
  readonly wings: WingSettings;
  readonly jobs: { readonly workerCopies: number; readonly workerDrainSeconds: number };
};

/** A child that connects to the local Redis as the user of its process. */
export const withOwnRedisUser = (spec: ChildSpec): ChildSpec => ({
  ...spec,
  env: (product) => {
    const given = spec.env?.(product) ?? product;
    return { ...given, REDIS_URL: redisUrlOf(given.REDIS_URL as string, spec.name) };
  },
});

const entryOf = (path: string): string => new URL(`../${path}`, import.meta.url).pathname;

/** The children in start order; they stop in the same order, one kind after the other. */
export function processSpecs(settings: ChildSettings): readonly ChildSpec[] {
  const { server, stores, jobs } = settings;
  const children = [
    {
      name: 'api',
      entry: entryOf('api/main.ts'),
      copies: server.apiCopies,
      readyTimeoutSeconds: stores.waitSeconds + 60,
      drainSeconds: (server.drainNoticeSeconds ?? 0) + server.drainSeconds + 3,
    },
    {
      name: 'worker',
      entry: entryOf('worker/main.ts'),
      copies: jobs.workerCopies,
      readyTimeoutSeconds: stores.waitSeconds + 60,
      drainSeconds: jobs.workerDrainSeconds + 3,
    },
    {
      name: 'mcp',
      entry: entryOf('mcp/main.ts'),
      copies: mcpCopiesOf(settings),
      readyTimeoutSeconds: stores.waitSeconds + 60,
      drainSeconds: server.drainSeconds + 3,
    },
  ];
  return children.filter(({ copies }) => copies > 0);
}
