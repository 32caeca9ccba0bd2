import type { HasRevocations } from '../revocations/revocation-set.ts';

/** State of the components as this process has it in memory. */
export type ReadinessSources = HasRevocations & {
  readonly isKeyRingFresh: () => boolean;
  readonly isDirectoryFresh: () => boolean;
  readonly isRedisReady: () => boolean;
  readonly isDraining: () => boolean;
  /** Absent without a read replica. */
  readonly replicaState?: (() => 'ok' | 'stale' | 'away' | 'other') | undefined;
};

export type Readiness = {
  readonly status: 'ready' | 'not_ready';
  readonly components: {
    readonly api: 'ok' | 'draining';
    readonly postgres: 'ok' | 'unreachable';
    readonly keys: 'ok' | 'stale';
    readonly revocations: 'ok' | 'stale' | 'rewound';
    /** Clients, roles, permissions and applications. */
    readonly directory: 'ok' | 'stale';
    readonly redis: 'ok' | 'degraded';
    /** Only with a read replica. */
    readonly replica?: 'ok' | 'stale' | 'away' | 'other';
  };
};

/**
 * Whether this copy is ready for requests, decided from memory without a query to any store. No decision depends on
 * Redis or on a read replica, so without them the copy is still ready.
 */
export function readReadiness(sources: ReadinessSources): Readiness {
  const { fresh, rewound } = sources.revocations.state();
  const components = {
    api: sources.isDraining() ? 'draining' : 'ok',
    // A rewound database does answer; if the state is stale, Postgres has not answered for that long.
    postgres: fresh || rewound ? 'ok' : 'unreachable',
    keys: sources.isKeyRingFresh() ? 'ok' : 'stale',
    revocations: rewound ? 'rewound' : fresh ? 'ok' : 'stale',
    directory: sources.isDirectoryFresh() ? 'ok' : 'stale',
    redis: sources.isRedisReady() ? 'ok' : 'degraded',
    ...(sources.replicaState && { replica: sources.replicaState() }),
  } as const;
  const { redis: _, replica: __, ...needed } = components;
  return { status: Object.values(needed).every((state) => state === 'ok') ? 'ready' : 'not_ready', components };
}
