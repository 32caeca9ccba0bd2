import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Caller } from '../core/ports.ts';
import { eventStreamsBusy, eventStreamsSpent } from '../core/security/errors.ts';
import { createStreamLedger, type LedgerStream } from '../core/shared/stream-ledger.ts';
import { isAppError } from '../platform/define/error.ts';

/** Open answers with progress, of all callers and of one: a caller beyond it is answered at once, and polls. */
const STREAMS_MAX = 64;
const STREAMS_PER_CALLER = 4;
/** Below the 60 s after which clients of the official SDK give up; what passes `/mcp` on waits longer. */
export const LONGEST_MS = 45_000;
/** How long a client may take to read the rest. */
const REST_MS = 15_000;

/** Where a call reports its progress. */
export type ProgressPlace = {
  /** Aborted when the client is gone, the time is up or the process stops: the call then answers how far it is. */
  readonly signal: AbortSignal;
  /** Whether the caller still has access. Rejects if that cannot be determined. */
  readonly isStillAllowed: () => Promise<boolean>;
};

type OpenPlace = ProgressPlace & {
  /** The body of the response. It is cut off if the client does not read it. */
  carry(body: ReadableStream): Readable;
  /** Releases the place of a response without a stream. */
  free(): void;
};

export type ProgressStreams = {
  /** Null if no place is free. */
  open(caller: Caller, isStillAllowed: () => Promise<boolean>): OpenPlace | null;
  count(): number;
  /** Has every open call answer how far it is, and opens no more: for shutdown. */
  close(): void;
};

/** The answers that carry notifications of progress, bounded in time and number. */
export function createProgressStreams(longestMs = LONGEST_MS): ProgressStreams {
  const ledger = createStreamLedger<LedgerStream>({
    maximumStreams: STREAMS_MAX,
    maximumPerCaller: STREAMS_PER_CALLER,
    spent: eventStreamsSpent,
    busy: eventStreamsBusy,
  });
  const reserve = (caller: Caller) => {
    try {
      return ledger.reserve(caller);
    } catch (err) {
      if (isAppError(err)) return null;
      throw err;
    }
  };
  return {
    open(caller, isStillAllowed) {
      const place = reserve(caller);
      if (place === null) return null;
      const ends = new AbortController();
      const finish = (): void => ends.abort();
      const timeUp = setTimeout(finish, longestMs);
      return {
        signal: ends.signal,
        isStillAllowed,
        carry(body) {
          const stream = Object.assign(Readable.fromWeb(body), { finish });
          const cutOff = setTimeout(() => stream.destroy(), longestMs + REST_MS);
          stream.once('close', () => {
            clearTimeout(timeUp);
            clearTimeout(cutOff);
            finish();
          });
          return place.fill(stream);
        },
        free() {
          clearTimeout(timeUp);
          finish();
          place.free();
        },
      };
    },
    count: ledger.count,
    close: ledger.close,
  };
}
