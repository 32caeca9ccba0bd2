import type { Redis } from '#services/core/ports.ts';

/** The stream carries only an epoch, and copies read the rows from Postgres: a forged entry only causes a poll. */
export const REVOCATION_STREAM = 'sp:revocations';
const STREAM_LENGTH = 1_000;

/** Notifies the other copies to poll; with an epoch, only copies behind it poll. Without Redis every copy polls by its timer. */
export const notifyCopies = (redis: Redis, epoch?: number): void =>
  void redis
    .append(REVOCATION_STREAM, { epoch: epoch === undefined ? '' : String(epoch) }, STREAM_LENGTH)
    .catch(() => {});

/** Calls `onNews` for notifications from now on, except for epochs that this copy already has. Returns a function that stops. */
export const followNews = (redis: Redis, knownEpoch: () => number, onNews: () => void): (() => Promise<void>) =>
  redis.follow(REVOCATION_STREAM, ({ epoch }) => {
    // An entry that is not a number causes a poll too.
    if (epoch === '' || !(Number(epoch) <= knownEpoch())) onNews();
  });
