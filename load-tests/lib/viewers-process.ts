// PROCESS: viewers of the console's live events. A separate process, so that reading for many delays no other clock.
// Started by viewers.ts only; ends with its parent.
import { setTimeout as sleep } from 'node:timers/promises';
import { CONSOLE_HEADERS } from './console-session.ts';
import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts';

export type ViewersCommand =
  | { readonly id: number; readonly kind: 'open'; readonly api: string; readonly cookies: readonly string[] }
  | { readonly id: number; readonly kind: 'begin' }
  | { readonly id: number; readonly kind: 'end' };

/** What all viewers got since the beginning. */
export type Viewed = {
  /** From when an event happened until a viewer had it. */
  readonly latency: LatencySummary;
  /** Events that a viewer got out of the order of the log, twice or not at all. */
  readonly wrong: number;
};

let latency = new LatencyHistogram();
let wrong = 0;
const opened: AbortController[] = [];
/** The newest event of each viewer that got one since the beginning. */
const reached = new Map<AbortController, number>();
/** When the first of the viewers got each event, in order. */
const arrivals: { readonly seq: number; readonly atMs: number }[] = [];
/** What one viewer has had for so long has reached the others, or they have missed it. */
const BEHIND_MS = 1_000;
const AGAIN_MS = 500;
let broken: Error | undefined;

const FRAME = /^id: (\d+)\n[\s\S]*"occurred_at":"([^"]+)"/;

async function follow(viewer: AbortController, body: ReadableStream<Uint8Array>): Promise<void> {
  let rest = '';
  let lastSeq: number | undefined;
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + part).split('\n\n');
    rest = frames.pop() ?? '';
    const now = Date.now();
    for (const frame of frames) {
      const [, seq, occurredAt] = FRAME.exec(frame) ?? [];
      if (seq === undefined || occurredAt === undefined) continue;
      if (lastSeq !== undefined && Number(seq) !== lastSeq + 1) wrong += 1;
      lastSeq = Number(seq);
      reached.set(viewer, lastSeq);
      if (lastSeq > (arrivals.at(-1)?.seq ?? 0)) arrivals.push({ seq: lastSeq, atMs: now });
      latency.record(now - Date.parse(occurredAt));
    }
  }
  throw new Error('a stream of events ended');
}

/** Asks again while the API still counts streams of the round before, which it has not noticed to be closed. */
async function openStream(api: string, init: RequestInit, attempts = 10): Promise<Response> {
  const answer = await fetch(`${api}/console/api/v1/admin/events`, init);
  if (answer.status !== 429 || attempts === 1) return answer;
  await answer.body?.cancel();
  await sleep(AGAIN_MS);
  return openStream(api, init, attempts - 1);
}

async function open(api: string, cookies: readonly string[]): Promise<void> {
  await Promise.all(
    cookies.map(async (cookie) => {
      const ending = new AbortController();
      opened.push(ending);
      const headers = { ...CONSOLE_HEADERS, cookie };
      const answer = await openStream(api, { headers, signal: ending.signal });
      if (answer.status !== 200 || answer.body === null)
        throw new Error(`the stream answered ${answer.status}: ${await answer.text()}`);
      follow(ending, answer.body).catch((err: Error) => {
        if (!ending.signal.aborted) broken = err;
      });
    }),
  );
}

async function obey(command: ViewersCommand): Promise<Viewed | undefined> {
  if (command.kind === 'open') await open(command.api, command.cookies);
  else if (command.kind === 'begin') {
    latency = new LatencyHistogram();
    wrong = 0;
    reached.clear();
    arrivals.length = 0;
  } else {
    const viewers = opened.splice(0);
    for (const ending of viewers) ending.abort();
    if (broken) throw broken;
    const without = viewers.filter((viewer) => !reached.has(viewer)).length;
    if (without > 0) throw new Error(`${without} of ${viewers.length} viewers got no event`);
    const settledAtMs = Date.now() - BEHIND_MS;
    const settled = arrivals.findLast(({ atMs }) => atMs <= settledAtMs)?.seq ?? 0;
    const behind = [...reached.values()].reduce((sum, seq) => sum + Math.max(0, settled - seq), 0);
    return { latency: latency.summary(), wrong: wrong + behind };
  }
  return undefined;
}

process.on('message', async (command: ViewersCommand) => {
  try {
    process.send?.({ id: command.id, result: await obey(command) });
  } catch (err) {
    process.send?.({ id: command.id, error: (err as Error).message });
  }
});
process.on('disconnect', () => process.exit(0));
