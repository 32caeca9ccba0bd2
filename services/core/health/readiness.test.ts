import { expect, test } from 'vitest';
import type { RevocationSet } from '../revocations/revocation-set.ts';
import { type ReadinessSources, readReadiness } from './readiness.ts';

const sources = (changes: {
  readonly fresh?: boolean;
  readonly rewound?: boolean;
  readonly keys?: boolean;
  readonly directory?: boolean;
  readonly redis?: boolean;
  readonly draining?: boolean;
  readonly replica?: 'ok' | 'stale' | 'away' | 'other';
}): ReadinessSources => {
  const {
    fresh = true,
    rewound = false,
    keys = true,
    directory = true,
    redis = true,
    draining = false,
    replica,
  } = changes;
  return {
    revocations: { state: () => ({ fresh, rewound }) } as RevocationSet,
    isKeyRingFresh: () => keys,
    isDirectoryFresh: () => directory,
    isRedisReady: () => redis,
    isDraining: () => draining,
    replicaState: replica && (() => replica),
  };
};
const allOk = { api: 'ok', postgres: 'ok', keys: 'ok', revocations: 'ok', directory: 'ok', redis: 'ok' };

test.each([
  ['every component is ok', {}, 'ready', {}],
  ['Redis is down: no decision depends on it', { redis: false }, 'ready', { redis: 'degraded' }],
  ['the read replica is behind: no decision depends on it', { replica: 'stale' }, 'ready', { replica: 'stale' }],
  ['the process is draining', { draining: true }, 'not_ready', { api: 'draining' }],
  ['its clients and permissions are stale', { directory: false }, 'not_ready', { directory: 'stale' }],
  ['its key ring is stale: it may not sign', { keys: false }, 'not_ready', { keys: 'stale' }],
  [
    'its revocations have not been refreshed for too long',
    { fresh: false },
    'not_ready',
    { postgres: 'unreachable', revocations: 'stale' },
  ],
  [
    'its database is behind the high-water marks',
    { fresh: false, rewound: true },
    'not_ready',
    { revocations: 'rewound' },
  ],
] as const)('a copy reports whether it is ready for requests: %s', (_title, changes, status, components) => {
  expect(readReadiness(sources(changes))).toEqual({ status, components: { ...allOk, ...components } });
});
