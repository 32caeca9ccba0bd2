import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { Client } from '#services/core/access/access-directory.ts';
import { identityOfJwks } from '#services/core/access/certificates/certificate-identity.ts';
import { readClientKeys } from '#services/core/access/client-keys.ts';
import { clientKeysBusy, clientKeysUnavailable } from '#services/core/access/errors.ts';
import type { Clock } from '#services/core/ports.ts';
import type { GuardedFetch } from '../guarded-fetch.ts';

/** The keys of one client, found by the header of an assertion. */
export type ClientKeySet = ReturnType<typeof createLocalJWKSet>;

type RemoteClient = Pick<Client, 'jwks_uri' | 'origin'>;
type KeyedClient = RemoteClient & Pick<Client, 'jwks'>;

/** Nothing is decided: the set at `jwks_uri` could not be read, or not since what it is to decide on arrived. */
export class KeysNotRead {
  readonly why: 'busy' | 'unread';
  readonly retryAfterSeconds: number;
  constructor(why: 'busy' | 'unread', retryAfterSeconds: number) {
    this.why = why;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The error (503) for a client whose keys or certificates could not be read, or not again. */
export const clientKeysNotRead = ({ why, retryAfterSeconds }: KeysNotRead): Error =>
  (why === 'busy' ? clientKeysBusy : clientKeysUnavailable)({ retryAfterSeconds });
/** For the metrics. */
export const outcomeOf = ({ why }: KeysNotRead): 'busy' | 'no_keys' => (why === 'busy' ? 'busy' : 'no_keys');

/**
 * Decides by what is known of a client, and where that may be too old, once more by a set that was read after the call.
 * So a key that is not known yet is never taken for a wrong one, whatever key ids strangers send meanwhile.
 * @param decide by the keys of the client; none if it has none
 * @param mayBeNew whether a newer set could decide otherwise
 */
type DecideBy<Client, Known> = <Decision>(
  client: Client,
  decide: (known: Known) => Decision | Promise<Decision>,
  mayBeNew: (decision: Decision) => boolean,
) => Promise<Decision | KeysNotRead>;

export type ClientKeySets = {
  readonly decideByKeys: DecideBy<KeyedClient, ClientKeySet>;
  /** By the thumbprints of the certificates (`x5c`) in the set at `jwks_uri`. */
  readonly decideByCertificates: DecideBy<RemoteClient, readonly string[]>;
};

export type HasClientKeySets = { readonly clientKeySets: ClientKeySets };

const BYTES_MAX = 65_536;
const DEADLINE_MS = 3_000;
/** A fetch that has not ended by then, in spite of its deadline, is abandoned, so that it does not use up the limit. */
const ABANDON_MS = DEADLINE_MS + 2_000;
/** Concurrent fetches per copy, for clients that no administrator has registered among them, and of one host. */
const CONCURRENT_MAX = 32;
const UNVETTED_MAX = 16;
const OF_HOST_MAX = 2;
/** A removed key is refused after this time. */
const FRESH_MS = 600_000;
/** A set that cannot be read again remains in use for this long. */
const STALE_MS = 3_600_000;
/** Shortest time between two fetches of one address, whatever unknown key ids or failures come. */
const COOL_DOWN_MS = 30_000;
/** While keys that an administrator registered were never read, after the first failure; then twice as long each time. */
const FIRST_COOL_DOWN_MS = 1_000;
const BUSY_SECONDS = 5;
/** Sets that are kept, of each kind. */
const KEPT_MAX = 1_000;

/** What the set at an address has: keys for signatures, certificates, or both. */
type RemoteSet = { readonly keys: ClientKeySet | null; readonly thumbprints: readonly string[] | null };
/** `fetch` counts fetches, to tell which began before a question and which after. */
type Fetched = { readonly set: RemoteSet; readonly fetch: number; readonly readAtMs: number };
type Remote = {
  readonly uri: string;
  readonly isVetted: boolean;
  fetched: Fetched | null;
  triedAtMs: number;
  /** Since this copy started. */
  failures: number;
};
type Reading = { readonly hostname: string; readonly isVetted: boolean; readonly read: Promise<Fetched | null> };

const setOf = (jwks: unknown): ClientKeySet => createLocalJWKSet(jwks as JSONWebKeySet);

const NO_KEYS = setOf({ keys: [] });
const NOTHING: RemoteSet = { keys: null, thumbprints: null };

function remoteSetOf(jwks: unknown): RemoteSet | null {
  const read = readClientKeys(jwks);
  const certificates = identityOfJwks(jwks);
  const keys = typeof read === 'string' ? null : setOf(read);
  const thumbprints = typeof certificates === 'string' ? null : certificates.thumbprints;
  return keys === null && thumbprints === null ? null : { keys, thumbprints };
}

/** Keeps the newest entries of a map that iterates oldest first. */
function keep<T>(kept: Map<string, T>, name: string, value: T): T {
  kept.delete(name);
  kept.set(name, value);
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string);
  return value;
}

async function fetchSet(fetchGuarded: GuardedFetch, uri: string, allowsPrivate: boolean): Promise<RemoteSet | null> {
  try {
    const rules = { allowsPrivate, answerBytesMax: BYTES_MAX, deadlineMs: DEADLINE_MS };
    const answer = await fetchGuarded(rules, uri, {
      headers: { accept: 'application/jwk-set+json, application/json' },
    });
    return answer.status === 200 ? remoteSetOf(JSON.parse(await answer.text())) : null;
  } catch {
    // The reason would tell an attacker about the internal network.
    return null;
  }
}

/** When the address may be asked again. An outage at our start delays no client for long after it ends. */
function askedAgainAtMs({ isVetted, fetched, triedAtMs, failures }: Remote): number {
  if (!isVetted || fetched !== null) return triedAtMs + COOL_DOWN_MS;
  return triedAtMs + Math.min(COOL_DOWN_MS, FIRST_COOL_DOWN_MS * 2 ** (failures - 1));
}

/** Whether another fetch fits beside those that run. */
function mayFetch(readings: readonly Reading[], { isVetted }: Remote, hostname: string): boolean {
  const unvetted = readings.filter((reading) => !reading.isVetted).length;
  return (
    readings.length < CONCURRENT_MAX &&
    (isVetted || unvetted < UNVETTED_MAX) &&
    readings.filter((reading) => reading.hostname === hostname && reading.isVetted === isVetted).length < OF_HOST_MAX
  );
}

/**
 * The keys and certificates of clients, imported once. Those at a `jwks_uri` are fetched when they are first needed: public addresses
 * only, no redirect, limited in size and time. Requests for one address share a fetch, and failures are remembered for
 * the cool-down, so that requests cannot make this copy send requests to others.
 * @param allowsPrivate for development: keys may be on a private network and without TLS
 */
export function createClientKeySets(
  { clock, allowsPrivate }: { readonly clock: Pick<Clock, 'monotonic'>; readonly allowsPrivate: boolean },
  fetchGuarded: GuardedFetch,
): ClientKeySets {
  const registered = new Map<string, ClientKeySet>();
  // Apart, so that clients that registered themselves cannot displace the sets of others or use up their fetches.
  const vettedRemotes = new Map<string, Remote>();
  const unvettedRemotes = new Map<string, Remote>();
  const running = new Map<string, Reading>();
  let fetches = 0;

  function readAgain(remote: Remote): Promise<Fetched | 'busy' | null> {
    const { uri, isVetted } = remote;
    const name = `${isVetted} ${uri}`;
    const begun = running.get(name);
    if (begun !== undefined) return begun.read;
    if (clock.monotonic() < askedAgainAtMs(remote)) return Promise.resolve(null);
    const { hostname } = new URL(uri);
    if (!mayFetch([...running.values()], remote, hostname)) return Promise.resolve('busy');
    fetches += 1;
    const fetch = fetches;
    remote.triedAtMs = clock.monotonic();
    const abandoned = Promise.withResolvers<null>();
    const timer = setTimeout(() => abandoned.resolve(null), ABANDON_MS);
    const read = Promise.race([fetchSet(fetchGuarded, uri, allowsPrivate), abandoned.promise]).then((set) => {
      clearTimeout(timer);
      running.delete(name);
      if (set === null) {
        remote.failures += 1;
        // From its end: a fetch may take longer than the first cool-downs.
        remote.triedAtMs = clock.monotonic();
        return null;
      }
      remote.fetched = { set, fetch, readAtMs: clock.monotonic() };
      return remote.fetched;
    });
    running.set(name, { hostname, isVetted, read });
    return read;
  }

  function remoteOf(uri: string, isVetted: boolean): Remote {
    const remotes = isVetted ? vettedRemotes : unvettedRemotes;
    const fresh = { uri, isVetted, fetched: null, triedAtMs: Number.NEGATIVE_INFINITY, failures: 0 };
    return keep(remotes, uri, remotes.get(uri) ?? fresh);
  }

  const notRead = (remote: Remote, read: 'busy' | null): KeysNotRead => {
    if (read === 'busy') return new KeysNotRead('busy', BUSY_SECONDS);
    const leftMs = askedAgainAtMs(remote) - clock.monotonic();
    return new KeysNotRead('unread', Math.max(1, Math.ceil(leftMs / 1_000)));
  };

  async function setAt(remote: Remote): Promise<Fetched | KeysNotRead> {
    const { fetched } = remote;
    const ageMs = fetched === null ? Number.POSITIVE_INFINITY : clock.monotonic() - fetched.readAtMs;
    if (fetched !== null && ageMs < FRESH_MS) return fetched;
    const read = await readAgain(remote);
    if (read !== null && read !== 'busy') return read;
    return fetched !== null && ageMs < STALE_MS ? fetched : notRead(remote, read);
  }

  const deciding =
    <Known>(ofSet: (set: RemoteSet) => Known): DecideBy<RemoteClient, Known> =>
    async ({ jwks_uri: jwksUri, origin }, decide, mayBeNew) => {
      if (jwksUri === null) return decide(ofSet(NOTHING));
      const before = fetches;
      const remote = remoteOf(jwksUri, origin === 'admin');
      const found = await setAt(remote);
      if (found instanceof KeysNotRead) return found;
      const decision = await decide(ofSet(found.set));
      if (!mayBeNew(decision) || found.fetch > before) return decision;
      const read = await readAgain(remote);
      if (read === null || read === 'busy') return notRead(remote, read);
      const newest = await decide(ofSet(read.set));
      // Another request began the fetch before this one arrived: a key published in between is not in it.
      return mayBeNew(newest) && read.fetch <= before ? notRead(remote, null) : newest;
    };
  const byRemoteKeys = deciding(({ keys }) => keys ?? NO_KEYS);

  return {
    decideByKeys: async (client, decide, mayBeNew) => {
      const { jwks } = client;
      if (jwks === null) return byRemoteKeys(client, decide, mayBeNew);
      return decide(keep(registered, jwks, registered.get(jwks) ?? setOf(JSON.parse(jwks))));
    },
    decideByCertificates: deciding(({ thumbprints }) => thumbprints ?? []),
  };
}
