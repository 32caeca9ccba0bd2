import fastify from 'fastify';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { protect } from '../src/fastify.ts';
import { CODES, LOGS } from '../src/generated/contract.ts';
import { authenticate, CODES as PUBLIC_CODES, type VerifierOptions, writeFeedFile } from '../src/index.ts';
import { createFakeIssuer, type FakeIssuer } from '../src/testing.ts';
import { verifierOf } from './feed-harness.ts';

const WRONG_SECRET = { clientSecret: 'wrong' };
const REFUSED = LOGS.refused.replace('{reason}', '/v1/revocations answered 401');

/** A verifier that polls often, and the lines of its log. */
function logged(issuer: FakeIssuer, changes: Partial<VerifierOptions> = {}) {
  const lines: string[] = [];
  const { verifier } = verifierOf(issuer, { feedInterval: 0.05, log: (line) => lines.push(line), ...changes });
  return { verifier, lines };
}

type Api = { status: number | undefined; readonly fetch: typeof fetch };

/** The issuer, as an API that answers the feed in another way while `status` is set. */
function answering(issuer: FakeIssuer): Api {
  const api: Api = {
    status: undefined,
    fetch: async (input, init) =>
      api.status !== undefined && String(input).includes('/v1/revocations')
        ? new Response(null, { status: api.status })
        : issuer.fetch(input, init),
  };
  return api;
}

const polled = async (issuer: FakeIssuer, times: number): Promise<void> => {
  const from = issuer.requests.get('/v1/revocations') ?? 0;
  await expect.poll(() => issuer.requests.get('/v1/revocations') ?? 0).toBeGreaterThanOrEqual(from + times);
};

describe('a verifier whose client the API refuses', () => {
  test('answers client_refused with the fix, and logs it once however often it reads', async () => {
    const issuer = await createFakeIssuer();
    const { verifier, lines } = logged(issuer, WRONG_SECRET);
    const authorization = `Bearer ${await issuer.mint()}`;
    const result = await authenticate(verifier, { method: 'GET', url: 'https://tasks.test/', authorization });
    expect(result.ok ? undefined : result.response).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: { code: 'client_refused', fix: CODES.client_refused.fix, retryable: true },
    });
    expect(JSON.stringify(result)).not.toMatch(/PostgreSQL/);
    await polled(issuer, 3);
    expect(lines).toEqual([REFUSED]);
  });

  test('says so at the start, by ready and by the route that it protects', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = logged(issuer, WRONG_SECRET);
    await expect(verifier.ready()).rejects.toMatchObject({
      code: 'client_refused',
      message: expect.stringContaining(PUBLIC_CODES.client_refused.fix),
    });
    const { verifier: another, lines } = logged(issuer, WRONG_SECRET);
    fastify().get('/', { onRequest: protect(another) }, () => 'no request is sent');
    await expect.poll(() => lines).toEqual([REFUSED]);
  });

  test('logs to the console unless the option log takes the lines', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    const issuer = await createFakeIssuer();
    await verifierOf(issuer, WRONG_SECRET).verifier.refresh();
    await verifierOf(issuer, { ...WRONG_SECRET, log: () => {} }).verifier.refresh();
    expect(warn.mock.calls).toEqual([[REFUSED]]);
  });

  test('accepts tokens until its revocations are stale, and logs when the client is accepted again', async () => {
    const issuer = await createFakeIssuer();
    const api = answering(issuer);
    const { verifier, lines } = logged(issuer, { fetch: api.fetch, feedInterval: 60 });
    const token = await issuer.mint();
    await verifier.ready();
    api.status = 403;
    await verifier.refresh();
    expect(lines).toEqual([LOGS.refused.replace('{reason}', '/v1/revocations answered 403')]);
    expect((await verifier.verify(token)).code).toBe('active');
    issuer.advance(70);
    expect((await verifier.verify(token)).code).toBe('client_refused');
    // An API that is down says nothing new about the client.
    api.status = 500;
    await verifier.refresh();
    expect((await verifier.verify(token)).code).toBe('client_refused');
    api.status = undefined;
    await verifier.refresh();
    expect((await verifier.verify(token)).code).toBe('active');
    expect(lines.slice(1)).toEqual([LOGS.back]);
  });

  test('writes no feed file, and logs it once', async () => {
    const issuer = await createFakeIssuer();
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const feedFile = '/nowhere/feed.json';
    const writer = writeFeedFile({ ...issuer.options, ...WRONG_SECRET, feedFile, feedInterval: 0.05, log });
    await expect(writer.ready()).rejects.toThrow(/could not be written/);
    await polled(issuer, 3);
    writer.close();
    expect(lines).toEqual([REFUSED]);
  });
});

describe('a verifier that cannot read', () => {
  const STALE = /^Sallyport verifier: revocation_state_stale: \S/;
  const stale = (code: string, reason: string): string =>
    LOGS.stale.replace('{code}', code).replace('{reason}', reason);

  test.each(['poll', 'sse'] as const)(
    'by %s logs once when revocations are stale, and once when they are back',
    async (feed) => {
      const issuer = await createFakeIssuer({ maxStalenessSeconds: 0.2 });
      const { verifier, lines } = logged(issuer, { feed, maxStale: 0, timeout: 0.2 });
      await verifier.ready();
      issuer.goStale();
      issuer.advance(10);
      await verifier.verify(await issuer.mint());
      await expect.poll(() => lines).toEqual([expect.stringMatching(STALE)]);
      issuer.recover();
      await expect.poll(() => lines.slice(1), { timeout: 8_000 }).toEqual([LOGS.back]);
    },
  );

  test('names the key set when that is what it refuses', async () => {
    const issuer = await createFakeIssuer();
    const shared = { keys: [{ kty: 'oct', kid: 'a', k: 'c2VjcmV0' }] };
    const { verifier, lines } = logged(issuer, {
      fetch: async (input, init) =>
        String(input).endsWith('/jwks.json') ? Response.json(shared) : issuer.fetch(input, init),
    });
    expect((await verifier.verify(await issuer.mint())).code).toBe('key_ring_behind');
    await polled(issuer, 2);
    const reason = 'the key set was refused: it contains a private or symmetric key';
    expect(lines).toEqual([stale('key_ring_behind', reason)]);
  });

  test('logs nothing while all is well, nor after it was closed', async () => {
    const issuer = await createFakeIssuer();
    const { verifier, lines } = logged(issuer);
    await verifier.ready();
    await polled(issuer, 2);
    verifier.close();
    issuer.goStale();
    issuer.advance(100);
    await verifier.verify(await issuer.mint());
    expect(lines).toEqual([]);
  });
});
