import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { Client } from '#services/domain/access/access-directory.ts';
import { identityOfJwks } from '#services/domain/access/certificates/certificate-identity.ts';
import { readClientKeys } from '#services/domain/access/client-keys.ts';
import type { Clock } from '#services/domain/ports.ts';
import type { GuardedFetch } from '../guarded-fetch.ts';

/** The keys of one client, found by the header of an assertion. */
export type ClientKeySet = ReturnType<typeof createLocalJWKSet>;

type RemoteClient = Pick<Client, 'jwks_uri' | 'origin'>;
type KeyedClient = RemoteClient & Pick<Client, 'jwks'>;

export type ClientKeySets = {
  /** `busy`: too many sets are being fetched; null: the client has no usable keys now. Never rejects. */
  keysOf(client: KeyedClient): Promise<ClientKeySet | 'busy' | null>;
  /** The keys of `jwks_uri` read again, if the last attempt is long enough ago; null if there is no newer set. */
  newerKeysOf(client: KeyedClient): Promise<ClientKeySet | null>;
  /** The thumbprints of the certificates (`x5c`) in the set at `jwks_uri`, in the same way. */
  certificatesOf(client: RemoteClient): Promise<readonly string[] | 'busy' | null>;
  newerCertificatesOf(client: RemoteClient): Promise<readonly string[] | null>;
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
/** Sets that are kept, of each kind. */
const KEPT_MAX = 1_000;

/** What the set at an address has: keys for signatures, certificates, or both. */
type RemoteSet = { readonly keys: ClientKeySet | null; readonly thumbprints: readonly string[] | null };
type Fetched = { readonly set: RemoteSet; readonly readAtMs: number };
type Remote = { readonly uri: string; readonly isVetted: boolean; fetched: Fetched | null; triedAtMs: number };
type Reading = { readonly hostname: string; readonly isVetted: boolean; readonly read: Promise<RemoteSet | null> };

const setOf = (jwks: unknown): ClientKeySet => createLocalJWKSet(jwks as JSONWebKeySet);

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

  function readAgain(remote: Remote): Promise<RemoteSet | 'busy' | null> {
    const { uri, isVetted } = remote;
    const name = `${isVetted} ${uri}`;
    const begun = running.get(name);
    if (begun !== undefined) return begun.read;
    if (clock.monotonic() - remote.triedAtMs < COOL_DOWN_MS) return Promise.resolve(null);
    const { hostname } = new URL(uri);
    if (!mayFetch([...running.values()], remote, hostname)) return Promise.resolve('busy');
    remote.triedAtMs = clock.monotonic();
    const abandoned = Promise.withResolvers<null>();
    const timer = setTimeout(() => abandoned.resolve(null), ABANDON_MS);
    const read = Promise.race([fetchSet(fetchGuarded, uri, allowsPrivate), abandoned.promise]).then((set) => {
      clearTimeout(timer);
      running.delete(name);
      if (set !== null) remote.fetched = { set, readAtMs: clock.monotonic() };
      return set;
    });
    running.set(name, { hostname, isVetted, read });
    return read;
  }

  function remoteOf(uri: string, isVetted: boolean): Remote {
    const remotes = isVetted ? vettedRemotes : unvettedRemotes;
    const fresh = { uri, isVetted, fetched: null, triedAtMs: Number.NEGATIVE_INFINITY };
    return keep(remotes, uri, remotes.get(uri) ?? fresh);
  }

  async function setAt({ jwks_uri: jwksUri, origin }: RemoteClient): Promise<RemoteSet | 'busy' | null> {
    if (jwksUri === null) return null;
    const remote = remoteOf(jwksUri, origin === 'admin');
    const { fetched } = remote;
    const ageMs = fetched === null ? Number.POSITIVE_INFINITY : clock.monotonic() - fetched.readAtMs;
    if (fetched !== null && ageMs < FRESH_MS) return fetched.set;
    const read = await readAgain(remote);
    return (read === null || read === 'busy') && fetched !== null && ageMs < STALE_MS ? fetched.set : read;
  }

  async function newerSetAt({ jwks_uri: jwksUri, origin }: RemoteClient): Promise<RemoteSet | null> {
    if (jwksUri === null) return null;
    const read = await readAgain(remoteOf(jwksUri, origin === 'admin'));
    return read === 'busy' ? null : read;
  }

  return {
    async keysOf(client) {
      const { jwks } = client;
      if (jwks !== null) return keep(registered, jwks, registered.get(jwks) ?? setOf(JSON.parse(jwks)));
      const set = await setAt(client);
      return set === null || set === 'busy' ? set : set.keys;
    },
    async newerKeysOf(client) {
      return (await newerSetAt(client))?.keys ?? null;
    },
    async certificatesOf(client) {
      const set = await setAt(client);
      return set === null || set === 'busy' ? set : set.thumbprints;
    },
    async newerCertificatesOf(client) {
      return (await newerSetAt(client))?.thumbprints ?? null;
    },
  };
}
