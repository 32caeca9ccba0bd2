import type { HasRevocations } from '../tokens/revocations/revocation-set.ts';

/** What this process knows of its parts without asking them. */
export type ReadinessSources = HasRevocations & {
  readonly isKeyRingFresh: () => boolean;
  readonly isRedisReady: () => boolean;
  readonly isDraining: () => boolean;
};

export type Readiness = {
  readonly status: 'ready' | 'not_ready';
  readonly components: {
    readonly api: 'ok' | 'draining';
    readonly postgres: 'ok' | 'unreachable';
    readonly keys: 'ok' | 'stale';
    readonly revocations: 'ok' | 'stale' | 'rewound';
    readonly redis: 'ok' | 'degraded';
  };
};

/**
 * Whether this copy should be sent requests, decided from memory: asking costs nothing and reaches no store.
 * Redis is speed, never truth: without it the copy is ready.
 */
export function readReadiness(sources: ReadinessSources): Readiness {
  const { fresh, rewound } = sources.revocations.state();
  const components = {
    api: sources.isDraining() ? 'draining' : 'ok',
    // A rewound database answers; a state past its bound means that Postgres has not, for that long.
    postgres: fresh || rewound ? 'ok' : 'unreachable',
    keys: sources.isKeyRingFresh() ? 'ok' : 'stale',
    revocations: rewound ? 'rewound' : fresh ? 'ok' : 'stale',
    redis: sources.isRedisReady() ? 'ok' : 'degraded',
  } as const;
  const { redis: _, ...needed } = components;
  return { status: Object.values(needed).every((state) => state === 'ok') ? 'ready' : 'not_ready', components };
}
