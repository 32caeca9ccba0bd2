import { availableParallelism } from 'node:os';
import {
  type Admission,
  type ChildEvent,
  createDispatcher,
  type HasherClock,
  type HashOutcome,
  systemHasherClock,
} from './dispatcher.ts';
import { dummyDigestOf } from './dummy-digest.ts';
import { type HasherBusyError, HasherFailedError, UnknownDigestError } from './errors.ts';
import { findScheme, type HashAlgorithm, normalisePassword, PASSWORD_BYTES_MAX } from './schemes.ts';
import { hashingWorkers, type StartWorker } from './worker-process.ts';

export type { Admission, ChildEvent, HashOutcome } from './dispatcher.ts';
export * from './errors.ts';

export type HasherOptions = {
  /** At least 32 bytes. Passwords over 72 bytes verify with this key only: losing it resets them. */
  readonly pepper: Uint8Array;
  /** Largest number of child processes; by default one per core, so that hashing can use the whole machine. */
  readonly children?: number | undefined;
  /** Waiting jobs; by default eight per child, about what they hash in two seconds. */
  readonly capacity?: number | undefined;
  /** A job that waited this long is dropped; 2 by default. */
  readonly maxWaitSeconds?: number | undefined;
  /** A child that runs one job for this long is replaced, and the job runs once more; 30 by default. */
  readonly stuckAfterSeconds?: number | undefined;
  /** Algorithm of new digests; bcrypt by default. */
  readonly algorithm?: HashAlgorithm | undefined;
  /** Reads the key that an imported digest names, such as Firebase's signer key; undefined for an unknown id. */
  readonly importedKey?: ((id: string) => Promise<Uint8Array | undefined>) | undefined;
  readonly clock?: HasherClock | undefined;
  readonly startWorker?: StartWorker | undefined;
  /** Called when a job leaves the queue for a child. */
  readonly onQueueWait?: ((seconds: number) => void) | undefined;
  /** Called when a run in a child ends; `processorSeconds` is 0 if the child died. */
  readonly onHash?: ((seconds: number, outcome: HashOutcome, processorSeconds: number) => void) | undefined;
  /** Called when a child starts or ends. */
  readonly onChild?: ((event: ChildEvent) => void) | undefined;
};

export type Hasher = {
  /**
   * Returns a digest of the password: `$2b$12$…`, or `$sp1$$2b$12$…` if it has over 72 bytes or a NUL; `$argon2id$…` if
   * that is the algorithm.
   * @throws UnhashablePasswordError, HasherBusyError, HasherFailedError
   */
  hash(password: string, admission: Admission): Promise<string>;
  /**
   * Whether the password matches the digest.
   * @throws UnhashablePasswordError, UnknownDigestError, HasherBusyError, HasherFailedError
   */
  verify(password: string, digest: string, admission: Admission): Promise<boolean>;
  /**
   * The error with which this job would be refused now, if any. Callers check it before other work; the queue may
   * nevertheless be full when the job arrives.
   */
  refusalOf(admission: Admission): HasherBusyError | undefined;
  /**
   * Whether a digest should be replaced after a successful verification.
   * @throws UnknownDigestError
   */
  needsUpgrade(digest: string): boolean;
  /** A digest that no password has: verifying against it makes an unknown account cost as much as a known one. */
  readonly dummyDigest: string;
  /** Starts one child before the first password, and resolves once it is ready. */
  warm(): Promise<void>;
  stats(): { readonly queued: number; readonly running: number; readonly capacity: number };
  /** Refuses new jobs, drops waiting ones, lets running ones finish, and ends the children. */
  close(): Promise<void>;
};

const PEPPER_BYTES_MIN = 32;
const QUEUED_PER_CHILD = 8;
// Half a second on an idle machine; many on one that starts other processes, to which the children yield.
const FIRST_START_MS = 30_000;
// The costliest accepted digest takes about two seconds.
const STUCK_AFTER_SECONDS = 30;

/**
 * Hashes passwords outside this process: bcrypt cost 12 (or Argon2id) in low-priority children behind a bounded, fair queue.
 * The first password starts the first child, one that would wait another, up to their number.
 * @example
 * const hasher = createHasher({ pepper });
 * const digest = await hasher.hash('correct horse', { clientPrefix: '192.0.2.1', knownDevice: false });
 */
export function createHasher(options: HasherOptions): Hasher {
  if (options.pepper.byteLength < PEPPER_BYTES_MIN) throw new RangeError('pepper must have at least 32 bytes');
  const workers = atLeastOne('children', options.children ?? availableParallelism());
  const capacity = atLeastOne('capacity', options.capacity ?? workers * QUEUED_PER_CHILD);
  const dispatcher = createDispatcher({
    workers,
    capacity,
    reservedForKnown: Math.floor(capacity / 4),
    maxWaitMs: (options.maxWaitSeconds ?? 2) * 1000,
    firstStartMs: FIRST_START_MS,
    stuckAfterMs: (options.stuckAfterSeconds ?? STUCK_AFTER_SECONDS) * 1000,
    clock: options.clock ?? systemHasherClock,
    startWorker: options.startWorker ?? hashingWorkers(options.pepper, undefined, options.algorithm),
    onQueueWait: options.onQueueWait,
    onHash: options.onHash,
    onChild: options.onChild,
  });

  return {
    async hash(password, admission) {
      const reply = await dispatcher.submit({ kind: 'hash', password: normalisePassword(password) }, admission);
      if (reply.kind !== 'hashed') throw new HasherFailedError('a child sent an answer of the wrong kind');
      return reply.digest;
    },
    async verify(password, digest, admission) {
      const keyId = findScheme(digest).keyIdOf(digest);
      const normal = normalisePassword(password);
      const request = {
        kind: 'verify',
        password: normal,
        ...(isTypedDifferently(password, normal) ? { typed: password } : {}),
        digest,
        ...(keyId === undefined ? {} : { keyBase64: await importedKeyOf(options, keyId) }),
      } as const;
      const reply = await dispatcher.submit(request, admission);
      if (reply.kind !== 'verified') throw new HasherFailedError('a child sent an answer of the wrong kind');
      return reply.matches;
    },
    refusalOf: (admission) => dispatcher.refusalOf(admission),
    needsUpgrade: (digest) => !findScheme(digest).isCurrent(digest, options.algorithm),
    dummyDigest: dummyDigestOf(options.algorithm),
    warm: () => dispatcher.start(1),
    stats: () => ({ ...dispatcher.counts(), capacity }),
    close: () => dispatcher.close(),
  };
}

/** Other systems hashed the text as it was typed; one that is longer than ours may be is not worth a hash. */
const isTypedDifferently = (typed: string, normal: string): boolean =>
  typed !== normal && Buffer.byteLength(typed) <= PASSWORD_BYTES_MAX;

async function importedKeyOf({ importedKey }: HasherOptions, id: string): Promise<string> {
  const key = await importedKey?.(id);
  if (key === undefined) throw new UnknownDigestError();
  return Buffer.from(key).toString('base64');
}

function atLeastOne(name: string, count: number): number {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`${name} must be a whole number, at least 1`);
  return count;
}
