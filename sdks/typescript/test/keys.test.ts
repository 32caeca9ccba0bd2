import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { createVerifier, type Verifier, type VerifierEvent, type VerifierOptions } from '../src/index.ts';
import { createFakeIssuer, type FakeIssuer } from '../src/testing.ts';

type Answer = (url: string) => Response | undefined | Promise<Response | undefined>;

/** A verifier without a feed, whose requests go to `answer` first, and then to the issuer. */
function verifierOf(issuer: FakeIssuer, answer: Answer = () => undefined, changes: Partial<VerifierOptions> = {}) {
  const events: VerifierEvent[] = [];
  const verifier = createVerifier({
    ...issuer.options,
    feed: 'off',
    fetch: async (input, init) => (await answer(String(input))) ?? issuer.fetch(input, init),
    onEvent: (event) => events.push(event),
    ...changes,
  });
  const failures = (): string[] =>
    events.flatMap((event) => (event.type === 'keys_failed' ? [event.error.message] : []));
  return { verifier, failures };
}

const codeOf = async (verifier: Verifier, token: string): Promise<string> => (await verifier.verify(token)).code;
const keySet = (keys: readonly unknown[]): Response => new Response(JSON.stringify({ keys }));
const publicJwk = async (kid: string): Promise<JWK> => ({
  ...(await exportJWK((await generateKeyPair('ES256')).publicKey)),
  kid,
  alg: 'ES256',
  use: 'sig',
});
const fetches = (issuer: FakeIssuer): number => issuer.requests.get('/.well-known/jwks.json') ?? 0;

describe('the key set', () => {
  test('a thousand first tokens share one fetch, and later ones cause none', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    const token = await issuer.mint();
    const codes = await Promise.all(Array.from({ length: 1_000 }, () => codeOf(verifier, token)));
    expect(new Set(codes)).toEqual(new Set(['active']));
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    expect(fetches(issuer)).toBe(1);
  });

  test('a new kid is fetched at once, and unknown kids cause one fetch in each cool-down', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    await issuer.rotate();
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    expect(fetches(issuer)).toBe(2);
    const forged = await Promise.all(Array.from({ length: 50 }, (_, at) => issuer.mint({}, { kid: `made-up-${at}` })));
    expect(new Set(await Promise.all(forged.map((token) => codeOf(verifier, token))))).toEqual(
      new Set(['key_ring_behind']),
    );
    expect(fetches(issuer)).toBe(2);
    issuer.advance(11);
    const codes: string[] = [];
    for (const token of forged) codes.push(await codeOf(verifier, token));
    // Only the first was asked for; nothing is known of the others yet.
    expect(codes).toEqual(['unknown_key', ...Array.from({ length: 49 }, () => 'key_ring_behind')]);
    expect(fetches(issuer)).toBe(3);
  });

  test('keys that cannot be renewed serve until maxStale, and not longer', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer, undefined, { jwksTtl: 300, maxStale: 60 });
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    issuer.goStale();
    issuer.advance(359);
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    issuer.advance(2);
    expect(await verifier.verify(await issuer.mint())).toMatchObject({
      ok: false,
      code: 'key_ring_behind',
      status: 503,
      retryable: true,
    });
    issuer.recover();
    issuer.advance(31);
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
  });

  test('with onStale serve, the last known keys serve on, and the result says so', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer, undefined, { onStale: 'serve' });
    expect(await verifier.verify(await issuer.mint())).toMatchObject({ ok: true, stale: false });
    issuer.goStale();
    issuer.advance(3_600);
    expect(await verifier.verify(await issuer.mint())).toMatchObject({ ok: true, stale: true });
    const cold = verifierOf(issuer, undefined, { onStale: 'serve' });
    expect(await codeOf(cold.verifier, await issuer.mint())).toBe('key_ring_behind');
  });

  test('an unknown kid while the set cannot be fetched is no verdict on the token', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    await verifier.ready();
    issuer.goStale();
    await issuer.rotate();
    expect(await codeOf(verifier, await issuer.mint())).toBe('key_ring_behind');
    issuer.recover();
    issuer.advance(11);
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
  });

  test('Cache-Control shortens the time for which keys are used', async () => {
    const issuer = await createFakeIssuer();
    let served = 0;
    const { verifier } = verifierOf(issuer, async (url) => {
      if (!url.endsWith('jwks.json')) return undefined;
      served += 1;
      const body = await (await issuer.fetch(url)).text();
      return new Response(body, { headers: { 'cache-control': 'public, max-age=20' } });
    });
    await verifier.ready();
    issuer.advance(19);
    await verifier.verify(await issuer.mint());
    expect(served).toBe(1);
    issuer.advance(2);
    await verifier.verify(await issuer.mint());
    await expect.poll(() => served).toBe(2);
  });

  test('a retired key verifies nothing once the set was read again, cached tokens included', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    const token = await issuer.mint();
    expect(await codeOf(verifier, token)).toBe('active');
    const { kid } = JSON.parse(atob((token.split('.')[0] as string).replaceAll('-', '+').replaceAll('_', '/'))) as {
      kid: string;
    };
    await issuer.rotate();
    issuer.retire(kid);
    expect(await codeOf(verifier, token)).toBe('active');
    await verifier.refresh();
    expect(await codeOf(verifier, token)).toBe('unknown_key');
  });

  test('a clock that is set back does not keep a new key from being fetched', async () => {
    const issuer = await createFakeIssuer();
    let setBackMs = 0;
    const { verifier } = verifierOf(issuer, undefined, { now: () => Date.now() - setBackMs });
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    await issuer.rotate();
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    await issuer.rotate();
    setBackMs = 3_600_000;
    const iat = Math.floor((Date.now() - setBackMs) / 1_000);
    expect(await codeOf(verifier, await issuer.mint({ iat }))).toBe('active');
  });

  test('a clock that is set back after a failed fetch does not put off the next one', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer);
    issuer.goStale();
    expect(await codeOf(verifier, await issuer.mint())).toBe('key_ring_behind');
    issuer.recover();
    issuer.advance(-3_600);
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
  });

  test('a rotation every second under load refuses no valid token', async () => {
    const issuer = await createFakeIssuer();
    const { verifier } = verifierOf(issuer, undefined, { jwksCooldown: 0 });
    for (let second = 0; second < 30; second += 1) {
      await issuer.rotate();
      const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.mint()));
      const codes = await Promise.all(tokens.map((token) => codeOf(verifier, token)));
      expect(new Set(codes)).toEqual(new Set(['active']));
      issuer.advance(1);
    }
  });
});

describe('a hostile key set', () => {
  const answers: Readonly<Record<string, () => Response | Promise<Response>>> = {
    'status 500': () => new Response('oops', { status: 500 }),
    'a redirect': () =>
      new Response(null, { status: 302, headers: { location: 'https://attacker.example/jwks.json' } }),
    '10 MB': async () => new Response(JSON.stringify({ keys: [await publicJwk('a')], filler: 'x'.repeat(10_000_000) })),
    'no end': () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)) })),
    'no answer': () => new Promise(() => {}),
    'a body that stops': () =>
      new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode('{"keys":[')) })),
    'no JSON': () => new Response('<html>'),
    'a list': () => new Response('[]'),
    'no keys': () => keySet([]),
    'keys that are no objects': () => keySet([null, 1, 'x', []]),
    'a symmetric key': async () =>
      keySet([await publicJwk('a'), { kty: 'oct', k: 'c2VjcmV0', kid: 'b', alg: 'HS256' }]),
    'a private key beside others': async () => {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true });
      return keySet([await publicJwk('a'), { ...(await exportJWK(privateKey)), kid: 'b', alg: 'ES256' }]);
    },
    'two keys of one kid': async () => keySet([await publicJwk('a'), await publicJwk('a')]),
    '101 keys': async () =>
      keySet([await publicJwk('a'), ...Array.from({ length: 100 }, (_, at) => ({ kty: 'EC', kid: `${at}` }))]),
    'a packed set': async () =>
      new Response((await keySet([await publicJwk('a')])).body, { headers: { 'content-encoding': 'br' } }),
    'a key off the curve': () =>
      keySet([{ kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43), kid: 'a', alg: 'ES256' }]),
  };

  test.each(Object.entries(answers))(
    '%s: the last good keys serve on, and a new verifier answers 503 soon',
    async (_name, answer) => {
      const issuer = await createFakeIssuer();
      let isHostile = false;
      const { verifier, failures } = verifierOf(
        issuer,
        (url) => (isHostile && url.endsWith('jwks.json') ? answer() : undefined),
        { timeout: 0.2 },
      );
      const token = await issuer.mint();
      await verifier.ready();
      isHostile = true;
      await verifier.refresh();
      expect(failures()).toHaveLength(1);
      expect(await codeOf(verifier, token)).toBe('active');
      const cold = verifierOf(issuer, (url) => (url.endsWith('jwks.json') ? answer() : undefined), { timeout: 0.2 });
      const startedMs = performance.now();
      expect(await codeOf(cold.verifier, token)).toBe('key_ring_behind');
      expect(performance.now() - startedMs).toBeLessThan(5_000);
    },
  );

  test('an event names the fault, and contains neither body nor secret', async () => {
    const issuer = await createFakeIssuer();
    const { verifier, failures } = verifierOf(issuer, (url) =>
      url.endsWith('jwks.json') ? new Response('private-text', { status: 500 }) : undefined,
    );
    await verifier.refresh();
    expect(failures()).toEqual(['/.well-known/jwks.json answered 500']);
  });
});
