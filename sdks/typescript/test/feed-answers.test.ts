import { setTimeout as sleep } from 'node:timers/promises';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../src/generated/contract.ts';
import type { VerifierOptions } from '../src/index.ts';
import { createFakeIssuer } from '../src/testing.ts';
import { verifierOf } from './feed-harness.ts';

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
    await expect(verifier.ready()).rejects.toMatchObject({ code: 'revocation_state_stale' });
    expect(seen.parts).toBeLessThan(LIMITS.feedParts);
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
