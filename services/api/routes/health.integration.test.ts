import { describe, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { events, openFeedHarness } from './revocations-harness.ts';

const harness = opened(openFeedHarness);

describe('health', () => {
  test('is live and ready without a credential; a draining copy is not ready and still live', async () => {
    await expect.poll(() => harness.copy.redis.isReady()).toBe(true);
    expect(await (await fetch(`${harness.url}/healthz`)).json()).toEqual({ status: 'ok' });
    const ready = await fetch(`${harness.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      {
        status: 'ready',
        components: { api: 'ok', postgres: 'ok', keys: 'ok', revocations: 'ok', directory: 'ok', redis: 'ok' },
        api: 'ok',
        postgres: 'ok',
        keys: 'ok',
        revocations: 'ok',
        directory: 'ok',
        redis: 'ok',
      },
    ]);
    harness.setDraining(true);
    const draining = await fetch(`${harness.url}/readyz`);
    expect(draining.status).toBe(503);
    expect(await draining.json()).toMatchObject({
      status: 'not_ready',
      components: { api: 'draining' },
      api: 'draining',
      code: 'not_ready',
      retryable: true,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect((await fetch(`${harness.url}/healthz`)).status).toBe(200);
    harness.setDraining(false);
  });

  test('a rewound database and a stopped poll are reported separately, in feed, stream and readiness', async () => {
    const stream = events(await harness.get('/v1/revocations/stream'));
    await stream.next();
    await harness.copy.poll.close();
    harness.copy.revocations.setRewound(true);
    const [rewoundFeed, rewoundStream, rewoundReady] = await Promise.all([
      harness.get('/v1/revocations'),
      harness.get('/v1/revocations/stream'),
      fetch(`${harness.url}/readyz`),
    ]);
    harness.copy.revocations.setRewound(false);
    for (const response of [rewoundFeed, rewoundStream]) {
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({
        code: 'state_rewound',
        fix: expect.stringContaining('sallyport restore --accept-loss'),
      });
    }
    expect(await rewoundReady.json()).toMatchObject({ components: { revocations: 'rewound', postgres: 'ok' } });
    await expect.poll(() => harness.copy.revocations.refusal(), { timeout: 30_000 }).toBe('revocation_state_stale');
    const stale = await harness.get('/v1/revocations');
    expect([stale.status, stale.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await stale.json()).toMatchObject({ code: 'revocation_state_stale' });
    const notReady = await fetch(`${harness.url}/readyz`);
    expect(notReady.status).toBe(503);
    expect(await notReady.json()).toMatchObject({ components: { revocations: 'stale', postgres: 'unreachable' } });
    // The drain ends open streams cleanly and accepts no new ones.
    harness.streams.close();
    let end = await stream.next();
    while (!end.done) end = await stream.next();
    expect((await harness.get('/v1/revocations/stream')).status).toBe(503);
  });
});
