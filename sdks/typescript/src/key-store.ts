import { fetchText } from './bounded-fetch.ts';
import { LIMITS } from './generated/contract.ts';
import { createKeyImporter, type KeySet, type KnownKey } from './key-set.ts';
import type { Settings } from './options.ts';

/** Waiting times after failed fetches, seconds. */
const [FIRST_WAIT, LONGEST_WAIT] = [1, 30];

/** Unknown kids that are remembered, because a set that was asked for after they appeared lacks them. */
const LACKING_MAXIMUM = 256;

/** The published keys, in memory. */
export type KeyStore = {
  /** The key of a kid; null for a published key that is not for us; undefined for an unknown kid. No I/O. */
  find(kid: string): KnownKey | null | undefined;
  /** Whether keys were loaded, and are not older than `jwksTtl` and `maxStale` together. */
  isFresh(): boolean;
  isLoaded(): boolean;
  /** Fetches the set in the background once its time is over. Returns at once. */
  renewWhenDue(): void;
  /** Fetches the set; calls during a fetch share it. Never rejects. @returns whether the set was read */
  renew(): Promise<boolean>;
  /** Resolves when no fetch is under way. */
  settled(): Promise<unknown>;
  /**
   * Fetches for a kid that is in no set yet, unless a fetch for another such kid was just made. @returns whether a set
   * that was asked for after the kid appeared lacks it; else nothing is known of the kid yet
   */
  renewForUnknownKid(kid: string): Promise<boolean>;
  /** Why the last fetch failed; undefined after one that did not. */
  failure(): Error | undefined;
  /** Takes a set that came another way. Throws when it is refused. */
  load(text: string, ageMs: number): Promise<void>;
  /** The set as it was read; undefined before. */
  text(): string | undefined;
  state(): { readonly keys: number; readonly loadedAtMs: number | null };
};

const maxAgeOf = (headers: Headers): number => {
  const seconds = /(?:^|[ ,])max-age=(\d{1,9})/i.exec(headers.get('cache-control') ?? '')?.[1];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Number(seconds));
};

/** @param url of the key set; that of Sallyport unless given */
export function createKeyStore(settings: Settings, url = `${settings.api}/.well-known/jwks.json`): KeyStore {
  const { now, jwksTtl, jwksCooldown, maxStale, timeout, onEvent } = settings;
  const importKeys = createKeyImporter();
  let keys: KeySet = new Map();
  let text: string | undefined;
  let loadedAtMs = Number.NEGATIVE_INFINITY;
  /** By the clock that is never set back. */
  let freshUntilMonotonicMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let dueAtMs = Number.NEGATIVE_INFINITY;
  let unknownKidAtMs = Number.NEGATIVE_INFINITY;
  const lacking = new Set<string>();
  let failures = 0;
  let failure: Error | undefined;
  let inFlight: Promise<boolean> | undefined;

  async function load(given: string, ageMs: number, ttlSeconds = jwksTtl): Promise<void> {
    keys = await importKeys(given);
    text = given;
    loadedAtMs = now() - ageMs;
    freshUntilMonotonicMs = performance.now() - ageMs + (jwksTtl + maxStale) * 1_000;
    dueAtMs = loadedAtMs + ttlSeconds * 1_000;
    failures = 0;
    failure = undefined;
    onEvent({ type: 'keys_loaded', keys: keys.size });
  }

  async function fetchSet(): Promise<boolean> {
    triedAtMs = now();
    try {
      const { text: body, headers } = await fetchText({
        fetch: settings.fetch,
        url,
        init: { headers: { accept: 'application/json' }, cache: 'no-store' },
        timeoutMs: timeout * 1_000,
        maximumBytes: LIMITS.keySetBytes,
      });
      await load(body, 0, Math.min(jwksTtl, maxAgeOf(headers)));
      return true;
    } catch (err) {
      failures += 1;
      failure = err as Error;
      dueAtMs = now() + Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)) * 1_000;
      onEvent({ type: 'keys_failed', error: failure });
      return false;
    }
  }

  function renew(): Promise<boolean> {
    inFlight ??= fetchSet().finally(() => {
      inFlight = undefined;
    });
    return inFlight;
  }

  return {
    find: (kid) => keys.get(kid),
    isFresh: () => now() <= loadedAtMs + (jwksTtl + maxStale) * 1_000 && performance.now() <= freshUntilMonotonicMs,
    isLoaded: () => text !== undefined,
    failure: () => failure,
    text: () => text,
    load: (given, ageMs) => load(given, ageMs),
    renew,
    settled: async () => inFlight,
    renewWhenDue() {
      // A clock that was set back must not put off what is due.
      if (now() >= dueAtMs || now() < triedAtMs) void renew();
    },
    async renewForUnknownKid(kid) {
      // A fetch under way may have begun before the key was published.
      if (inFlight !== undefined && (!(await inFlight) || keys.has(kid))) return false;
      const passedMs = now() - unknownKidAtMs;
      if (inFlight === undefined && passedMs >= 0 && passedMs < jwksCooldown * 1_000)
        return failures === 0 && lacking.has(kid);
      unknownKidAtMs = now();
      if (!(await renew()) || keys.has(kid)) return false;
      // In the order in which they were last asked for, so the oldest goes.
      lacking.delete(kid);
      lacking.add(kid);
      for (const oldest of lacking) if (lacking.size > LACKING_MAXIMUM) lacking.delete(oldest);
      return true;
    },
    state: () => ({ keys: keys.size, loadedAtMs: text === undefined ? null : loadedAtMs }),
  };
}
