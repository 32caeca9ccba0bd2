import { beforeEach, describe, expect, test } from 'vitest';
import { FEED_ANSWER_LIMIT } from '#services/core/revocations/revocation-feed.ts';
import { opened } from '#tools/testing/opened.ts';
import { events, type FeedPayload, openFeedHarness } from './revocations-harness.ts';

const harness = opened(openFeedHarness);
beforeEach(() => expect.poll(() => harness.streams.count()).toBe(0));

describe('GET /v1/revocations/stream', () => {
  test('begins with revocations above the epoch, then sends each change and heartbeats', async () => {
    await harness.add('jti', 'first');
    const { epoch, incarnation } = harness.copy.revocations.state();
    const response = await harness.get(`/v1/revocations/stream?since=${epoch - 1}&incarnation=${incarnation}`);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const source = events(response);
    const first = (await source.next()).value!;
    expect(first).toMatchObject({ id: `${incarnation}.${epoch}`, event: 'revocations' });
    expect(await harness.opened(first.data)).toMatchObject({ since: epoch - 1, epoch, entries: [{ value: 'first' }] });
    await harness.add('jti', 'second');
    let next = await harness.opened((await source.next()).value!.data);
    while (next.entries.length === 0) next = await harness.opened((await source.next()).value!.data);
    expect(next).toMatchObject({ since: epoch, epoch: epoch + 1, entries: [{ value: 'second' }] });
    const beat = await harness.opened((await source.next()).value!.data);
    expect(beat).toMatchObject({ since: epoch + 1, epoch: epoch + 1, entries: [], complete: true });
    expect(beat.issued_at).toBeGreaterThan(next.issued_at);
    await source.return(undefined);
  });

  test('resumes from Last-Event-ID, which has precedence over the address', async () => {
    await harness.add('jti', 'missed');
    const { epoch, incarnation } = harness.copy.revocations.state();
    const ask = async (id: string): Promise<FeedPayload> => {
      const source = events(await harness.get('/v1/revocations/stream?since=0', { 'last-event-id': id }));
      const first = await harness.opened((await source.next()).value!.data);
      await source.return(undefined);
      return first;
    };
    expect(await ask(`${incarnation}.${epoch - 1}`)).toMatchObject({
      since: epoch - 1,
      entries: [{ value: 'missed' }],
    });
    expect(await ask(`00000000-0000-4000-8000-000000000000.${epoch - 1}`)).toMatchObject({ since: 0 });
    expect(await ask('nonsense')).toMatchObject({ since: 0 });
  });

  test('a snapshot in parts arrives complete', async () => {
    await harness.addMany('streamed', FEED_ANSWER_LIMIT + 10);
    const source = events(await harness.get('/v1/revocations/stream'));
    const values = new Set<string>();
    for (let isComplete = false; !isComplete; ) {
      const payload = await harness.opened((await source.next()).value!.data);
      for (const { value } of payload.entries) values.add(value);
      isComplete = payload.complete;
    }
    expect(values.size).toBe(harness.copy.revocations.state().entries);
    await source.return(undefined);
  });

  test('streams are limited per caller and in total; an ended stream frees its place', async () => {
    const ask = (bearer: string) => harness.get('/v1/revocations/stream', { authorization: `Bearer ${bearer}` });
    const open = await Promise.all([1, 2, 3].map(() => ask('reader')));
    const spent = await ask('reader');
    expect(spent.status).toBe(429);
    expect(await spent.json()).toMatchObject({ code: 'revocation_streams_spent' });
    const others = await ask('second');
    expect(others.status).toBe(200);
    const refused = await ask('second');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'revocation_streams_busy' });
    await open[0]!.body!.cancel();
    await expect.poll(() => harness.streams.count()).toBe(3);
    const again = await ask('reader');
    expect(again.status).toBe(200);
    await Promise.all([open[1], open[2], others, again].map((response) => response!.body!.cancel()));
  });
});
