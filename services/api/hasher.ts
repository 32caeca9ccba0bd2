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

/** The password hashing worker of this process, with its metrics. Its child processes start on first use. */
export function createHasherOf(
  config: Config,
  keys: HasherKeys,
): Pick<Hasher, 'hash' | 'verify' | 'refusalOf' | 'needsUpgrade' | 'dummyDigest' | 'close'> {
  let started: Hasher | undefined;
  const get = (): Hasher => {
    started ??= start(config, keys);
    return started;
  };
  return {
    hash: (password, admission) => get().hash(password, admission).catch(countRefusal),
    verify: (password, digest, admission) => get().verify(password, digest, admission).catch(countRefusal),
    refusalOf: (admission) => {
      const refusal = started?.refusalOf(admission);
      if (refusal !== undefined) hashJobs.add(1, { outcome: REFUSED[refusal.reason] });
      return refusal;
    },
    needsUpgrade: (digest) => get().needsUpgrade(digest),
    dummyDigest: () => get().dummyDigest(),
    close: async () => started?.close(),
  };
}

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

function start(config: Config, keys: HasherKeys): Hasher {
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
  return hasher;
}
