import { directoryStaleness } from '#observability/metrics/access.ts';
import {
  clockOffset,
  keyRingAge,
  keyRingAgeMax,
  nextKeyPublished,
  signingKeyAge,
  signingKeyAgeMax,
  signingKeyRotationDue,
  signingKeys,
} from '#observability/metrics/keys.ts';
import { componentReady, stateRewoundGauge } from '#observability/metrics/readiness.ts';
import {
  revocationEntries,
  revocationEntriesMax,
  revocationStaleness,
  revocationStalenessMax,
} from '#observability/metrics/revocations.ts';
import { readReadiness } from '../core/health/readiness.ts';
import { ASYMMETRIC_ALGORITHMS } from '../core/keys/algorithm-shapes.ts';
import { isTokenPurpose } from '../core/keys/key-timeline.ts';
import type { KeyView } from '../core/keys/key-view.ts';
import type { Config } from '../platform/config/load.ts';
import { observePool } from '../platform/postgres/pool-gauges.ts';
import type { Composed } from './compose.ts';

/** Gauges that are read when metrics are collected. */
export function observeGauges({ ports, stores }: Composed, config: Config): void {
  const { keyRing, revocations, access } = ports;
  const tokenKeys = () => keyRing.list().filter((key) => isTokenPurpose(key.purpose));
  const inState = (state: string) => tokenKeys().filter((key) => key.state === state);
  // The keys of each algorithm rotate by themselves: the one that is due first counts.
  const oldest = (keys: readonly KeyView[]): KeyView | undefined =>
    keys.toSorted((one, other) => one.activates_at.localeCompare(other.activates_at))[0];
  signingKeyAge.at().observe(() => {
    const active = oldest(inState('active'));
    return active && (Date.now() - Date.parse(active.activates_at)) / 1_000;
  });
  signingKeyRotationDue.at().observe(() => {
    const newest = oldest(tokenKeys().filter((key) => key.signs_until === null && key.compromised_at === null));
    return newest && (Date.parse(newest.activates_at) - Date.now()) / 1_000 + config.keys.rotationDays * 86_400;
  });
  nextKeyPublished.at().observe(() => {
    const purpose = oldest(inState('active'))?.purpose;
    return inState('pending').some((key) => key.purpose === purpose) ? 1 : 0;
  });
  for (const state of ['pending', 'active', 'retiring', 'retired', 'compromised'] as const)
    for (const algorithm of ASYMMETRIC_ALGORITHMS)
      signingKeys.at({ state, algorithm }).observe(() => inState(state).filter(({ alg }) => alg === algorithm).length);
  signingKeyAgeMax.at().set(config.keys.rotationDays * 86_400);
  keyRingAgeMax.at().set(config.keys.ringBoundSeconds);
  keyRingAge.at().observe(() => keyRing.state().ageMs / 1_000);
  clockOffset.at().observe(() => keyRing.state().clockOffsetMs / 1_000);
  revocationStaleness.at().observe(() => revocations.state().ageMs / 1_000);
  revocationStalenessMax.at().set(config.stores.stalenessBoundMs / 1_000);
  directoryStaleness.at().observe(() => access.ageMs() / 1_000);
  revocationEntries.at().observe(() => revocations.state().entries);
  revocationEntriesMax.at().set(config.stores.revocationBudget);
  stateRewoundGauge.at().observe(() => Number(revocations.state().rewound));
  const sources = {
    revocations,
    isKeyRingFresh: () => keyRing.isFresh(),
    isDirectoryFresh: () => access.isFresh(),
    isRedisReady: () => stores.redis.isReady(),
    isDraining: () => false,
  };
  for (const component of ['postgres', 'keys', 'revocations', 'directory', 'redis'] as const)
    componentReady.at({ component }).observe(() => Number(readReadiness(sources).components[component] === 'ok'));
  for (const pool of ['main', 'refresh', 'revocations', 'identity'] as const) observePool(pool, stores.pools[pool]);
}
