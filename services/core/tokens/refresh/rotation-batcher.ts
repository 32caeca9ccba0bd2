import { tokenRefreshBatchSize } from '#observability/metrics/tokens.ts';
import type { Ports, RequestContext } from '#services/core/ports.ts';
import type { HasDatabaseGuard } from '#services/core/revocations/database-guard.ts';
import type { HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { type Batcher, createBatcher } from '../batches/batcher.ts';
import { type FamilyIdle, idleSecondsOf } from './family-token.ts';
import { type PresentedToken, type Rotation, type RotationPolicy, rotateBatch } from './refresh-families.store.ts';
import type { RefreshSecrets } from './refresh-token-format.ts';

export type RefreshFamilySettings = {
  readonly graceSeconds: number;
  readonly graceUses: number;
  /** How long after a rotation a lost response can be repeated. Ignored without grace. */
  readonly lostAnswerSeconds: number;
  readonly enableReplayProtection: boolean;
  readonly groupCommit: boolean;
} & FamilyIdle;

/** Group commit of rotations; a process has one. */
type RefreshFamilies = Batcher<RefreshRequest, Rotation>;
/** A presented token and, if it came by HTTP, its request. */
type RefreshRequest = Omit<PresentedToken, 'notAfterMs'> & { readonly request?: RequestContext };
export type HasRefreshFamilies = { readonly refreshFamilies: RefreshFamilies };
export type HasRefreshSecrets = { readonly keyRing: RefreshSecrets };
/** How far our wall clock is ahead of the database's clock. */
type HasDatabaseClock = { readonly keyRing: { state(): { readonly clockOffsetMs: number } } };

const BATCH_MAX = 128;
const BATCHES_IN_FLIGHT = 2;
/** Concurrent statements without group commit: as many as the pool has connections. */
const SINGLES_IN_FLIGHT = 8;
const WAITING_MAX = 8_192;
/** A repeated statement arrives at most this much later: a new connection and a slow event loop. */
const REPEAT_MARGIN_MS = 2_000;

function policyOf(settings: RefreshFamilySettings, newestKv: number): RotationPolicy {
  const hasGrace = settings.graceSeconds > 0 && settings.graceUses > 0;
  return {
    graceSeconds: hasGrace ? settings.graceSeconds : 0,
    graceUses: hasGrace ? settings.graceUses : 0,
    lostAnswerSeconds: hasGrace ? settings.lostAnswerSeconds : 0,
    endsOnReplay: settings.enableReplayProtection,
    idleSeconds: idleSecondsOf(settings, null),
    twoFactorIdleSeconds: idleSecondsOf(settings, 'aal2'),
    newestKv,
  };
}

/**
 * The group commit of refreshes. `hotSql` needs four connections: two for batches and two for members of a failed batch.
 *
 * A statement with an unknown outcome (connection lost after sending) is sent once more only if it will arrive within the
 * grace window: a committed rotation then answers with the same successor. Without grace the repetition of a committed
 * rotation would be a replay and end the family, so the response is 503.
 */
export function createRotationBatcher(
  ports: Pick<Ports, 'hotSql' | 'clock' | 'log'> &
    HasRefreshSecrets &
    HasDatabaseClock &
    HasRevocationPush &
    HasDatabaseGuard,
  settings: RefreshFamilySettings,
  deadlineMs: number,
): RefreshFamilies {
  const graceMs = policyOf(settings, 1).graceSeconds * 1_000;
  const databaseNowMs = (): number => ports.clock.now() - ports.keyRing.state().clockOffsetMs;
  const batcher = createBatcher<RefreshRequest & PresentedToken, Rotation>({
    name: 'rotate refresh families',
    clock: ports.clock,
    maxBatch: settings.groupCommit ? BATCH_MAX : 1,
    maxInFlight: settings.groupCommit ? BATCHES_IN_FLIGHT : SINGLES_IN_FLIGHT,
    deadlineMs,
    maxWaiting: WAITING_MAX,
    requestOf: ({ request }) => request,
    isRepeatable: (elapsedMs) => elapsedMs + REPEAT_MARGIN_MS < graceMs,
    onBatch: (size) => tokenRefreshBatchSize.record(size),
    run: async (presented) => {
      const policy = policyOf(settings, ports.keyRing.secret('refresh').version);
      const rotations = await rotateBatch(ports.hotSql, presented, policy, await ports.databaseGuard.expected());
      let hasEnded = false;
      let isRewound = false;
      for (const { outcome } of rotations) {
        if (outcome === 'replay') hasEnded = policy.endsOnReplay;
        else if (outcome === 'rewound') isRewound = true;
        else if (outcome === 'ahead')
          ports.log.error({ event: 'state_rewound' }, 'a refresh token is ahead of its row: the database lost commits');
      }
      if (isRewound) ports.databaseGuard.doubt();
      if (hasEnded) void ports.announceRevocations();
      return rotations;
    },
  });
  return {
    submit: (presented) => {
      const now = ports.clock.monotonic();
      const waitedMs = Math.max(0, now - (presented.request?.arrivedAt ?? now));
      return batcher.submit({ ...presented, notAfterMs: databaseNowMs() + deadlineMs - waitedMs });
    },
    close: () => batcher.close(),
  };
}
