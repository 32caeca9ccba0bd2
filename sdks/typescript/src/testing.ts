/**
 * A fake issuer for tests: it mints, rotates, revokes and goes stale in memory, without a server.
 * @example
 * const issuer = await createFakeIssuer();
 * const verifier = createVerifier(issuer.options);
 * const token = await issuer.mint({ sub: 'ada' });
 * await issuer.revoke(token);
 * await verifier.refresh();
 * @module
 */
import {
  CompactSign,
  type CryptoKey,
  calculateJwkThumbprint,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JWK,
} from 'jose';
import { bytesOf, sha256 } from './encoding.ts';
import type { Algorithm, VerifierOptions } from './options.ts';

export type FakeIssuerOptions = {
  /** Default: https://auth.test */
  readonly issuer?: string;
  /** Default: https://api.test */
  readonly audience?: string;
  /** Of the keys. HS256 signs access tokens with `secret`. Default: ES256, because its keys are made fast. */
  readonly algorithm?: Algorithm;
  /** Of HS256. */
  readonly secret?: string;
  /** The bound that the feed names, seconds. Default: 2. */
  readonly maxStalenessSeconds?: number;
};

/** One revocation: a token (`jti`), session, family, user, client or key. */
export type FakeRevocation = {
  readonly kind: 'jti' | 'sid' | 'family' | 'user' | 'client' | 'key';
  readonly value: string;
  /** For `user` and `client`: tokens issued with a lower epoch are refused. */
  readonly tokenEpoch?: number;
  readonly reason?: 'refresh_token_reused';
};

/** A client with a DPoP key. */
export type FakeDpopClient = {
  /** SHA-256 thumbprint of its key: mint with `cnf: { jkt }`. */
  readonly jkt: string;
  /** The DPoP header of one request. */
  proof(method: string, url: string, token: string, changes?: Readonly<Record<string, unknown>>): Promise<string>;
};

export type FakeIssuer = {
  /** For `createVerifier`: issuer, audience, client, and a `fetch` and clock that lead here. */
  readonly options: VerifierOptions;
  /** Answers as the API does: JWKS, feed, stream, introspection and API keys. Give it to `createApiKeyVerifier`. */
  readonly fetch: typeof fetch;
  /** An access token of a sign-in that lasts 15 minutes. A claim that is `undefined` is left out. */
  mint(claims?: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): Promise<string>;
  /** An API key that lives 15 minutes. A claim that is `undefined` is left out. */
  createApiKey(claims?: Readonly<Record<string, unknown>>): string;
  /** Revokes an API key. */
  revokeApiKey(key: string): void;
  /** A new key signs from now on; the last ones stay published. @returns its kid */
  rotate(): Promise<string>;
  /** Takes a key out of the key set. */
  retire(kid: string): void;
  /** Revokes a token by its id, or whatever is named. Verifiers learn it with their next answer of the feed. */
  revoke(what: string | FakeRevocation): Promise<void>;
  /** Stops answering: verifiers go stale. */
  goStale(): void;
  /** Answers again. */
  recover(): void;
  /** Becomes a restored database: another incarnation, in which nothing is revoked. */
  restore(): Promise<void>;
  /** Moves the clock of the issuer, and of verifiers with its options. */
  advance(seconds: number): void;
  newDpopClient(): Promise<FakeDpopClient>;
  /** How many requests were answered, by path. */
  readonly requests: ReadonlyMap<string, number>;
};

type FakeKey = { readonly kid: string; readonly privateKey: CryptoKey; readonly jwk: JWK };
type FakeEntry = Readonly<Record<string, unknown>> & {
  readonly epoch: number;
  readonly kind: string;
  readonly value: string;
};

const LIFE_SECONDS = 900;
const LONGEST_LIFE_SECONDS = 3_600;
const HEARTBEAT_MS = 1_000;
const CLIENT = { clientId: 'fake-client', clientSecret: 'fake-secret' };

const json = (body: unknown): Response =>
  new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });

export async function createFakeIssuer({
  issuer = 'https://auth.test',
  audience = 'https://api.test',
  algorithm = 'ES256',
  secret = 'a secret of the fake issuer, long enough for HS256',
  maxStalenessSeconds = 2,
}: FakeIssuerOptions = {}): Promise<FakeIssuer> {
  const keyAlgorithm = algorithm === 'HS256' ? 'ES256' : algorithm;
  const keys: FakeKey[] = [];
  const apiKeys = new Map<string, Readonly<Record<string, unknown>>>();
  const requests = new Map<string, number>();
  const streams = new Set<(jws: string) => void>();
  let offsetMs = 0;
  let isSilent = false;
  let incarnation = crypto.randomUUID();
  let entries: FakeEntry[] = [];
  let epoch = 0;

  const now = (): number => Date.now() + offsetMs;
  const seconds = (): number => Math.floor(now() / 1_000);
  const newest = (): FakeKey => keys.at(-1) as FakeKey;

  async function rotate(): Promise<string> {
    const { publicKey, privateKey } = await generateKeyPair(keyAlgorithm, { extractable: true });
    const kid = crypto.randomUUID();
    keys.push({ kid, privateKey, jwk: { ...(await exportJWK(publicKey)), use: 'sig', alg: keyAlgorithm, kid } });
    return kid;
  }
  await rotate();

  const sign = (payload: object, header: object, key: CryptoKey | Uint8Array): Promise<string> =>
    new CompactSign(bytesOf(JSON.stringify(payload))).setProtectedHeader(header as { alg: string }).sign(key);

  function answer(asked: number, askedOf: string | null): Promise<string> {
    const isKnown = asked <= epoch && (askedOf ?? incarnation) === incarnation;
    const since = isKnown ? asked : 0;
    const payload = {
      iss: issuer,
      incarnation,
      epoch,
      since,
      issued_at: now() / 1_000,
      max_staleness_s: maxStalenessSeconds,
      complete: true,
      entries: entries.filter((entry) => entry.epoch > since),
    };
    return sign(payload, { alg: keyAlgorithm, kid: newest().kid, typ: 'revocations+jwt' }, newest().privateKey);
  }

  const announce = async (): Promise<void> => {
    const jws = await answer(0, null);
    for (const push of streams) push(jws);
  };

  function stream(first: string, signal: AbortSignal | null | undefined): Response {
    let end = (): void => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const push = (jws: string): void => {
          // An answer that was being signed when the stream ended has no reader.
          if (!isSilent && streams.has(push)) controller.enqueue(bytesOf(`event: revocations\ndata: ${jws}\n\n`));
        };
        const timer = setInterval(() => void answer(epoch, incarnation).then(push), HEARTBEAT_MS);
        (timer as { unref?: () => void }).unref?.();
        end = () => {
          clearInterval(timer);
          streams.delete(push);
        };
        signal?.addEventListener('abort', () => {
          end();
          controller.error(signal.reason);
        });
        streams.add(push);
        push(first);
      },
      cancel: () => end(),
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  function isRevoked(token: string): boolean {
    const {
      jti,
      sid,
      fid,
      sub,
      client_id,
      ue = 0,
      ce = 0,
    } = decodeJwt<{ sid?: string; fid?: string; client_id?: string; ue?: number; ce?: number }>(token);
    const named: Readonly<Record<string, unknown>> = { jti, sid, family: fid, user: sub, client: client_id };
    const epochs: Readonly<Record<string, number>> = { user: ue, client: ce };
    return entries.some(
      (entry) =>
        named[entry.kind] === entry.value &&
        (epochs[entry.kind] ?? -1) < ((entry.token_epoch as number | undefined) ?? 0),
    );
  }

  function apiKeyAnswer({ key, audience: asked = audience }: { key: string; audience?: string }): object {
    const claims = apiKeys.get(key);
    if (claims === undefined || (claims.exp as number) <= seconds()) return { active: false, reason: 'invalid' };
    if (!(claims.aud as readonly string[]).includes(asked)) return { active: false, reason: 'wrong_audience' };
    return { active: true, claims };
  }

  const respond: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    requests.set(url.pathname, (requests.get(url.pathname) ?? 0) + 1);
    if (isSilent) throw new TypeError('the fake issuer is silent');
    if (url.pathname === '/.well-known/jwks.json') return json({ keys: keys.map(({ jwk }) => jwk) });
    if (url.pathname === '/v1/api-keys/verify') return json(apiKeyAnswer(JSON.parse(String(init?.body))));
    const headers = new Headers(init?.headers);
    if (headers.get('authorization') !== `Basic ${btoa(`${CLIENT.clientId}:${CLIENT.clientSecret}`)}`)
      return new Response(null, { status: 401 });
    if (url.pathname === '/oauth2/introspect') {
      const token = new URLSearchParams(String(init?.body)).get('token') ?? '';
      return json({ active: !isRevoked(token) });
    }
    if (!url.pathname.startsWith('/v1/revocations')) return new Response(null, { status: 404 });
    const jws = await answer(Number(url.searchParams.get('since') ?? 0), url.searchParams.get('incarnation'));
    return url.pathname.endsWith('/stream') ? stream(jws, init?.signal) : new Response(jws);
  };

  async function revoke(what: string | FakeRevocation): Promise<void> {
    const { kind, value, tokenEpoch, reason } =
      typeof what === 'string' ? ({ kind: 'jti', value: decodeJwt(what).jti as string } as FakeRevocation) : what;
    epoch += 1;
    const expires_at = seconds() + LONGEST_LIFE_SECONDS;
    const token_epoch = kind === 'user' || kind === 'client' ? (tokenEpoch ?? 1) : undefined;
    entries.push({ epoch, kind, value, token_epoch, reason, expires_at });
    await announce();
  }

  return {
    options: {
      issuer,
      audience,
      ...CLIENT,
      ...(algorithm === 'HS256' ? { algorithms: ['HS256'], secret } : { algorithms: [algorithm] }),
      fetch: respond,
      now,
    },
    fetch: respond,
    requests,
    mint(claims = {}, header = {}) {
      const payload = {
        iss: issuer,
        aud: audience,
        sub: 'user-1',
        client_id: 'client-1',
        iat: seconds(),
        exp: seconds() + LIFE_SECONDS,
        jti: crypto.randomUUID(),
        sid: 'session-1',
        fid: 'family-1',
        scope: 'openid',
        permissions: [],
        ue: 0,
        ce: 0,
        ...claims,
      };
      const kid = algorithm === 'HS256' ? 'shared-secret' : newest().kid;
      const key = algorithm === 'HS256' ? bytesOf(secret) : newest().privateKey;
      return sign(payload, { alg: algorithm, kid, typ: 'at+jwt', ...header }, key);
    },
    createApiKey(claims = {}) {
      const key = `sp_ak_${crypto.randomUUID()}`;
      apiKeys.set(key, {
        iss: issuer,
        aud: [audience],
        sub: 'user-1',
        client_id: 'sallyport',
        api_key_id: crypto.randomUUID(),
        exp: seconds() + LIFE_SECONDS,
        scope: '',
        permissions: [],
        ...claims,
      });
      return key;
    },
    revokeApiKey(key) {
      apiKeys.delete(key);
    },
    rotate,
    retire(kid) {
      const at = keys.findIndex((key) => key.kid === kid);
      if (at < 0 || keys.length === 1) throw new Error('there is no such key, or it is the last');
      keys.splice(at, 1);
    },
    revoke,
    goStale() {
      isSilent = true;
    },
    recover() {
      isSilent = false;
    },
    async restore() {
      incarnation = crypto.randomUUID();
      entries = [];
      epoch = 0;
      await announce();
    },
    advance(by) {
      offsetMs += by * 1_000;
    },
    async newDpopClient() {
      const { publicKey, privateKey } = await generateKeyPair('ES256');
      const jwk = await exportJWK(publicKey);
      return {
        jkt: await calculateJwkThumbprint(jwk),
        proof: async (method, url, token, changes = {}) =>
          sign(
            {
              jti: crypto.randomUUID(),
              htm: method,
              htu: url,
              iat: seconds(),
              ath: await sha256(bytesOf(token)),
              ...changes,
            },
            { typ: 'dpop+jwt', alg: 'ES256', jwk },
            privateKey,
          ),
      };
    },
  };
}
