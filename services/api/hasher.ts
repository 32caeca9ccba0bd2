import { withSpan } from '#observability/http-span.ts';
import {
  hashDuration,
  hashJobs,
  hashProcessorTime,
  hashQueueDepth,
  hashQueueWait,
} from '#observability/metrics/identity.ts';
import type { Config } from '../platform/config/load.ts';
import { HasherBusyError, type HasherBusyReason } from '../platform/hasher/errors.ts';
import { createHasher, type Hasher, type HasherOptions } from '../platform/hasher/hasher.ts';

type HasherKeys = Pick<HasherOptions, 'pepper' | 'importedKey'>;

const REFUSED = {
  full: 'full',
  waited_too_long: 'expired',
  client_left: 'cancelled',
  closing: 'cancelled',
} as const satisfies Record<HasherBusyReason, string>;

function countRefusal(err: unknown): never {
  if (err instanceof HasherBusyError) hashJobs.add(1, { outcome: REFUSED[err.reason] });
  throw err;
}

/** The password hashing of this process, with its metrics and spans. */
export function createHasherOf(config: Config, keys: HasherKeys): Omit<Hasher, 'stats'> {
  const { hasherChildren, hashQueue, passwordHash } = config.identity;
  const wait = hashQueueWait.at();
  const hasher = createHasher({
    ...keys,
    algorithm: passwordHash,
    ...(hasherChildren > 0 ? { children: hasherChildren } : {}),
    ...(hashQueue > 0 ? { capacity: hashQueue } : {}),
    onQueueWait: (seconds) => wait.record(seconds),
    onHash: (seconds, outcome, processorSeconds) => {
      hashProcessorTime.add(processorSeconds);
      const failed = outcome === 'failed' || outcome === 'lost';
      hashJobs.add(1, { outcome: failed ? 'failed' : 'done' });
      if (!failed) hashDuration.record(seconds, { operation: outcome === 'hashed' ? 'hash' : 'verify' });
    },
  });
  hashQueueDepth.at().observe(() => hasher.stats().queued);
  return {
    ...hasher,
    hash: (password, admission) =>
      withSpan('hash password', {}, () => hasher.hash(password, admission).catch(countRefusal)),
    verify: (password, digest, admission) =>
      withSpan('verify password', {}, () => hasher.verify(password, digest, admission).catch(countRefusal)),
    refusalOf: (admission) => {
      const refusal = hasher.refusalOf(admission);
      if (refusal !== undefined) hashJobs.add(1, { outcome: REFUSED[refusal.reason] });
      return refusal;
    },
  };
}
