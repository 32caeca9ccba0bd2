import type { Readable } from 'node:stream';
import type { AppError } from '#services/platform/define/error.ts';
import { shuttingDown } from '#services/platform/errors.ts';
import { limitNameOf } from '../authority/names.ts';
import type { Caller } from '../ports.ts';

/** A stream that can be ended cleanly before its source does. */
export type LedgerStream = Readable & { finish(): void };

/** A place, reserved from the moment of the request, so that concurrent requests do not exceed the limit. */
type StreamPlace<S extends LedgerStream> = {
  /** The stream leaves the ledger when it closes. */
  fill(stream: S): S;
  /** Releases the place of a stream that could not be opened. */
  free(): void;
};

type StreamLedger<S extends LedgerStream> = {
  /** Throws `spent` when this caller's limit is reached, `busy` when the total is reached, or `shuttingDown` (503). */
  reserve(caller: Caller): StreamPlace<S>;
  streams(): readonly S[];
  /** Open streams and reserved places. */
  count(): number;
  /** Ends every stream cleanly and opens no more: for shutdown. */
  close(): void;
};

type StreamLedgerRules = {
  readonly maximumStreams: number;
  /** The limit per caller: a single caller must not use them all. */
  readonly maximumPerCaller: number;
  readonly spent: () => AppError;
  readonly busy: () => AppError;
  /** Resolves when the last stream has closed. */
  readonly onEmpty?: () => void;
};

/** The open streams of one kind, by caller. */
export function createStreamLedger<S extends LedgerStream>(rules: StreamLedgerRules): StreamLedger<S> {
  const places = new Map<object, { readonly owner: string; stream?: S }>();
  let isClosed = false;

  function leave(key: object): void {
    if (places.delete(key) && places.size === 0) rules.onEmpty?.();
  }
  const streams = (): S[] => [...places.values()].flatMap(({ stream }) => stream ?? []);

  return {
    reserve(caller) {
      if (isClosed) throw shuttingDown({ retryAfterSeconds: 1 });
      const owner = limitNameOf(caller);
      const held = [...places.values()].filter((place) => place.owner === owner).length;
      if (held >= rules.maximumPerCaller) throw rules.spent();
      if (places.size >= rules.maximumStreams) throw rules.busy();
      const key = {};
      places.set(key, { owner });
      return {
        fill(stream) {
          places.set(key, { owner, stream });
          stream.once('close', () => leave(key));
          if (isClosed) stream.finish();
          return stream;
        },
        free: () => leave(key),
      };
    },
    streams,
    count: () => places.size,
    close() {
      isClosed = true;
      for (const stream of streams()) stream.finish();
    },
  };
}
