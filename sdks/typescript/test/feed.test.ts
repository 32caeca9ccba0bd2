import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Verifier } from '../src/index.ts';
import { createFakeIssuer } from '../src/testing.ts';
import { verifierOf } from './feed-harness.ts';

const codeOf = async (verifier: Verifier, token: string): Promise<string> => (await verifier.verify(token)).code;

describe('a revocation', () => {
  test('is refused from the moment its entry is read, also for a token in the cache', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    const [token, other] = [await issuer.mint(), await issuer.mint()];
    for (const one of [token, token, other]) expect(await codeOf(verifier, one)).toBe('active');
    expect(verifier.state().cachedTokens).toBe(2);
    await issuer.revoke(token);
    await verifier.refresh();
    expect(await codeOf(verifier, token)).toBe('revoked');
    expect(await codeOf(verifier, other)).toBe('active');
  });

  test('that came while an older answer was on its way is known after refresh', async () => {
    const issuer = await createFakeIssuer();
    const held = Promise.withResolvers<void>();
    let isHeld = false;
    const slow: typeof fetch = async (...asked) => {
      const answer = await issuer.fetch(...asked);
      if (isHeld && issuer.requests.get('/v1/revocations') === 2) await held.promise;
      return answer;
    };
    const { verifier } = verifierOf(issuer, { fetch: slow, feedInterval: 60 });
    await verifier.ready();
    isHeld = true;
    const token = await issuer.mint();
    void verifier.refresh();
    await expect.poll(() => issuer.requests.get('/v1/revocations')).toBe(2);
    await issuer.revoke(token);
    const refreshed = verifier.refresh();
    held.resolve();
    await refreshed;
    expect(await codeOf(verifier, token)).toBe('revoked');
  });

  test.each(['poll', 'sse'] as const)('is felt within a second by %s, without a call of ours', async (feed) => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer, { feed, feedInterval: 0.1 });
    const token = await issuer.mint();
    await verifier.ready();
    if (feed === 'sse') await expect.poll(() => issuer.requests.get('/v1/revocations/stream')).toBe(1);
    expect(await codeOf(verifier, token)).toBe('active');
    await issuer.revoke(token);
    const revokedAtMs = performance.now();
    await expect.poll(() => codeOf(verifier, token), { interval: 10 }).toBe('revoked');
    expect(performance.now() - revokedAtMs).toBeLessThan(1_000);
    expect(issuer.requests.get('/oauth2/introspect')).toBeUndefined();
  });

  test('causes no request while tokens are verified', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer, { feedInterval: 60 });
    await verifier.ready();
    const before = new Map(issuer.requests);
    const tokens = await Promise.all(Array.from({ length: 100 }, () => issuer.mint()));
    for (const token of [...tokens, ...tokens]) expect(await codeOf(verifier, token)).toBe('active');
    expect(new Map(issuer.requests)).toEqual(before);
  });

  test('of a user ends tokens with an older epoch, and a restored database forgets it', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    const [old, fresh] = [await issuer.mint({ sub: 'ada', ue: 1 }), await issuer.mint({ sub: 'ada', ue: 2 })];
    await issuer.revoke({ kind: 'user', value: 'ada', tokenEpoch: 2 });
    await verifier.refresh();
    expect([await codeOf(verifier, old), await codeOf(verifier, fresh)]).toEqual(['revoked', 'active']);
    issuer.advance(1);
    await issuer.restore();
    await verifier.refresh();
    expect([await codeOf(verifier, old), await codeOf(verifier, fresh)]).toEqual(['active', 'active']);
  });

  test('that has expired leaves memory', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    for (const value of ['a', 'b', 'c']) await issuer.revoke({ kind: 'jti', value });
    await issuer.revoke({ kind: 'family', value: 'f', reason: 'refresh_token_reused' });
    await verifier.refresh();
    expect(verifier.state().revocations).toBe(4);
    issuer.advance(3_700);
    for (let turn = 0; turn < 3; turn += 1) await verifier.refresh();
    expect(verifier.state().revocations).toBe(0);
  });
});

describe('a feed that falls silent', () => {
  test('serves until its bound and maxStale are over, then every token is answered with 503', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer, { maxStale: 10 });
    const token = await issuer.mint();
    expect(await codeOf(verifier, token)).toBe('active');
    issuer.goStale();
    issuer.advance(11);
    expect(await codeOf(verifier, token)).toBe('active');
    issuer.advance(2);
    expect(await verifier.verify(token)).toMatchObject({
      code: 'revocation_state_stale',
      status: 503,
      retryable: true,
    });
    issuer.recover();
    issuer.advance(1.1);
    expect(await codeOf(verifier, token)).toBe('active');
  });

  test('with onStale serve, what is known still counts', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer, { onStale: 'serve' });
    const [token, revoked] = [await issuer.mint(), await issuer.mint()];
    await issuer.revoke(revoked);
    await verifier.ready();
    issuer.goStale();
    issuer.advance(300);
    expect(await verifier.verify(token)).toMatchObject({ ok: true, stale: true });
    expect(await codeOf(verifier, revoked)).toBe('revoked');
  });

  test('with onStale serve, no token is accepted before revocations were read once', async () => {
    const issuer = await createFakeIssuer();
    let isDown = true;
    const { verifier } = verifierOf(issuer, {
      onStale: 'serve',
      fetch: (input, init) => {
        if (isDown && String(input).includes('/v1/revocations')) throw new TypeError('down');
        return issuer.fetch(input, init);
      },
    });
    const token = await issuer.mint();
    expect(await codeOf(verifier, token)).toBe('revocation_state_stale');
    isDown = false;
    await verifier.refresh();
    isDown = true;
    issuer.advance(300);
    expect(await verifier.verify(token)).toMatchObject({ ok: true, stale: true });
  });

  test('with onStale introspect, the API is asked, and its silence is 503', async () => {
    const issuer = await createFakeIssuer();
    let isFeedDown = false;
    let isApiDown = false;
    const { verifier } = verifierOf(issuer, {
      onStale: 'introspect',
      maxStale: 0,
      fetch: (input, init) => {
        const path = new URL(String(input)).pathname;
        if (isApiDown || (isFeedDown && path === '/v1/revocations')) throw new TypeError('down');
        return issuer.fetch(input, init);
      },
    });
    const [token, revoked] = [await issuer.mint(), await issuer.mint()];
    await verifier.ready();
    expect(await codeOf(verifier, token)).toBe('active');
    expect(issuer.requests.get('/oauth2/introspect')).toBeUndefined();
    isFeedDown = true;
    issuer.advance(10);
    await issuer.revoke(revoked);
    expect(await codeOf(verifier, token)).toBe('active');
    expect(await codeOf(verifier, revoked)).toBe('revoked');
    expect(issuer.requests.get('/oauth2/introspect')).toBe(2);
    // What is wrong without asking is not asked about.
    expect(await codeOf(verifier, await issuer.mint({ aud: 'https://other.test' }))).toBe('wrong_audience');
    expect(issuer.requests.get('/oauth2/introspect')).toBe(2);
    isApiDown = true;
    expect(await codeOf(verifier, token)).toBe('revocation_state_stale');
  });

  test('a stream without a byte is opened anew', async () => {
    const issuer = await createFakeIssuer();
    let opened = 0;
    const { verifier } = verifierOf(issuer, {
      feed: 'sse',
      timeout: 0.1,
      fetch: async (input, init) => {
        if (!String(input).includes('/stream')) return issuer.fetch(input, init);
        opened += 1;
        return opened === 1 ? new Promise<Response>(() => {}) : issuer.fetch(input, init);
      },
    });
    await verifier.ready();
    const token = await issuer.mint();
    await expect.poll(() => opened).toBe(2);
    await issuer.revoke(token);
    await expect.poll(() => codeOf(verifier, token)).toBe('revoked');
  });
});

test('once a read shows that the API is there, a stream that waits after failures is opened at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const issuer = await createFakeIssuer();
  let isDown = true;
  const { verifier } = verifierOf(issuer, {
    feed: 'sse',
    fetch: (input, init) => (isDown ? Promise.reject(new Error('refused')) : issuer.fetch(input, init)),
  });
  // As a service that starts together with the API: it waits longer after each failure.
  verifier.start();
  await vi.advanceTimersByTimeAsync(60_000);
  isDown = false;
  expect(await verifier.refresh()).toBe(true);
  expect(issuer.requests.get('/v1/revocations/stream')).toBeUndefined();
  await vi.advanceTimersByTimeAsync(0);
  expect(issuer.requests.get('/v1/revocations/stream')).toBe(1);
  verifier.close();
});

test('a stream that ends at once is not opened again at once', async () => {
  const issuer = await createFakeIssuer();
  const openedAtMs: number[] = [];
  const { verifier } = verifierOf(issuer, {
    feed: 'sse',
    fetch: async (input, init) => {
      if (!String(input).includes('/stream')) return issuer.fetch(input, init);
      openedAtMs.push(performance.now());
      return new Response('retry: 1000\n\n');
    },
  });
  await verifier.ready();
  await expect.poll(() => openedAtMs.length).toBeGreaterThanOrEqual(3);
  for (const [at, ms] of openedAtMs.entries())
    if (at > 0) expect(ms - (openedAtMs[at - 1] as number)).toBeGreaterThan(100);
});

test('a clock that is set back makes no outdated revocations look fresh', async () => {
  const issuer = await createFakeIssuer({ maxStalenessSeconds: 0.3 });
  let setBackMs = 0;
  const { verifier } = verifierOf(issuer, { maxStale: 0, now: () => Date.now() - setBackMs });
  await verifier.ready();
  expect(verifier.state().fresh).toBe(true);
  issuer.goStale();
  setBackMs = 3_600_000;
  await expect.poll(() => verifier.state().fresh).toBe(false);
  expect((await verifier.verify(await issuer.mint())).code).toBe('revocation_state_stale');
});

test('a verifier that was closed reads nothing more', async () => {
  const issuer = await createFakeIssuer();
  for (const feed of ['poll', 'sse'] as const) {
    const { verifier } = verifierOf(issuer, { feed, feedInterval: 0.05 });
    verifier.close();
    await verifier.verify(await issuer.mint());
  }
  await new Promise((done) => setTimeout(done, 200));
  expect([...issuer.requests.keys()]).toEqual(['/.well-known/jwks.json']);
});
