import { fileURLToPath } from 'node:url';
import { mcpCopiesOf } from '../platform/config/mcp.ts';
import type { Faces } from '../platform/config/wings.ts';
import { redisUrlOf } from '../platform/local/redis-users.ts';

export type ChildSpec = {
  name: string;
  /** Absolute path of the file that it begins with. */
  entry: string;
  /** The child that is ready before it starts, as it asks it at once. Default: it starts at once. */
  startsAfter?: string;
  /** A start that is not ready by then counts as a crash; a child that waits for its store gives up earlier. */
  readyTimeoutSeconds: number;
  /** From SIGTERM to SIGKILL. */
  drainSeconds: number;
  /** False for a process without the metrics socket. Default: true. */
  servesMetrics?: boolean;
  /** Its environment, made from that of the other processes. Default: the same. */
  env?: (product: NodeJS.ProcessEnv) => NodeJS.ProcessEnv;
};

type ChildSettings = {
  readonly server: { readonly apiCopies: number; readonly drainSeconds: number; readonly drainNoticeSeconds?: number };
  readonly stores: { readonly waitSeconds: number };
  readonly mcp: { readonly copies: number };
  readonly faces: Pick<Faces, 'mcp'>;
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

/** A bundle names its own files here (tools/bundle.mjs). */
const ENTRIES = {
  api: fileURLToPath(new URL('../api/main.ts', import.meta.url)),
  worker: fileURLToPath(new URL('../worker/main.ts', import.meta.url)),
  mcp: fileURLToPath(new URL('../mcp/main.ts', import.meta.url)),
} as const;

/** The children in start order; they stop in the same order, one after the other. */
export function processSpecs(settings: ChildSettings): readonly ChildSpec[] {
  const { server, stores, jobs } = settings;
  const children = [
    {
      name: 'api',
      entry: ENTRIES.api,
      isWanted: server.apiCopies > 0,
      readyTimeoutSeconds: stores.waitSeconds + 60,
      drainSeconds: (server.drainNoticeSeconds ?? 0) + server.drainSeconds + 3,
    },
    {
      name: 'worker',
      entry: ENTRIES.worker,
      isWanted: jobs.workerCopies > 0,
      readyTimeoutSeconds: stores.waitSeconds + 60,
      drainSeconds: jobs.workerDrainSeconds + 3,
    },
    {
      name: 'mcp',
      entry: ENTRIES.mcp,
      isWanted: mcpCopiesOf(settings) > 0,
      readyTimeoutSeconds: stores.waitSeconds + 60,
      drainSeconds: server.drainSeconds + 3,
    },
  ];
  return children.flatMap(({ isWanted, ...child }) => (isWanted ? [child] : []));
}
