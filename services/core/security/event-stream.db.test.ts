import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { openLogHarness } from '#tools/testing/harness/log.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { newestEventSeq } from '../audit/read/list-events.ts';
import { sealEvents } from '../audit/seal/seal-events.ts';
import type { Caller, Log, Sql } from '../ports.ts';
import { createEventStreams, type EventStreamDeps, type EventStreams, seqOfEventId } from './event-stream.ts';

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const system: Caller = { kind: 'system', name: 'test', request };
const allowed = async (): Promise<boolean> => true;

const harness = opened(openLogHarness);

/** Writes events, seals them and returns the seq of the newest. */
async function seal(count: number, type = 'test.done'): Promise<number> {
  await harness.emit(count, { type });
  await sealEvents(harness, {}, system);
  return newestEventSeq(harness);
}

let nowMs = 0;
let streams: EventStreams;
let logged: string[] = [];
const log: Log = { ...console, debug: (_fields, message) => void logged.push(message) };
beforeEach(() => {
  nowMs = 1_000;
  logged = [];
});
afterEach(() => streams.close());

/** Streams that tick every millisecond, on the test's clock. */
function start(rules: Partial<EventStreamDeps> = {}): void {
  streams = createEventStreams({ sql: harness.sql, clock: { monotonic: () => nowMs }, log, everyMs: 1, ...rules });
}

/** Text and seqs that a consumer has read so far. */
function readBy(stream: Readable): { readonly text: () => string; readonly seqs: () => number[] } {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return { text: () => text, seqs: () => [...text.matchAll(/^id: (\d+)\nevent: /gm)].map(([, id]) => Number(id)) };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);

describe('a stream of events', () => {
  test('sends events sealed from now on, with their seq as the id', async () => {
    const before = await seal(2);
    start();
    const got = readBy(await streams.open({}, system, allowed));
    const newest = await seal(1);
    await eventually('the event', () => got.seqs().includes(newest));
    expect(got.seqs()).toEqual(range(before + 1, newest));
    expect(got.text()).toMatch(/^retry: 1000\nid: \d+\n\nid: \d+\nevent: [\w.]+\ndata: \{"seq":/);
  });

  test('resumes after the given seq, over more than one page, without gaps', async () => {
    const after = await newestEventSeq(harness);
    const newest = await seal(250);
    start();
    const got = readBy(await streams.open({ afterSeq: after }, system, allowed));
    await eventually('the newest', () => got.seqs().includes(newest));
    expect(got.seqs()).toEqual(range(after + 1, newest));
  });

  test('sends more than one page in a tick to a consumer that reads them', async () => {
    const after = await newestEventSeq(harness);
    const newest = await seal(350);
    let ends = 0;
    const sql: Sql = {
      query: (statement, values) => {
        // The end of the log is read by the opening and by the first tick; the second tick never comes.
        if (statement.name === 'auditEventsNewest' && ++ends > 2) return new Promise(() => {});
        return harness.sql.query(statement, values);
      },
    };
    start({ sql });
    const got = readBy(await streams.open({ afterSeq: after }, system, allowed));
    await eventually('the newest', () => got.seqs().includes(newest));
    expect(got.seqs()).toEqual(range(after + 1, newest));
  });

  test('gives its place before the first event, so that a consumer whose stream breaks until then misses nothing', async () => {
    const before = await seal(1);
    start();
    const broken = await streams.open({}, system, allowed);
    const got = readBy(broken);
    await eventually('its place', () => got.text().endsWith('\n\n'));
    broken.destroy();
    const newest = await seal(2);
    const place = seqOfEventId(/^id: (.*)$/m.exec(got.text())?.[1]);
    const again = readBy(await streams.open({ afterSeq: place }, system, allowed));
    await eventually('the newest', () => again.seqs().includes(newest));
    expect([got.seqs(), again.seqs()]).toEqual([[], range(before + 1, newest)]);
  });

  test('treats a seq beyond the end of the log as its end', async () => {
    await seal(1);
    start();
    const got = readBy(await streams.open({ afterSeq: 999_999_999 }, system, allowed));
    const newest = await seal(1);
    await eventually('the newest', () => got.seqs().includes(newest));
  });

  test('sends only the requested types and skips the others', async () => {
    const after = await newestEventSeq(harness);
    await seal(3, 'test.other');
    start();
    const got = readBy(await streams.open({ afterSeq: after, types: ['test.wanted'] }, system, allowed));
    const newest = await seal(1, 'test.wanted');
    await eventually('the wanted one', () => got.seqs().length > 0);
    const types = [...got.text().matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
    expect(types).toEqual(['test.wanted']);
    expect(got.seqs()[0]).toBeLessThanOrEqual(newest);
  });

  test('sends a heartbeat comment while there are no events', async () => {
    await seal(1);
    start({ heartbeatMs: 15_000 });
    const got = readBy(await streams.open({}, system, allowed));
    nowMs += 15_001;
    await eventually('a comment', () => got.text().endsWith(': quiet\n\n'));
  });

  test('ends after its maximum life, so that its consumer authenticates again', async () => {
    start({ maximumLifeMs: 300_000 });
    const stream = await streams.open({}, system, allowed);
    readBy(stream);
    nowMs += 300_001;
    await once(stream, 'end');
    await eventually('its slot is free', () => streams.count() === 0);
  });

  test('ends as soon as its caller loses access, before it sends another event', async () => {
    let may = true;
    start();
    const stream = await streams.open({}, system, async () => may);
    const got = readBy(stream);
    may = false;
    const ended = once(stream, 'end');
    await seal(1);
    await ended;
    expect(got.seqs()).toEqual([]);
  });

  test('sends nothing while the access check fails, and everything afterwards', async () => {
    let asked = 0;
    let isKnown = false;
    start();
    const stream = await streams.open({}, system, async () => {
      asked += 1;
      if (!isKnown) throw new Error('no answer');
      return true;
    });
    const got = readBy(stream);
    const newest = await seal(1);
    const askedBy = asked;
    await eventually('another check', () => asked > askedBy + 1);
    expect(got.seqs()).toEqual([]);
    expect(logged).toContain('event stream access check failed; sending nothing');
    isKnown = true;
    await eventually('the event', () => got.seqs().includes(newest));
  });

  test('is destroyed if its consumer reads nothing, and frees its slot', async () => {
    await seal(100);
    start({ stuckAfterMs: 30_000 });
    const stream = await streams.open({ afterSeq: -1 }, system, allowed);
    await eventually('more is buffered than the high-water mark', () => stream.readableLength > 16_384);
    nowMs += 30_001;
    await eventually('the stream is destroyed', () => stream.destroyed);
    await eventually('its slot is free', () => streams.count() === 0);
  });

  test('resumes without gaps after the store was unreachable', async () => {
    await seal(1);
    let isDown = false;
    let refused = 0;
    const sql: Sql = {
      query: (statement, values) => {
        if (!isDown) return harness.sql.query(statement, values);
        refused += 1;
        return Promise.reject(new Error('out of reach'));
      },
    };
    start({ sql });
    const got = readBy(await streams.open({}, system, allowed));
    isDown = true;
    const newest = await seal(1);
    await eventually('another attempt', () => refused > 1);
    expect(logged).toContain('event streams not served; retrying');
    isDown = false;
    await eventually('the event', () => got.seqs().includes(newest));
  });

  test('resumes without gaps after a page could not be read', async () => {
    await seal(1);
    let failures = 0;
    const sql: Sql = {
      query: (statement, values) =>
        statement.name === 'auditEventsAfter' && failures++ === 0
          ? Promise.reject(new Error('out of reach'))
          : harness.sql.query(statement, values),
    };
    start({ sql });
    const got = readBy(await streams.open({}, system, allowed));
    const newest = await seal(1);
    await eventually('the event', () => got.seqs().includes(newest));
    expect(logged).toContain('event stream not served; retrying');
  });
});

describe('streams of events', () => {
  test('are limited per caller, without affecting other callers', async () => {
    start({ maximumPerCaller: 2 });
    const open = (id: string) => streams.open({}, clientCaller(id), allowed);
    const atOnce = await Promise.allSettled(Array.from({ length: 8 }, () => open('a')));
    const opened = atOnce.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(opened).toHaveLength(2);
    for (const stream of opened) readBy(stream);
    await expect(open('a')).rejects.toMatchObject({ code: 'event_streams_spent' });
    readBy(await open('b'));
    expect(streams.count()).toBe(3);
  });

  test('at the same place read a page once for all', async () => {
    const after = await newestEventSeq(harness);
    const newest = await seal(5);
    const areOpen = Promise.withResolvers<void>();
    let reads = 0;
    const sql: Sql = {
      query: async (statement, values) => {
        if (statement.name === 'auditEventsAfter' && values?.[0] === after) {
          reads += 1;
          await areOpen.promise;
        }
        return harness.sql.query(statement, values);
      },
    };
    start({ sql, maximumPerCaller: 9 });
    const open = () => streams.open({ afterSeq: after }, system, allowed);
    const read = (await Promise.all(Array.from({ length: 9 }, open))).map(readBy);
    areOpen.resolve();
    for (const { seqs } of read) {
      await eventually('the newest', () => seqs().includes(newest));
      expect(seqs()).toEqual(range(after + 1, newest));
    }
    // Those that were open at the first tick, and the others at the second.
    expect(reads).toBeLessThanOrEqual(2);
  });

  test('are limited per copy', async () => {
    start({ maximumStreams: 1 });
    readBy(await streams.open({}, clientCaller('a'), allowed));
    await expect(streams.open({}, clientCaller('b'), allowed)).rejects.toMatchObject({ code: 'event_streams_busy' });
  });

  test('free their slot if they fail to start', async () => {
    const sql: Sql = { query: () => Promise.reject(new Error('out of reach')) };
    start({ sql, maximumStreams: 1 });
    await expect(streams.open({}, system, allowed)).rejects.toThrow('out of reach');
    expect(streams.count()).toBe(0);
  });

  test('end when the copy drains, which opens no more', async () => {
    start();
    const stream = await streams.open({}, system, allowed);
    readBy(stream);
    const ended = once(stream, 'end');
    streams.close();
    await ended;
    await expect(streams.open({}, system, allowed)).rejects.toMatchObject({ code: 'shutting_down' });
  });
});

describe('the Last-Event-ID of a reconnecting consumer', () => {
  test.each([
    ['42', 42],
    ['0', 0],
    ['', undefined],
    ['-1', undefined],
    ['1e3', undefined],
    ['1234567890123456', undefined],
    [undefined, undefined],
    [['1'], undefined],
  ])('%j is seq %j', (id, seq) => expect(seqOfEventId(id)).toBe(seq));
});
