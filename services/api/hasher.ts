import { hashDuration, hashJobs, hashQueueDepth, hashQueueWait } from '#observability/metrics/identity.ts';
import type { Config } from '../platform/config/load.ts';
import { createHasher, type Hasher } from '../platform/hasher/hasher.ts';

/** The password hashing worker of this process, with its metrics. Its child processes start on first use. */
export function createHasherOf(
  config: Config,
  pepper: Buffer,
): Pick<Hasher, 'hash' | 'verify' | 'refusalOf' | 'needsUpgrade' | 'dummyDigest' | 'close'> {
  let started: Hasher | undefined;
  const get = (): Hasher => {
    started ??= start(config, pepper);
    return started;
  };
  return {
    hash: (password, admission) => get().hash(password, admission),
    verify: (password, digest, admission) => get().verify(password, digest, admission),
    refusalOf: (admission) => started?.refusalOf(admission),
    needsUpgrade: (digest) => get().needsUpgrade(digest),
    dummyDigest: () => get().dummyDigest(),
    close: async () => started?.close(),
  };
}

function start(config: Config, pepper: Buffer): Hasher {
  const { hasherChildren, hashQueue, passwordHash } = config.identity;
  const wait = hashQueueWait.at();
  const hasher = createHasher({
    pepper,
    algorithm: passwordHash,
    ...(hasherChildren > 0 ? { children: hasherChildren } : {}),
    ...(hashQueue > 0 ? { capacity: hashQueue } : {}),
    onQueueWait: (seconds) => wait.record(seconds),
    onHash: (seconds, outcome) => {
      const failed = outcome === 'failed' || outcome === 'lost';
      hashJobs.add(1, { outcome: failed ? 'failed' : 'done' });
      if (!failed) hashDuration.record(seconds, { operation: outcome === 'hashed' ? 'hash' : 'verify' });
    },
  });
  hashQueueDepth.at().observe(() => hasher.stats().queued);
  return hasher;
}
