import { setTimeout as sleep } from 'node:timers/promises';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../src/generated/contract.ts';
import { createVerifier, type Verifier, type VerifierEvent, type VerifierOptions } from '../src/index.ts';
import { createFakeIssuer, type FakeIssuer } from '../src/testing.ts';

const open: Verifier[] = [];
afterEach(() => {
  for (const verifier of open.splice(0)) verifier.close();
});

function verifierOf(issuer: FakeIssuer, changes: Partial<VerifierOptions> = {}) {
  const events: VerifierEvent[] = [];
  const verifier = createVerifier({ ...issuer.options, onEvent: (event) => events.push(event), ...changes });
  open.push(verifier);
  const refusals = (): string[] =>
    events.flatMap((event) => (event.type === 'feed_failed' ? [event.error.message] : []));
  return { verifier, refusals };
}

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

type Sign = (changes: Readonly<Record<string, unknown>>) => Promise<string>;
type Serve = (url: URL, sign: Sign) => Promise<Response>;

/** A feed whose answers the test writes and signs. */
async function forgedFeed(changes: Partial<VerifierOptions> = {}, serve?: Serve) {
  const issuer = await createFakeIssuer();
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'feed', alg: 'ES256', use: 'sig' };
  const incarnation = crypto.randomUUID();
  const answers: string[] = [];
  const { verifier, refusals } = verifierOf(issuer, {
    ...changes,
    fetch: async (input, init) => {
      const url = new URL(String(input));
      const { pathname } = url;
      if (pathname === '/v1/revocations' && serve !== undefined) return serve(url, sign);
      if (pathname === '/v1/revocations') {
        const body = answers.shift();
        return body === undefined ? new Response(null, { status: 503 }) : new Response(body);
      }
      if (pathname !== '/.well-known/jwks.json') return issuer.fetch(input, init);
      const { keys } = (await (await issuer.fetch(input, init)).json()) as { keys: unknown[] };
      return Response.json({ keys: [...keys, jwk] });
    },
  });
  const now = (): number => (issuer.options.now as () => number)() / 1_000;
  const sign = (changes: Readonly<Record<string, unknown>>, key = privateKey): Promise<string> => {
    const body = {
      iss: issuer.options.issuer,
      incarnation,
      epoch: 10,
      since: 0,
      issued_at: now(),
      max_staleness_s: 2,
      complete: true,
      entries: [],
      ...changes,
    };
    return new CompactSign(new TextEncoder().encode(JSON.stringify(body)))
      .setProtectedHeader({ alg: 'ES256', kid: 'feed', typ: 'revocations+jwt' })
      .sign(key);
  };
  const read = async (...given: readonly string[]): Promise<void> => {
    answers.splice(0, answers.length, ...given);
    await verifier.refresh();
  };
  return { issuer, verifier, refusals, sign, read };
}

describe('a feed without end', () => {
  /** Parts that never end, until the test says so. */
  async function endlessFeed(pauseMs: number) {
    const seen = { parts: 0, since: 0, isEnding: false };
    const { verifier, refusals } = await forgedFeed({ timeout: 0.2, feedInterval: 60 }, async (url, sign) => {
      seen.parts += 1;
      seen.since = Number(url.searchParams.get('since'));
      await sleep(pauseMs);
      return new Response(await sign({ since: seen.since, epoch: seen.since + 1, complete: seen.isEnding }));
    });
    return { verifier, refusals, seen };
  }

  test('keeps no caller of the first load waiting, and the next read continues behind the last part', async () => {
    const { verifier, refusals, seen } = await endlessFeed(25);
    const startedMs = performance.now();
    await expect(verifier.ready()).rejects.toMatchObject({ code: 'revocation_state_stale' });
    // All 2,000 parts would take 50 seconds.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    expect(refusals()).toHaveLength(1);
    seen.isEnding = true;
    expect(await verifier.refresh()).toBe(true);
    expect(seen.since).toBeGreaterThan(0);
  });

  test('is bounded in size', async () => {
    const limits = LIMITS as { feedReadBytes: number };
    const most = limits.feedReadBytes;
    limits.feedReadBytes = 2_000;
    try {
      const { verifier, refusals, seen } = await endlessFeed(0);
      expect(await verifier.refresh()).toBe(false);
      expect(refusals()).toEqual(['the revocation feed has no end']);
      expect(seen.parts).toBeGreaterThan(1);
      expect(seen.parts).toBeLessThan(10);
    } finally {
      limits.feedReadBytes = most;
    }
  });
});

describe('a forged answer is refused, and the state stays as it was', () => {
  const entry = (epoch: number, value: string) => ({ epoch, kind: 'jti', value, expires_at: 4_000_000_000 });

  test('replayed, truncated, of an older epoch, of another incarnation, by another key', async () => {
    const { verifier, refusals, sign, read, issuer } = await forgedFeed();
    const first = await sign({ entries: [entry(10, 'a')] });
    await read(first);
    expect(verifier.state()).toMatchObject({ epoch: 10, revocations: 1, fresh: true });
    const { privateKey } = await generateKeyPair('ES256');
    const forged: Readonly<Record<string, readonly [string, string]>> = {
      truncated: [first.slice(0, -2), 'its signature is wrong'],
      'half of it': [first.slice(0, first.length / 2), 'it is malformed'],
      'older epoch': [await sign({ epoch: 9 }), 'it is older than what is known'],
      'missing epochs': [await sign({ since: 11, epoch: 12 }), 'it leaves out epochs'],
      'another incarnation, continued': [
        await sign({ incarnation: crypto.randomUUID(), since: 10, epoch: 11, issued_at: Date.now() / 1_000 + 1 }),
        'it is of another incarnation and does not begin at the start',
      ],
      'another incarnation, older': [
        await sign({ incarnation: crypto.randomUUID(), issued_at: Date.now() / 1_000 - 5 }),
        'it is of another incarnation and not newer',
      ],
      'another key': [
        await sign({ epoch: 11, since: 10, entries: [entry(11, 'b')] }, privateKey),
        'its signature is wrong',
      ],
      'another issuer': [await sign({ iss: 'https://other.test' }), 'it is of another issuer'],
      'the future': [await sign({ issued_at: Date.now() / 1_000 + 60 }), 'it was issued in the future'],
    };
    for (const [name, [jws, why]] of Object.entries(forged)) {
      await read(jws);
      expect([name, refusals().at(-1)]).toEqual([name, `an answer of the revocation feed was refused: ${why}`]);
      expect([name, verifier.state()]).toMatchObject([name, { epoch: 10, revocations: 1 }]);
    }
    issuer.advance(70);
    await read(first);
    expect(refusals().at(-1)).toMatch(/issued too long ago/);
    expect(verifier.state().fresh).toBe(false);
  });

  test('an answer of 10 MB, without end, and a snapshot of endless parts stop at their bounds', async () => {
    const { verifier, refusals, sign, read } = await forgedFeed();
    await read('x'.repeat(10_000_000));
    expect(refusals().at(-1)).toMatch(/longer than/);
    await read(await sign({ complete: false }), await sign({ complete: false, since: 10 }));
    expect(verifier.state().fresh).toBe(false);
    await read(await sign({ complete: false, epoch: 11, since: 10 }), await sign({ epoch: 12, since: 11 }));
    expect(verifier.state()).toMatchObject({ fresh: true, epoch: 12 });
  });

  test('a key that the feed revoked signs no more answers', async () => {
    const { verifier, refusals, sign, read } = await forgedFeed();
    await read(await sign({ entries: [{ epoch: 10, kind: 'key', value: 'feed', expires_at: 4_000_000_000 }] }));
    await read(await sign({ epoch: 11, since: 10 }));
    expect(refusals().at(-1)).toMatch(/its key is not accepted/);
    expect(verifier.state().epoch).toBe(10);
  });
});
