import { type Answer, HEADERS, Refusal } from './api.ts';

export type StreamState = 'connecting' | 'open' | 'waiting';

type Watched = {
  readonly onEvent: (event: Answer<'GET /v1/audit/events'>['events'][number]) => void;
  readonly onState: (state: StreamState, error?: unknown) => void;
};

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** Waits, unless the signal ends it before. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

/**
 * Follows the sealed events (server-sent events, WHATWG HTML §9.2) until the signal ends it. After a break it goes on
 * behind the last event that it has handed on, so that none is lost or handed on twice. `EventSource` cannot send the
 * header by which the console proves that its own script asks.
 */
export async function followEvents({ onEvent, onState }: Watched, signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    onState('connecting');
    try {
      const answer = await fetch('/console/api/v1/admin/events', {
        headers: { ...HEADERS, ...(last === undefined ? {} : { 'last-event-id': last }) },
        signal,
      });
      if (!answer.ok || answer.body === null) {
        const problem = await answer.json().catch(() => ({ code: 'unreadable' }));
        throw new Refusal(answer.status, problem);
      }
      onState('open');
      waitMs = FIRST_WAIT_MS;
      for await (const { id, data } of frames(answer.body)) {
        if (id !== last && data !== undefined) onEvent(JSON.parse(data));
        last = id;
      }
      // The server ends each stream after some minutes; the next one goes on at once.
      onState('waiting');
    } catch (error) {
      if (signal.aborted) return;
      onState('waiting', error);
    }
    await pause(waitMs, signal);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }
}

/** Messages of a stream that have an id. The first has no data: it gives the place where the stream begins. */
async function* frames(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<{ readonly id: string; readonly data: string | undefined }> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = block.split('\n');
      const id = lines.find((line) => line.startsWith('id: '))?.slice(4);
      const data = lines.find((line) => line.startsWith('data: '))?.slice(6);
      if (id !== undefined) yield { id, data };
    }
  }
}
