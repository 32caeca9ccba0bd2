import type { Redis } from '#services/domain/ports.ts';

/** The stream carries only the epoch. The row in Postgres decides, so a forged entry only causes a poll. */
export const REVOCATION_STREAM = 'sp:revocations';
const STREAM_LENGTH = 1_000;

/** Notifies the other copies to poll; with an epoch, only copies behind it. Without Redis every copy still polls by its timer. */
export const tellCopies = (redis: Redis, epoch?: number): void =>
  void redis
    .append(REVOCATION_STREAM, { epoch: epoch === undefined ? '' : String(epoch) }, STREAM_LENGTH)
    .catch(() => {});

/** Calls `onNews` for what is told from now on, unless it is known here: our own, or an old one. Returns the end of it. */
export const followNews = (redis: Redis, knownEpoch: () => number, onNews: () => void): (() => Promise<void>) =>
  redis.follow(REVOCATION_STREAM, ({ epoch }) => {
    // What is no number is looked up too.
    if (epoch === '' || !(Number(epoch) <= knownEpoch())) onNews();
  });
