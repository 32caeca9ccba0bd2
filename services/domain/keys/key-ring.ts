import { createHash } from 'node:crypto';
import type { keySettings } from '../../platform/config/keys.ts';
import type { SettingsOf } from '../../platform/define/setting.ts';
import type { Ports } from '../ports.ts';
import { signingUnavailable } from './errors.ts';
import { publicJwkOf, type VerificationKey } from './key-material.ts';
import { ACCESS_PURPOSE, CLOCK_BOUND_SECONDS, isPublished, sharedSecretPurpose } from './key-timeline.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import { type KeyRow, readKeys, readSecrets, readVersion } from './keys.store.ts';
import { noKeys, type OpenKeys, openKeys, type Signer, signerAt } from './open-keys.ts';
import { openServerSecrets, type ServerSecretPurpose, type ServerSecrets } from './server-secrets.ts';
import { createSigningLanes } from './signing-lanes.ts';

export type KeyRingSettings = Pick<
  SettingsOf<typeof keySettings>,
  'algorithm' | 'jwksMaxAgeSeconds' | 'ringBoundSeconds'
>;

type JwksAnswer = {
  /** `{"keys":[…]}`, public members only. */
  readonly body: string;
  readonly etag: string;
  /** Jittered, and shorter by the ring's own age: no verifier ever holds an older key set than the setting allows. */
  readonly maxAgeSeconds: number;
};

/** This copy's keys, in memory. Nothing but `load` does I/O. */
export type KeyRing = {
  /** Reads everything from Postgres; calls while one runs share one more. Throws KeyMaterialError, storeUnavailable. */
  load(): Promise<void>;
  /**
   * The state poll saw this version and this clock of the database. True: the ring is as old as the poll's sending,
   * `clock.monotonic()` at `sentAtMs`. False: call `load`.
   */
  confirm(version: number, sentAtMs?: number, databaseNowMs?: number): boolean;
  /** The key of a kid, or undefined for one never known or already retired. A Map lookup: kid may be anything. */
  find(kid: string): { readonly key: VerificationKey; readonly compromised: boolean } | undefined;
  /**
   * A compact JWS (RFC 7515 §7.1) by the key whose range holds now. HS256 mode signs `at+jwt` with the audience's
   * shared secret. Rejects with `signingUnavailable` (503), and with RangeError for a token that outlives its key.
   */
  sign(header: { readonly typ: string }, claims: object, options?: { readonly audience?: string }): Promise<string>;
  jwks(): JwksAnswer;
  /** The newest active version. */
  secret(purpose: ServerSecretPurpose): { readonly version: number; readonly key: Buffer };
  /** Undefined for a version never made or already destroyed. */
  secretVersion(purpose: ServerSecretPurpose, version: number): Buffer | undefined;
  list(): KeyView[];
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

type ClockReading = {
  /** Wall clock minus the database's. */
  readonly offsetMs: number;
  /** Wall clock minus monotonic clock at that time: a later step of the wall clock shows as a difference. */
  readonly wallBaseMs: number;
};

const TYPS_KEPT = 16;
const SHARED_SECRET_TYP = 'at+jwt';

const encode = (text: string): string => Buffer.from(text).toString('base64url');

function headerOf(signer: Signer, typ: string): string {
  const known = signer.headers.get(typ);
  if (known !== undefined) return known;
  const made = `${encode(JSON.stringify({ alg: signer.row.alg, kid: signer.row.kid, typ }))}.`;
  if (signer.headers.size < TYPS_KEPT) signer.headers.set(typ, made);
  return made;
}

export function createKeyRing(
  ports: Pick<Ports, 'sql' | 'vault' | 'clock' | 'random'>,
  settings: KeyRingSettings,
): KeyRing {
  const { clock, vault, sql } = ports;
  const lanes = createSigningLanes();
  const boundMs = settings.ringBoundSeconds * 1_000;
  let loaded: Loaded | undefined;
  let reading: ClockReading = { offsetMs: 0, wallBaseMs: clock.now() - clock.monotonic() };
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let keySet: { readonly body: string; readonly etag: string; readonly until: number } | undefined;

  const required = (): Loaded => {
    if (!loaded) throw signingUnavailable({ retryAfterSeconds: 1, detail: 'The key ring is not loaded yet.' });
    return loaded;
  };

  /** The database's clock was read between `sentAtMs` (monotonic) and now. A slow answer is no offset. */
  function readClock(databaseNowMs: number, sentAtMs: number): void {
    const wall = clock.now();
    const monotonic = clock.monotonic();
    const sentWall = wall - (monotonic - sentAtMs);
    const offsetMs = databaseNowMs < sentWall ? sentWall - databaseNowMs : Math.min(0, wall - databaseNowMs);
    reading = { offsetMs, wallBaseMs: wall - monotonic };
  }

  async function read(): Promise<void> {
    const sentAtMs = clock.monotonic();
    const { version, now } = await readVersion(sql);
    readClock(now, sentAtMs);
    const rows = await readKeys(sql);
    const secrets = openServerSecrets(vault, await readSecrets(sql), loaded?.secrets);
    loaded = { version, rows, keys: openKeys(vault, rows, now, loaded?.keys ?? noKeys), secrets };
    keySet = undefined;
    confirmedAt = sentAtMs;
  }

  function load(): Promise<void> {
    if (!running) {
      running = read().finally(() => {
        running = undefined;
      });
      return running;
    }
    // What runs may have read before the change that this call is about.
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        return load();
      });
    return next;
  }

  const clockOffsetMs = (): number => reading.offsetMs + (clock.now() - clock.monotonic() - reading.wallBaseMs);
  const isClockRight = (): boolean => Math.abs(clockOffsetMs()) <= CLOCK_BOUND_SECONDS * 1_000;
  const ageMs = (): number => clock.monotonic() - confirmedAt;

  function chooseSigner({ keys }: Loaded, typ: string, audience: unknown, nowMs: number): Signer | undefined {
    if (settings.algorithm === 'HS256' && typ === SHARED_SECRET_TYP && typeof audience === 'string') {
      const shared = signerAt(keys, sharedSecretPurpose(audience), nowMs);
      if (shared) return shared;
    }
    return signerAt(keys, ACCESS_PURPOSE, nowMs);
  }

  function signNow(typ: string, claims: object, audience: string | undefined): Promise<string> {
    const state = required();
    if (ageMs() > boundMs)
      throw signingUnavailable({ retryAfterSeconds: 1, detail: 'The key ring is older than its bound.' });
    if (!isClockRight())
      throw signingUnavailable({ retryAfterSeconds: 5, detail: 'The clock is too far from the database.' });
    const nowMs = clock.now();
    const { aud, exp } = claims as { readonly aud?: unknown; readonly exp?: unknown };
    const signer = chooseSigner(state, typ, audience ?? aud, nowMs);
    if (!signer) throw signingUnavailable({ retryAfterSeconds: 1, detail: 'No key signs at this moment.' });
    const longest = nowMs / 1_000 + signer.row.longestTokenSeconds;
    // The key would leave the key set before this token expires.
    if (typeof exp === 'number' && exp > longest + 1)
      throw new RangeError(
        `a token of ${Math.ceil(exp - nowMs / 1_000)} s outlives its key's ${signer.row.longestTokenSeconds} s`,
      );
    return lanes.sign(headerOf(signer, typ) + encode(JSON.stringify(claims)), signer.row.alg, signer.key);
  }

  function makeKeySet(state: Loaded, nowMs: number): NonNullable<typeof keySet> {
    const published = state.rows.filter((row) => isPublished(row, nowMs));
    const keys = published.map((row) => {
      const { kty, n, e, crv, x, y } = publicJwkOf(row);
      return { kty, use: 'sig', alg: row.alg, kid: row.kid, n, e, crv, x, y };
    });
    const body = JSON.stringify({ keys });
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    const until = Math.min(...published.map((row) => row.leavesAt ?? Number.POSITIVE_INFINITY));
    return { body, etag, until };
  }

  return {
    load,
    confirm(version, sentAtMs = clock.monotonic(), databaseNowMs) {
      if (databaseNowMs !== undefined) readClock(databaseNowMs, sentAtMs);
      if (loaded?.version !== version) return false;
      confirmedAt = Math.max(confirmedAt, sentAtMs);
      return true;
    },
    find(kid) {
      const known = loaded?.keys.verifiers.get(kid);
      return known !== undefined && clock.now() < known.until ? known : undefined;
    },
    sign(header, claims, options) {
      try {
        return signNow(header.typ, claims, options?.audience);
      } catch (err) {
        return Promise.reject(err);
      }
    },
    jwks() {
      const state = required();
      const nowMs = clock.now();
      if (keySet === undefined || nowMs >= keySet.until) keySet = makeKeySet(state, nowMs);
      const allowed = Math.max(0, settings.jwksMaxAgeSeconds - ageMs() / 1_000);
      // Copies of one fleet should not all be asked at the same second.
      const jitter = 0.8 + 0.2 * (ports.random.bytes(1)[0]! / 255);
      return { body: keySet.body, etag: keySet.etag, maxAgeSeconds: Math.floor(allowed * jitter) };
    },
    secret: (purpose) => required().secrets.newest(purpose, clock.now()),
    secretVersion: (purpose, version) => required().secrets.version(purpose, version),
    list: () => required().rows.map((row) => keyViewOf(row, clock.now())),
    isFresh: () => loaded !== undefined && ageMs() <= boundMs && isClockRight(),
    state: () => ({
      ageMs: ageMs(),
      clockOffsetMs: clockOffsetMs(),
      version: loaded?.version ?? -1,
    }),
  };
}
