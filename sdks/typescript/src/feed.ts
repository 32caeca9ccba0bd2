import { ApiUnavailable, fetchText, open, unlessAborted } from './bounded-fetch.ts';
import { readFeedText } from './feed-file.ts';
import type { FeedStatus } from './feed-status.ts';
import { LIMITS } from './generated/contract.ts';
import type { KeyStore } from './key-store.ts';
import type { Settings } from './options.ts';
import type { Revocations } from './revocations.ts';

const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [250, 5_000];
/** After this long without a byte a stream is opened anew, at least. The API sends a heartbeat at half its bound. */
const SILENT_MS = 5_000;

export type FeedReader = {
  /** Reads what is new, once; calls meanwhile share it. Never rejects. @returns whether it was read to its end */
  readOnce(): Promise<boolean>;
  /** Resolves when no read is under way: one that was may have been answered before. */
  settled(): Promise<unknown>;
  /** Goes on reading until `close`. Its timers do not keep a process alive. */
  start(): void;
  close(): void;
};

/** Answers to keep for a file; see `writeFeedFile`. */
type AnswerListener = (jws: string) => void;

type Context = {
  readonly settings: Settings;
  readonly keys: KeyStore;
  readonly revocations: Revocations;
  readonly status: FeedStatus;
  readonly onAnswer?: AnswerListener;
};

const authorized = ({ authorization }: Settings): RequestInit => ({
  headers: authorization === undefined ? {} : { authorization },
  cache: 'no-store',
});

function addressOf({ settings, revocations }: Context, path: string): string {
  const { epoch, incarnation } = revocations.position();
  const query = new URLSearchParams({ since: String(epoch), ...(incarnation === undefined ? {} : { incarnation }) });
  return `${settings.api}${path}?${query}`;
}

async function take(context: Context, jws: string): Promise<boolean> {
  const isComplete = await context.revocations.read(jws);
  context.onAnswer?.(jws);
  return isComplete;
}

/**
 * Reads the parts of an answer up to the newest epoch. All together are limited in time and size, so that a feed without
 * end keeps no caller waiting; the next read continues behind the last part.
 */
async function poll(context: Context): Promise<void> {
  const { settings } = context;
  const endsAtMs = performance.now() + LIMITS.feedReadTimeouts * settings.timeout * 1_000;
  let bytes = 0;
  for (let part = 0; part < LIMITS.feedParts && bytes < LIMITS.feedReadBytes; part += 1) {
    const leftMs = Math.ceil(endsAtMs - performance.now());
    if (leftMs <= 0) break;
    const { text } = await fetchText({
      fetch: settings.fetch,
      url: addressOf(context, '/v1/revocations'),
      init: authorized(settings),
      timeoutMs: Math.min(settings.timeout * 1_000, leftMs),
      maximumBytes: LIMITS.feedAnswerBytes,
    });
    bytes += text.length;
    if (await take(context, text)) return;
  }
  throw new ApiUnavailable('the revocation feed has no end');
}

/** The values of `data:` lines, one for each event (WHATWG HTML §9.2.6). */
async function* eventsOf(response: Response, signal: AbortSignal, onBytes: () => void): AsyncGenerator<string> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return;
      onBytes();
      text += decoder.decode(value, { stream: true });
      if (text.length > LIMITS.feedAnswerBytes)
        throw new ApiUnavailable('an event of the revocation stream is too long');
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart());
        if (data.length > 0) yield data.join('\n');
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

type Timer = ReturnType<typeof setTimeout>;

/** A timer that does not keep a Node process alive. Edge runtimes give a number, and have nothing to keep alive. */
function later(work: () => void, ms: number): Timer {
  const timer = setTimeout(work, ms);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

function reportRead({ settings, revocations, status }: Context): void {
  settings.onEvent({ type: 'feed_read', ...revocations.state() });
  status.update(revocations.isFresh());
}

/** Reads one stream until it ends or falls silent. */
async function followStream(context: Context, closing: AbortSignal): Promise<void> {
  const { settings, revocations } = context;
  const stop = new AbortController();
  const end = (): void => stop.abort(new ApiUnavailable('the revocation stream is silent or was closed'));
  const silentMs = (): number => Math.max(SILENT_MS, revocations.boundSeconds() * 1_000);
  let watch = later(end, settings.timeout * 1_000);
  const onBytes = (): void => {
    clearTimeout(watch);
    watch = later(end, silentMs());
  };
  closing.addEventListener('abort', end, { once: true });
  try {
    const url = addressOf(context, '/v1/revocations/stream');
    const init = { ...authorized(settings), headers: { ...authorized(settings).headers, accept: 'text/event-stream' } };
    const request = { fetch: settings.fetch, url, init, timeoutMs: 0, maximumBytes: 0 };
    const response = await open(request, stop.signal);
    onBytes();
    for await (const jws of eventsOf(response, stop.signal, onBytes)) {
      await take(context, jws);
      reportRead(context);
    }
  } finally {
    clearTimeout(watch);
    closing.removeEventListener('abort', end);
    stop.abort();
  }
}

/** Reads the file that another process writes: its keys, and its answers that are new. */
function createFileReader({ settings, keys, revocations }: Context): () => Promise<void> {
  let known: { readonly stamp: string; readonly answers: ReadonlySet<string> } | undefined;
  return async () => {
    const read = await readFeedText(settings.feedFile as string, known?.stamp);
    if (read === null) return;
    const { stamp, jwks, answers, ageMs } = read;
    await keys.load(jwks, ageMs);
    const last = answers.length - 1;
    for (const [at, jws] of answers.entries()) if (!known?.answers.has(jws)) await revocations.read(jws, at < last);
    known = { stamp, answers: new Set(answers) };
  };
}

/** Reads the feed as `feed` says. */
export function createFeedReader(context: Context): FeedReader {
  const { settings, keys, revocations, status } = context;
  const { feed, feedInterval, onEvent } = settings;
  const readFile = createFileReader(context);
  const closing = new AbortController();
  let inFlight: Promise<boolean> | undefined;
  let timer: Timer | undefined;
  let failures = 0;
  let retryAfterMs = 0;
  /** Ends the wait of the next turn: another read has shown that the API is there. */
  let goOn: (() => void) | undefined;

  async function attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      const wasFailing = failures > 0 && retryAfterMs === 0;
      failures = 0;
      if (wasFailing) goOn?.();
      return true;
    } catch (err) {
      failures += 1;
      retryAfterMs = err instanceof ApiUnavailable ? err.retryAfterSeconds * 1_000 : 0;
      if (closing.signal.aborted) return false;
      onEvent({ type: 'feed_failed', error: err as Error });
      status.update(revocations.isFresh(), err as Error);
      return false;
    }
  }

  function readOnce(): Promise<boolean> {
    if (closing.signal.aborted) return Promise.resolve(false);
    inFlight ??= attempt(async () => {
      await (feed === 'file' ? readFile() : poll(context));
      reportRead(context);
    }).finally(() => {
      inFlight = undefined;
    });
    return inFlight;
  }

  /** Doubles with each failure, and differs between verifiers. A stream that has ended is not opened again at once. */
  const waitMs = (): number => {
    const regularMs = feed === 'sse' ? FIRST_WAIT_MS * (0.5 + Math.random() / 2) : feedInterval * 1_000;
    if (failures === 0) return regularMs;
    const grown = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10));
    return Math.max(retryAfterMs, regularMs, grown * (0.5 + Math.random() / 2));
  };

  async function turn(): Promise<void> {
    goOn = undefined;
    if (closing.signal.aborted) return;
    if (feed !== 'file') keys.renewWhenDue();
    await (feed === 'sse' ? attempt(() => followStream(context, closing.signal)) : readOnce());
    if (closing.signal.aborted) return;
    timer = later(() => void turn(), waitMs());
    goOn = () => {
      clearTimeout(timer);
      timer = later(() => void turn(), 0);
    };
  }

  return {
    readOnce,
    settled: async () => inFlight,
    start() {
      if (feed !== 'off' && timer === undefined && !closing.signal.aborted)
        timer = later(() => void turn(), feed === 'sse' ? 0 : feedInterval * 1_000);
    },
    close() {
      closing.abort();
      clearTimeout(timer);
    },
  };
}
