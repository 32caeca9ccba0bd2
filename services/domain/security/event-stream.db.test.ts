import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '#testing/eventually.ts';
import { type OwnLogHarness, openLogHarness } from '#testing/harness/log.ts';
import { clientCaller } from '#testing/harness/ports.ts';
import { newestEventSeq } from '../audit/read/list-events.ts';
import { sealEvents } from '../audit/seal/seal-events.ts';
import type { Caller, Log, Sql } from '../ports.ts';
import { createEventStreams, type EventStreamDeps, type EventStreams, seqOfEventId } from './event-stream.ts';

vi.setConfig({ testTimeout: 60_000 });

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const system: Caller = { kind: 'system', name: 'test', request };
const allowed = async (): Promise<boolean> => true;

let harness: OwnLogHarness;
beforeAll(async () => {
  harness = await openLogHarness();
});
afterAll(() => harness?.end());

/** Writes events and seals them; the place of the newest. */
async function seal(count: number, type = 'test.done'): Promise<number> {
  await harness.emit(count, { type });
  await sealEvents(harness, {}, system);
  return newestEventSeq(harness);
}

let nowMs = 0;
let streams: EventStreams;
let told: string[] = [];
const log: Log = { ...console, debug: (_fields, message) => void told.push(message) };
beforeEach(() => {
  nowMs = 1_000;
  told = [];
});
afterEach(() => streams.close());

/** Streams that look every millisecond, on a clock of the test's. */
function start(rules: Partial<EventStreamDeps> = {}): void {
  streams = createEventStreams({ sql: harness.sql, clock: { monotonic: () => nowMs }, log, everyMs: 1, ...rules });
}

/** What a consumer has taken so far. */
function taken(stream: Readable): { readonly text: () => string; readonly seqs: () => number[] } {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return { text: () => text, seqs: () => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)) };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);

describe('a stream of events', () => {
  test('brings what is sealed from now on, its place as the id', async () => {
    const before = await seal(2);
    start();
    const got = taken(await streams.open({}, system, allowed));
    const newest = await seal(1);
    await eventually('the event', () => got.seqs().includes(newest));
    expect(got.seqs()).toEqual(range(before + 1, newest));
    expect(got.text()).toMatch(/^retry: 1000\n\nid: \d+\nevent: [\w.]+\ndata: \{"seq":/);
  });

  test('goes on after the place that is named, over more than a page, and misses none', async () => {
    const after = await newestEventSeq(harness);
    const newest = await seal(250);
    start();
    const got = taken(await streams.open({ afterSeq: after }, system, allowed));
    await eventually('the newest', () => got.seqs().includes(newest));
    expect(got.seqs()).toEqual(range(after + 1, newest));
  });

  test('a place that the log has not reached counts as its end', async () => {
    await seal(1);
    start();
    const got = taken(await streams.open({ afterSeq: 999_999_999 }, system, allowed));
    const newest = await seal(1);
    await eventually('the newest', () => got.seqs().includes(newest));
  });

  test('brings only the types that are asked for, and passes the others by', async () => {
    const after = await newestEventSeq(harness);
    await seal(3, 'test.other');
    start();
    const got = taken(await streams.open({ afterSeq: after, types: ['test.wanted'] }, system, allowed));
    const newest = await seal(1, 'test.wanted');
    await eventually('the wanted one', () => got.seqs().length > 0);
    const types = [...got.text().matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
    expect(types).toEqual(['test.wanted']);
    expect(got.seqs()[0]).toBeLessThanOrEqual(newest);
  });

  test('a quiet one says that it is alive', async () => {
    await seal(1);
    start({ heartbeatMs: 15_000 });
    const got = taken(await streams.open({}, system, allowed));
    nowMs += 15_001;
    await eventually('a comment', () => got.text().endsWith(': quiet\n\n'));
  });

  test('ends after its life, so that its consumer is authenticated again', async () => {
    start({ maximumLifeMs: 300_000 });
    const stream = await streams.open({}, system, allowed);
    taken(stream);
    nowMs += 300_001;
    await once(stream, 'end');
    await eventually('its place is free', () => streams.count() === 0);
  });

  test('ends as soon as its caller may no more, before another event is shown', async () => {
    let may = true;
    start();
    const stream = await streams.open({}, system, async () => may);
    const got = taken(stream);
    may = false;
    const ended = once(stream, 'end');
    await seal(1);
    await ended;
    expect(got.seqs()).toEqual([]);
  });

  test('shows nothing while it cannot be told whether its caller may, and everything afterwards', async () => {
    let asked = 0;
    let isKnown = false;
    start();
    const stream = await streams.open({}, system, async () => {
      asked += 1;
      if (!isKnown) throw new Error('no answer');
      return true;
    });
    const got = taken(stream);
    const newest = await seal(1);
    const askedBy = asked;
    await eventually('it was asked again', () => asked > askedBy + 1);
    expect(got.seqs()).toEqual([]);
    expect(told).toContain('whether an event stream may go on cannot be told');
    isKnown = true;
    await eventually('the event', () => got.seqs().includes(newest));
  });

  test('a consumer that takes nothing is cut, and holds no place', async () => {
    await seal(100);
    start({ stuckAfterMs: 30_000 });
    const stream = await streams.open({ afterSeq: -1 }, system, allowed);
    await eventually('more lies ready than it holds', () => stream.readableLength > 16_384);
    nowMs += 30_001;
    await eventually('it is cut', () => stream.destroyed);
    await eventually('its place is free', () => streams.count() === 0);
  });

  test('keeps its place while the store does not answer', async () => {
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
    const got = taken(await streams.open({}, system, allowed));
    isDown = true;
    const newest = await seal(1);
    await eventually('it was looked for', () => refused > 1);
    expect(told).toContain('event streams could not be served');
    isDown = false;
    await eventually('the event', () => got.seqs().includes(newest));
  });

  test('keeps its place where a page cannot be read', async () => {
    await seal(1);
    let failures = 0;
    const sql: Sql = {
      query: (statement, values) =>
        statement.name === 'auditEventsAfter' && failures++ === 0
          ? Promise.reject(new Error('out of reach'))
          : harness.sql.query(statement, values),
    };
    start({ sql });
    const got = taken(await streams.open({}, system, allowed));
    const newest = await seal(1);
    await eventually('the event', () => got.seqs().includes(newest));
    expect(told).toContain('an event stream could not be served');
  });
});

describe('streams of events', () => {
  test('a caller holds as many as it may, others have theirs', async () => {
    start({ maximumPerCaller: 1 });
    taken(await streams.open({}, clientCaller('a'), allowed));
    await expect(streams.open({}, clientCaller('a'), allowed)).rejects.toMatchObject({ code: 'event_streams_spent' });
    taken(await streams.open({}, clientCaller('b'), allowed));
    expect(streams.count()).toBe(2);
  });

  test('a copy serves as many as it may', async () => {
    start({ maximumStreams: 1 });
    taken(await streams.open({}, clientCaller('a'), allowed));
    await expect(streams.open({}, clientCaller('b'), allowed)).rejects.toMatchObject({ code: 'event_streams_busy' });
  });

  test('one that could not begin leaves its place to the next', async () => {
    const sql: Sql = { query: () => Promise.reject(new Error('out of reach')) };
    start({ sql, maximumStreams: 1 });
    await expect(streams.open({}, system, allowed)).rejects.toThrow('out of reach');
    expect(streams.count()).toBe(0);
  });

  test('the drain ends all and opens no more', async () => {
    start();
    const stream = await streams.open({}, system, allowed);
    taken(stream);
    const ended = once(stream, 'end');
    streams.close();
    await ended;
    await expect(streams.open({}, system, allowed)).rejects.toMatchObject({ code: 'shutting_down' });
  });
});

describe('the id that a consumer comes back with', () => {
  test.each([
    ['42', 42],
    ['0', 0],
    ['', undefined],
    ['-1', undefined],
    ['1e3', undefined],
    ['1234567890123456', undefined],
    [undefined, undefined],
    [['1'], undefined],
  ])('%j names the place %j', (id, seq) => {
    expect(seqOfEventId(id)).toBe(seq);
  });
});
