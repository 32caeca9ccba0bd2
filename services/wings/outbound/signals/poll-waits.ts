import { AsyncResource } from 'node:async_hooks';
import { newestEventSeq } from '#services/core/audit/read/list-events.ts';
import type { Log, Ports } from '#services/core/ports.ts';

/** Polls that wait for an event (RFC 8936 §2.4), without a connection to the database each. */
type PollWaits = {
  /** Resolves to true once the log goes beyond `seq`; false after this time, if too many wait, or when the copy drains. */
  beyond(seq: number, waitMs: number): Promise<boolean>;
  /** Ends every wait: when the copy drains. */
  close(): void;
};
export type HasPollWaits = { readonly pollWaits: PollWaits };

const LOOK_MS = 500;
/** Twice the streams that an installation may have. */
const WAITS_MAX = 200;

/** One look at the end of the log twice a second for all of them, and none while none waits. */
export function createPollWaits({ sql, log }: Pick<Ports, 'sql'> & { readonly log: Log }): PollWaits {
  const waits = new Map<(isBeyond: boolean) => void, number>();
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;
  let isClosed = false;

  async function look(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      const newest = await newestEventSeq({ sql });
      for (const [end, seq] of waits) if (newest > seq) end(true);
    } catch (err) {
      log.debug({ err }, 'the end of the log could not be read for waiting polls; retrying');
    } finally {
      isLooking = false;
    }
  }
  // Not in the context of the request that begins it, which has a limited time at the database.
  const start = AsyncResource.bind(() => setInterval(() => void look(), LOOK_MS));

  return {
    beyond: (seq, waitMs) =>
      new Promise((done) => {
        if (isClosed || waits.size >= WAITS_MAX) return done(false);
        const end = (isBeyond: boolean): void => {
          clearTimeout(limit);
          waits.delete(end);
          if (waits.size === 0) {
            clearInterval(timer);
            timer = undefined;
          }
          done(isBeyond);
        };
        const limit = setTimeout(() => end(false), waitMs);
        waits.set(end, seq);
        timer ??= start();
      }),
    close: () => {
      isClosed = true;
      for (const end of [...waits.keys()]) end(false);
    },
  };
}
