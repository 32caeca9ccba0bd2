import { compactVerify } from 'jose';
import { fetchText } from './bounded-fetch.ts';
import { type AccessTokenClaims, claimsOf } from './claims.ts';
import { type Refusal, refuse, type VerifierCode, VerifierError } from './codes.ts';
import { checkProof, type Proof, type ProofKeys } from './dpop.ts';
import { decodeBase64url, textOf } from './encoding.ts';
import { createFeedReader } from './feed.ts';
import { createFeedStatus } from './feed-status.ts';
import { LIMITS } from './generated/contract.ts';
import type { KnownKey } from './key-set.ts';
import { createKeyStore } from './key-store.ts';
import { createLegacyTokens } from './legacy-tokens.ts';
import { type Settings, settingsOf, type VerifierOptions } from './options.ts';
import { type ParsedToken, parseToken } from './parse-token.ts';
import { createRevocations } from './revocations.ts';
import { isObject, parseStrictObject } from './strict-json.ts';
import { createVerifiedTokens, type VerifiedToken } from './verified-tokens.ts';
import { verifySignature } from './verify-signature.ts';

/** What one request requires, beside the options of the verifier. */
export type Requirements = {
  /** Every one must be in the token's scope. */
  readonly scopes?: readonly string[];
  /** Every one must be among the token's permissions. */
  readonly permissions?: readonly string[];
  /** The DPoP proof, and the method and URL of the request that it came with (RFC 9449 §7.1). */
  readonly dpop?: { readonly proof: string; readonly method: string; readonly url: string } | undefined;
  /** SHA-256 thumbprint of the client certificate of the connection, base64url (RFC 8705 §3). */
  readonly certificate?: string | undefined;
};

export type Accepted = {
  readonly ok: true;
  readonly code: 'active';
  readonly claims: AccessTokenClaims;
  readonly token: string;
  /** True when the token was accepted by keys or revocations older than allowed (`onStale`). */
  readonly stale: boolean;
  /**
   * The token is one of the old provider (`legacy`); absent for tokens of Sallyport. Its claims are those of that
   * provider, without roles and permissions; only `aud`, `sub` and `exp` are sure.
   */
  readonly issuerKind?: 'legacy';
  /** The proof that came with a bound token. */
  readonly proof?: Proof;
};

export type VerifyResult = Accepted | Refusal;

export type VerifierState = {
  readonly keys: number;
  /** Milliseconds since 1970; null before the first. */
  readonly keysLoadedAtMs: number | null;
  readonly epoch: number;
  readonly incarnation: string | undefined;
  /** Live revocations in memory. */
  readonly revocations: number;
  readonly cachedTokens: number;
  /** Whether tokens can be decided now without `onStale`. */
  readonly fresh: boolean;
};

export type Verifier = {
  /**
   * Verifies an access token. Never rejects: a token that is not accepted is a result with its code. Without I/O while
   * keys and revocations are fresh; only a kid that was never seen may cause one fetch.
   * @example const result = await verifier.verify(token); if (result.ok) use(result.claims.sub);
   */
  verify(token: string, requirements?: Requirements): Promise<VerifyResult>;
  /** Like `verify`, but throws VerifierError. */
  verifyOrThrow(token: string, requirements?: Requirements): Promise<Accepted>;
  /**
   * Begins to read keys and revocations, so that the log says at once if the API refuses the client. `protect` of
   * Fastify and Express does it when the route is set up, and `verify` with the first token. Returns at once.
   */
  start(): void;
  /** Resolves when keys and revocations were read. Throws VerifierError (503) if the API did not give them. */
  ready(): Promise<void>;
  /** Reads keys and revocations as they are now. @returns whether tokens can be decided */
  refresh(): Promise<boolean>;
  state(): VerifierState;
  /** Stops reading the feed. Tokens are verified until their revocations are stale. */
  close(): void;
  readonly settings: Pick<Settings, 'now' | 'clockSkew' | 'requiredScopes'>;
};

/** After a failed attempt to renew, requests do not wait for another one for this long. */
const PATIENCE_MS = 1_000;
const ASYMMETRIC: ReadonlySet<string> = new Set(['RS256', 'ES256', 'EdDSA']);
const THUMBPRINT = /^[\w-]{43}$/;
const NONE: Requirements = {};

const isAccessTokenType = (typ: unknown): boolean =>
  typeof typ === 'string' && /^(?:application\/)?at\+jwt$/i.test(typ);

const names = (audience: AccessTokenClaims['aud'], expected: string): boolean =>
  typeof audience === 'string' ? audience === expected : audience.includes(expected);

const holds = (granted: string | undefined, required: readonly string[]): boolean => {
  if (required.length === 0) return true;
  const scopes = (granted ?? '').split(' ');
  return required.every((scope) => scopes.includes(scope));
};

/** Whether the shared secret signed the token. */
const isAuthentic = (token: string, secret: Uint8Array): Promise<boolean> =>
  compactVerify(token, secret, { algorithms: ['HS256'] }).then(
    () => true,
    () => false,
  );

/**
 * Creates a verifier. One serves a whole process. It begins to read keys and revocations with `start`, `ready` or the
 * first token. Throws TypeError for wrong options.
 * @example const verifier = createVerifier({ issuer: 'https://auth.example', clientId, clientSecret });
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const settings = settingsOf(options);
  const { issuer, audience, algorithms, secrets, clockSkew, feed, onStale, requiredScopes, now } = settings;
  const keys = createKeyStore(settings);
  const revocations = createRevocations(settings, keys);
  const status = createFeedStatus(settings, keys);
  const reader = createFeedReader({ settings, keys, revocations, status });
  const verifiedTokens = createVerifiedTokens(settings.cacheSize);
  const legacy = settings.legacy && createLegacyTokens(settings, settings.legacy, { ours: keys, revocations });
  const proofKeys: ProofKeys = new Map();
  const introspections = new Map<string, Promise<boolean>>();
  /** A verifier of shared secrets without a feed needs no published key. */
  const usesKeys = feed !== 'off' || algorithms.some((name) => ASYMMETRIC.has(name));
  let isStarted = false;
  let lastRenewalEndedMs = Number.NEGATIVE_INFINITY;
  let renewal: Promise<unknown> | undefined;

  const areKeysFresh = (): boolean => !usesKeys || keys.isFresh();
  const areRevocationsFresh = (): boolean => feed === 'off' || revocations.isFresh();
  const staleCode = (): VerifierCode => status.staleCode(areKeysFresh());
  const isFresh = (): boolean => areKeysFresh() && areRevocationsFresh();

  async function readAll(): Promise<void> {
    if (feed === 'file') {
      await reader.readOnce();
      return;
    }
    if (usesKeys) await keys.renew();
    if (feed !== 'off' && keys.isLoaded()) await reader.readOnce();
  }

  /** Reads what is stale. Requests share one attempt, and do not wait for another one directly after it. */
  async function renew(): Promise<void> {
    const passedMs = now() - lastRenewalEndedMs;
    // A clock that was set back must not put off the next attempt.
    if (renewal === undefined && passedMs >= 0 && passedMs < PATIENCE_MS) return;
    renewal ??= (feed !== 'file' && areKeysFresh() ? reader.readOnce() : readAll()).finally(() => {
      renewal = undefined;
      lastRenewalEndedMs = now();
    });
    await renewal;
  }

  function start(): void {
    if (isStarted) return;
    isStarted = true;
    reader.start();
  }

  /** The key of a token, after a fetch if its kid is unknown; or why there is none. */
  async function keyFor({ alg, kid }: ParsedToken): Promise<KnownKey | VerifierCode> {
    let known = keys.find(kid);
    if (known === undefined) {
      if (!usesKeys || feed === 'file') return 'unknown_key';
      const isLacking = await keys.renewForUnknownKid(kid);
      known = keys.find(kid);
      // A key that may just have been published is not known yet, which is no verdict on the token.
      if (known === undefined) return isLacking ? 'unknown_key' : 'key_ring_behind';
    }
    if (known === null || !(algorithms as readonly string[]).includes(known.alg)) return 'unknown_key';
    return alg === known.alg ? known : 'bad_signature';
  }

  /** The key that signed the token; undefined for a shared secret. */
  async function signerOf(token: string, parsed: ParsedToken): Promise<{ key: KnownKey | undefined } | VerifierCode> {
    // A secret is never tried for a published kid, so no public key can be taken for a secret, and no secret for a key.
    const isShared = secrets.length > 0 && !ASYMMETRIC.has(parsed.alg) && keys.find(parsed.kid) === undefined;
    if (isShared) {
      if (parsed.alg !== 'HS256') return 'bad_signature';
      for (const secret of secrets) if (await isAuthentic(token, secret)) return { key: undefined };
      return 'bad_signature';
    }
    const key = await keyFor(parsed);
    if (typeof key === 'string') return key;
    return (await verifySignature(key, parsed)) ? { key } : 'bad_signature';
  }

  /** Verifies what time does not change: form, signature, type and claim types. */
  async function verifyToken(token: string): Promise<VerifiedToken | VerifierCode> {
    const parsed = typeof token !== 'string' ? null : parseToken(token, LIMITS.tokenCharacters);
    if (parsed === null) return 'malformed';
    const signer = await signerOf(token, parsed);
    if (typeof signer === 'string') return signer;
    if (!isAccessTokenType(parsed.typ)) return 'wrong_type';
    const bytes = decodeBase64url(parsed.payload);
    const text = bytes && textOf(bytes);
    const payload = text === null ? null : parseStrictObject(text);
    const claims = payload && claimsOf(payload);
    return claims ? { token, claims, kid: parsed.kid, key: signer.key } : 'malformed';
  }

  /** What may change while the token lives: time and revocations. */
  function objection({ claims, kid }: VerifiedToken): VerifierCode | null {
    if (revocations.isKeyRevoked(kid)) return 'key_compromised';
    if (claims.iss !== issuer) return 'wrong_issuer';
    if (!names(claims.aud, audience)) return 'wrong_audience';
    const seconds = now() / 1_000;
    if (seconds >= claims.exp + clockSkew) return 'expired';
    const latest = seconds + clockSkew;
    if (claims.iat > latest || (claims.nbf !== undefined && claims.nbf > latest)) return 'not_yet_valid';
    return revocations.check(claims);
  }

  /** The proof, when every key that the token is bound to was proved; null when one was not. */
  async function bindingOf(
    { token, claims }: VerifiedToken,
    { dpop, certificate }: Requirements,
  ): Promise<{ proof?: Proof } | null> {
    const { cnf } = claims;
    if (cnf === undefined) return dpop === undefined ? {} : null;
    const { jkt, 'x5t#S256': thumbprint } = cnf;
    if (thumbprint !== undefined && (typeof thumbprint !== 'string' || certificate !== thumbprint)) return null;
    // A token that is bound only by unknown methods is never accepted.
    if (jkt === undefined) return thumbprint === undefined ? null : {};
    if (dpop === undefined || typeof jkt !== 'string' || !THUMBPRINT.test(jkt)) return null;
    const { proof: text, method, url } = dpop;
    const proof = await checkProof(proofKeys, text, { method, url, accessToken: token, now: now() / 1_000, clockSkew });
    return proof?.jkt === jkt ? { proof } : null;
  }

  const isRecallable = (known: VerifiedToken | undefined): known is VerifiedToken =>
    known !== undefined && (known.key === undefined || keys.find(known.kid) === known.key);

  async function decide(token: string, requirements: Requirements, stale: boolean): Promise<VerifyResult> {
    const cached = verifiedTokens.get(token);
    const known = isRecallable(cached) ? cached : undefined;
    if (known === undefined && legacy?.isFor(token))
      return decideLegacy(await legacy.verify(token), requirements, stale);
    const verified = known ?? (await verifyToken(token));
    if (typeof verified === 'string') return refuse(verified);
    const reason = objection(verified);
    if (reason !== null) return refuse(reason);
    const result = await accept(verified, requirements, stale);
    if (result.ok && known === undefined) verifiedTokens.set(verified);
    return result;
  }

  /** The permissions in a token are those of Sallyport; a token of the old provider has none. */
  async function decideLegacy(
    verified: VerifiedToken | VerifierCode,
    { permissions, ...requirements }: Requirements,
    stale: boolean,
  ): Promise<VerifyResult> {
    if (typeof verified === 'string') return refuse(verified);
    const result = await accept(verified, requirements, stale);
    if (!result.ok) return result;
    return permissions?.length ? refuse('permission_missing') : { ...result, issuerKind: 'legacy' };
  }

  /** Checks what the request requires of a verified token. */
  async function accept(verified: VerifiedToken, requirements: Requirements, stale: boolean): Promise<VerifyResult> {
    const { claims, token } = verified;
    const isBound = claims.cnf !== undefined || requirements.dpop !== undefined;
    const binding = isBound ? await bindingOf(verified, requirements) : {};
    if (binding === null) return refuse('binding_mismatch');
    if (!holds(claims.scope, requiredScopes) || !holds(claims.scope, requirements.scopes ?? []))
      return refuse('insufficient_scope');
    const permissions = claims.permissions ?? [];
    if (requirements.permissions?.some((permission) => !permissions.includes(permission)))
      return refuse('permission_missing');
    return { ok: true, code: 'active', claims, token, stale, ...binding };
  }

  /** Asks the API whether the token is active (RFC 7662). Throws when it does not answer. */
  async function ask(token: string): Promise<boolean> {
    const { text } = await fetchText({
      fetch: settings.fetch,
      url: `${settings.api}/oauth2/introspect`,
      init: {
        method: 'POST',
        headers: {
          authorization: settings.authorization as string,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ token }).toString(),
      },
      timeoutMs: settings.timeout * 1_000,
      maximumBytes: LIMITS.introspectionBytes,
    });
    const answer: unknown = JSON.parse(text);
    if (!isObject(answer) || typeof answer.active !== 'boolean') throw new Error('the introspection is malformed');
    return answer.active;
  }

  async function introspect(token: string, accepted: Accepted, code: VerifierCode): Promise<VerifyResult> {
    if (!introspections.has(token)) {
      if (introspections.size >= LIMITS.introspectionsAtOnce) return refuse(code);
      introspections.set(
        token,
        ask(token).finally(() => introspections.delete(token)),
      );
    }
    try {
      return (await introspections.get(token)) ? accepted : refuse('revoked');
    } catch (error) {
      settings.onEvent({ type: 'introspection_failed', error: error as Error });
      return refuse(code);
    }
  }

  async function verifyStale(token: string, requirements: Requirements): Promise<VerifyResult> {
    const code = staleCode();
    // `serve` means by what was known last; before anything was read, nothing is.
    const isUnread = feed !== 'off' && revocations.position().incarnation === undefined;
    if (onStale === 'fail' || (usesKeys && !keys.isLoaded()) || (onStale === 'serve' && isUnread)) return refuse(code);
    const result = await decide(token, requirements, true);
    return result.ok && onStale === 'introspect' ? introspect(token, result, code) : result;
  }

  async function verify(token: string, requirements: Requirements = NONE): Promise<VerifyResult> {
    start();
    if (!isFresh()) {
      await renew();
      if (!isFresh()) return verifyStale(token, requirements);
    }
    if (usesKeys && feed !== 'file') keys.renewWhenDue();
    return decide(token, requirements, false);
  }

  async function refresh(): Promise<boolean> {
    await Promise.all([keys.settled(), reader.settled()]);
    await readAll();
    return isFresh();
  }

  return {
    start,
    verify,
    async verifyOrThrow(token, requirements) {
      const result = await verify(token, requirements);
      if (!result.ok) throw new VerifierError(result);
      return result;
    },
    async ready() {
      start();
      if (!isFresh()) await readAll();
      if (!isFresh()) throw new VerifierError(refuse(staleCode()));
    },
    refresh,
    state() {
      const { keys: count, loadedAtMs } = keys.state();
      const { epoch, incarnation, entries } = revocations.state();
      return {
        keys: count,
        keysLoadedAtMs: loadedAtMs,
        epoch,
        incarnation,
        revocations: entries,
        cachedTokens: verifiedTokens.size,
        fresh: isFresh(),
      };
    },
    close: () => reader.close(),
    settings: { now, clockSkew, requiredScopes },
  };
}
