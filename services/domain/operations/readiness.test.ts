import { expect, test } from 'vitest';
import type { RevocationSet } from '../tokens/revocations/revocation-set.ts';
import { type ReadinessSources, readReadiness } from './readiness.ts';

const sources = (changes: {
  readonly fresh?: boolean;
  readonly rewound?: boolean;
  readonly keys?: boolean;
  readonly redis?: boolean;
  readonly draining?: boolean;
}): ReadinessSources => {
  const { fresh = true, rewound = false, keys = true, redis = true, draining = false } = changes;
  return {
    revocations: { state: () => ({ fresh, rewound }) } as RevocationSet,
    isKeyRingFresh: () => keys,
    isRedisReady: () => redis,
    isDraining: () => draining,
  };
};
const well = { api: 'ok', postgres: 'ok', keys: 'ok', revocations: 'ok', redis: 'ok' };

test.each([
  ['all is well', {}, 'ready', {}],
  ['Redis is away: it is speed, never truth', { redis: false }, 'ready', { redis: 'degraded' }],
  ['it drains', { draining: true }, 'not_ready', { api: 'draining' }],
  ['its key ring is past its bound: it may not sign', { keys: false }, 'not_ready', { keys: 'stale' }],
  [
    'it has not heard of revocations for too long',
    { fresh: false },
    'not_ready',
    { postgres: 'unreachable', revocations: 'stale' },
  ],
  ['its database is older than the marks', { fresh: false, rewound: true }, 'not_ready', { revocations: 'rewound' }],
] as const)('a copy says whether to send it requests: %s', (_title, changes, status, components) => {
  expect(readReadiness(sources(changes))).toEqual({ status, components: { ...well, ...components } });
});
