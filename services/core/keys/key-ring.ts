import type { keySettings } from '#services/platform/config/keys.ts';
import type { SettingsOf } from '#services/platform/define/setting.ts';
import type { VerificationKey } from '../jws/verify-signature.ts';
import type { Ports } from '../ports.ts';
import { createSingleFlight } from '../shared/single-flight.ts';
import type { AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { createDatabaseClock } from './database-clock.ts';
import { signingUnavailable } from './errors.ts';
import { type KeySet, makeKeySet } from './key-set.ts';
import { defaultAlgorithmOf, signedAlgorithms } from './key-timeline.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import { type KeyRow, readKeys, readSecrets, readVersion } from './keys.store.ts';
import { noKeys, type OpenKeys, openKeys, type Signer } from './open-keys.ts';
import { openServerSecrets, type ServerSecretPurpose, type ServerSecrets } from './secrets/server-secrets.ts';
import { chooseSigner, createSign, type SignerNeeds, signingInput } from './sign.ts';

export type KeyRingSettings = Pick<
  SettingsOf<typeof keySettings>,
  'algorithm' | 'jwksMaxAgeSeconds' | 'ringBoundSeconds'
>;

type JwksAnswer = {
  /** `{"keys":[…]}`, public members only. */
  readonly body: string;
  readonly etag: string;
  /** Jittered, and shorter by the ring's age: no verifier ever uses an older key set than the setting allows. */
  readonly maxAgeSeconds: number;
};

export type SignOptions = {
  readonly audience?: string | undefined;
  /** The algorithm that the client is registered for; left out: the default. */
  readonly algorithm?: AsymmetricAlgorithm | undefined;
};

type MessageKey = { readonly kid: string; readonly alg: AsymmetricAlgorithm };

/** What could be the signing input of a JWS (RFC 7515 §5.1), and so become a token. */
const JWS_INPUT = /^[\w.-]*$/;

/** This copy's keys, in memory. Nothing but `load` does I/O. */
export type KeyRing = {
  /** Reads everything from Postgres; calls during a load share the next one. Throws KeyMaterialError, storeUnavailable. */
  load(): Promise<void>;
  /**
   * Reports the version and the clock that the state poll read from the database. True: the ring is as fresh as the
   * poll, sent at `sentAtMs` (`clock.monotonic()`). False: call `load`.
   */
  confirm(version: number, sentAtMs?: number, databaseNowMs?: number): boolean;
  /** The key of a kid, or undefined for one never known or already retired. A Map lookup, because the kid may be any string. */
  find(kid: string): { readonly key: VerificationKey; readonly compromised: boolean } | undefined;
  /**
   * Signs a compact JWS (RFC 7515 §7.1) with the key whose range is current. HS256 mode signs `at+jwt` with the
   * audience's shared secret; a client's own algorithm takes precedence over it. Rejects with `signingUnavailable`
   * (503), also for a token that outlives its key, and where no key of the client's algorithm signs that can be trusted.
   */
  sign(header: { readonly typ: string }, claims: object, options?: SignOptions): Promise<string>;
  /**
   * Signs text that is no JWS, such as a signature base (RFC 9421 §2.5), with the asymmetric key that signs tokens.
   * `write` gets the key's id and algorithm. Rejects with `signingUnavailable` (503).
   */
  signMessage(write: (key: MessageKey) => string): Promise<MessageKey & { readonly signature: Buffer }>;
  /** Throws `signingUnavailable` (503) where `sign` would: call it before committing something that needs a signature. */
  assertSigns(header: { readonly typ: string }, options: SignOptions): void;
  /** The algorithms that a client can be registered for. */
  signedAlgorithms(): readonly AsymmetricAlgorithm[];
  jwks(): JwksAnswer;
  /** The newest active version. */
  secret(purpose: ServerSecretPurpose): { readonly version: number; readonly key: Buffer };
  /** Undefined for a version that never existed or is already destroyed. */
  secretVersion(purpose: ServerSecretPurpose, version: number): Buffer | undefined;
  list(): KeyView[];
  /** Whether this copy's clock is within 5 s of the database's; if not, it cannot decide which tokens have expired. */
  isClockRight(): boolean;
  /** Whether the database was queried at or after this monotonic time, and the result is loaded. */
  isConfirmedSince(monotonicMs: number): boolean;
  /** Whether this copy may sign: ring within its bound, clock within 5 s of the database's. */
  isFresh(): boolean;
  state(): { readonly ageMs: number; readonly clockOffsetMs: number; readonly version: number };
};

export type HasKeyRing = { readonly keyRing: KeyRing };

type Loaded = {
  readonly version: number;
  readonly rows: readonly KeyRow[];
  readonly keys: OpenKeys;
  readonly secrets: ServerSecrets;
};

const unavailable = (retryAfterSeconds: number, detail: string) => signingUnavailable({ retryAfterSeconds, detail });

/** @param ports `isKeyRevoked`: whether the revocation feed names a key; a process without a feed leaves it out */
export function createKeyRing(
  ports: Pick<Ports, 'sql' | 'vault' | 'clock' | 'random'> & { readonly isKeyRevoked?: (kid: string) => boolean },
  settings: KeyRingSettings,
): KeyRing {
  const { clock, vault, sql, isKeyRevoked } = ports;
  const signJws = createSign();
  const { hear, databaseNow, offsetMs, isRight: isClockRight } = createDatabaseClock(clock);
  const boundMs = settings.ringBoundSeconds * 1_000;
  const defaultPolicy = { algorithm: defaultAlgorithmOf(settings.algorithm) };
  let loaded: Loaded | undefined;
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let keySet: KeySet | undefined;

  const ageMs = (): number => clock.monotonic() - confirmedAt;
  const required = (): Loaded => {
    if (!loaded) throw unavailable(1, 'The key ring is not loaded yet.');
    return loaded;
  };

  // Callers share the next load: the one in flight may have read before the change that they need to see.
  const loads = createSingleFlight<void>(async () => {
    const sentAtMs = clock.monotonic();
    const { version, now } = await readVersion(sql);
    hear(now, sentAtMs);
    const rows = await readKeys(sql);
    const secrets = openServerSecrets(vault, await readSecrets(sql), loaded?.secrets);
    loaded = { version, rows, keys: openKeys(vault, rows, now, loaded?.keys ?? noKeys), secrets };
    keySet = undefined;
    confirmedAt = sentAtMs;
  });

  function signerNow(needs: SignerNeeds, nowMs: number): Signer {
    const { keys } = required();
    if (ageMs() > boundMs) throw unavailable(1, 'The key ring is older than its bound.');
    if (!isClockRight()) throw unavailable(5, 'The clock differs too much from the database.');
    const signer = chooseSigner(keys, settings.algorithm, needs, nowMs);
    // The feed names a compromised key before its replacement is loaded: every copy would refuse what it signed.
    if (signer && isKeyRevoked?.(signer.row.kid))
      throw unavailable(1, 'The replacement of a compromised key is not loaded yet.');
    if (signer) return signer;
    if (needs.algorithm === undefined) throw unavailable(1, 'No key signs at this moment.');
    throw unavailable(60, `The client is registered for ${needs.algorithm}, and no ${needs.algorithm} key signs here.`);
  }

  function signNow(typ: string, claims: object, { audience, algorithm }: SignOptions): Promise<string> {
    const nowMs = clock.now();
    const { aud } = claims as { readonly aud?: unknown };
    const signer = signerNow({ typ, audience: audience ?? aud, algorithm }, nowMs);
    return signJws(signingInput(signer, typ, claims, nowMs), signer.row.alg, signer.key);
  }

  return {
    load: loads.run,
    confirm(version, sentAtMs = clock.monotonic(), databaseNowMs) {
      if (databaseNowMs !== undefined) hear(databaseNowMs, sentAtMs);
      if (loaded?.version !== version) return false;
      confirmedAt = Math.max(confirmedAt, sentAtMs);
      return true;
    },
    find(kid) {
      const known = loaded?.keys.verifiers.get(kid);
      return known !== undefined && databaseNow() < known.until ? known : undefined;
    },
    sign(header, claims, options = {}) {
      try {
        return signNow(header.typ, claims, options);
      } catch (err) {
        const isTooLong = err instanceof RangeError;
        return Promise.reject(isTooLong ? signingUnavailable({ retryAfterSeconds: 1, cause: err }) : err);
      }
    },
    async signMessage(write) {
      const { row, key } = signerNow({ typ: '', audience: undefined, algorithm: undefined }, clock.now());
      const signing = { kid: row.kid, alg: row.alg as AsymmetricAlgorithm };
      const text = write(signing);
      if (JWS_INPUT.test(text)) throw new Error('a message must not be the signing input of a JWS');
      const signed = await signJws(text, row.alg, key);
      return { ...signing, signature: Buffer.from(signed.slice(text.length + 1), 'base64url') };
    },
    assertSigns: ({ typ }, { audience, algorithm }) => void signerNow({ typ, audience, algorithm }, clock.now()),
    signedAlgorithms: () => signedAlgorithms(required().rows, defaultPolicy, databaseNow()),
    jwks() {
      const state = required();
      const nowMs = databaseNow();
      if (keySet === undefined || nowMs >= keySet.until) keySet = makeKeySet(state.rows, nowMs);
      const allowed = Math.max(0, settings.jwksMaxAgeSeconds - ageMs() / 1_000);
      // Spreads requests, so that caches do not expire in the same second.
      const jitter = 0.8 + 0.2 * (ports.random.bytes(1)[0]! / 255);
      return { body: keySet.body, etag: keySet.etag, maxAgeSeconds: Math.floor(allowed * jitter) };
    },
    secret: (purpose) => required().secrets.newest(purpose, databaseNow()),
    secretVersion: (purpose, version) => required().secrets.version(purpose, version),
    list: () => required().rows.map((row) => keyViewOf(row, databaseNow())),
    isClockRight,
    isConfirmedSince: (monotonicMs) => confirmedAt >= monotonicMs,
    isFresh: () => loaded !== undefined && ageMs() <= boundMs && isClockRight(),
    state: () => ({ ageMs: ageMs(), clockOffsetMs: offsetMs(), version: loaded?.version ?? -1 }),
  };
}
