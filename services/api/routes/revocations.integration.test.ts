import { decodeProtectedHeader, jwtVerify } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { FEED_ANSWER_LIMIT } from '#services/core/revocations/revocation-feed.ts';
import { opened } from '#tools/testing/opened.ts';
import { events, type FeedPayload, ISSUER, openFeedHarness, STALENESS_MS } from './revocations-harness.ts';

const harness = opened(openFeedHarness);

describe('GET /v1/revocations', () => {
  test('an outside verifier reads every kind of entry from a compact JWS with the published keys', async () => {
    const { epoch } = harness.copy.revocations.state();
    await harness.add('jti', 'j1');
    await harness.add('sid', 's1');
    await harness.add('family', 'f1', null, 'refresh_token_reused');
    await harness.add('user', 'u1', 4);
    await harness.add('client', 'c1', 2);
    await harness.add('key', 'k1');
    const response = await harness.get(`/v1/revocations?since=${epoch}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/revocations+jwt');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const payload = await harness.opened(await response.text());
    expect(payload).toMatchObject({
      iss: ISSUER,
      incarnation: harness.copy.revocations.state().incarnation,
      epoch: epoch + 6,
      since: epoch,
      max_staleness_s: STALENESS_MS / 1_000,
      complete: true,
    });
    expect(payload.entries.map(({ expires_at: _, ...entry }) => entry)).toEqual([
      { epoch: epoch + 1, kind: 'jti', value: 'j1' },
      { epoch: epoch + 2, kind: 'sid', value: 's1' },
      { epoch: epoch + 3, kind: 'family', value: 'f1', reason: 'refresh_token_reused' },
      { epoch: epoch + 4, kind: 'user', value: 'u1', token_epoch: 4 },
      { epoch: epoch + 5, kind: 'client', value: 'c1', token_epoch: 2 },
      { epoch: epoch + 6, kind: 'key', value: 'k1' },
    ]);
    expect(Math.abs(payload.issued_at - Date.now() / 1_000)).toBeLessThan(60);
    expect(payload.entries.every(({ expires_at }) => expires_at > payload.issued_at + 3_000)).toBe(true);
  });

  test('an unknown epoch, from the future or another incarnation, is answered with the full snapshot', async () => {
    await harness.add('jti', 'snapshot');
    const { epoch, incarnation } = harness.copy.revocations.state();
    const ask = async (query: string): Promise<FeedPayload> =>
      harness.opened(await (await harness.get(`/v1/revocations?${query}`)).text());
    const whole = await ask('');
    expect(whole).toMatchObject({ since: 0, epoch });
    expect(whole.entries.at(-1)?.value).toBe('snapshot');
    expect(await ask(`since=${epoch + 1}`)).toMatchObject({ since: 0, entries: whole.entries });
    const foreign = '00000000-0000-4000-8000-000000000000';
    expect(await ask(`since=${epoch}&incarnation=${foreign}`)).toMatchObject({ since: 0, entries: whole.entries });
    expect(await ask(`since=${epoch}&incarnation=${incarnation}`)).toMatchObject({ since: epoch, entries: [] });
  });

  test('a snapshot larger than an answer comes in parts, and a single part is not a snapshot', async () => {
    await harness.addMany('part', FEED_ANSWER_LIMIT + 10);
    const values = new Set<string>();
    let since = 0;
    let parts = 0;
    for (let payload: FeedPayload | undefined; !payload?.complete; since = payload.epoch) {
      payload = await harness.opened(await (await harness.get(`/v1/revocations?since=${since}`)).text());
      expect(payload.max_staleness_s).toBe(payload.complete ? STALENESS_MS / 1_000 : 0);
      for (const { value } of payload.entries) values.add(value);
      parts += 1;
    }
    expect(parts).toBeGreaterThan(1);
    expect(since).toBe(harness.copy.revocations.state().epoch);
    expect(values.size).toBe(harness.copy.revocations.state().entries);
  });

  test('a feed answer is not accepted as an access token: it has another type and lacks the claims', async () => {
    const jws = await (await harness.get('/v1/revocations')).text();
    expect(decodeProtectedHeader(jws).typ).toBe('revocations+jwt');
    await expect(jwtVerify(jws, harness.keySet(), { typ: 'at+jwt' })).rejects.toMatchObject({
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
    });
  });

  test('needs the permission, and refuses a malformed epoch', async () => {
    expect((await harness.get('/v1/revocations', { authorization: 'Bearer other' })).status).toBe(403);
    expect((await harness.get('/v1/revocations', { authorization: 'Bearer none' })).status).toBe(401);
    for (const query of ['since=-1', 'since=x', 'since=1.5', 'since=1e400', 'incarnation=x', 'other=1'])
      expect((await harness.get(`/v1/revocations?${query}`)).status, query).toBe(400);
  });
});

describe('GET /v1/revocations/stream', () => {
  beforeEach(() => expect.poll(() => harness.streams.count()).toBe(0));

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
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await refused.json()).toMatchObject({ code: 'revocation_streams_busy' });
    await open[0]!.body!.cancel();
    await expect.poll(() => harness.streams.count()).toBe(3);
    const again = await ask('reader');
    expect(again.status).toBe(200);
    await Promise.all([open[1], open[2], others, again].map((response) => response!.body!.cancel()));
  });
});
