import type { ClientSettings } from '#services/platform/config/clients.ts';
import type { GuardedFetch } from '../guarded-fetch.ts';
import { documentLifeSeconds, type ValidatedDocument, validateClientDocument } from './client-document.ts';

export type ReadDocument =
  /** Not fetched: the limit on concurrent fetches is reached. */
  | { readonly kind: 'busy' }
  | (Extract<ValidatedDocument, { kind: 'client' }> & { readonly lifeSeconds: number })
  | Extract<ValidatedDocument, { kind: 'refused' }>;

type ClientDocuments = {
  /** Fetches and validates the document at the URL that is the client's id, for this user; never rejects. */
  read(url: string, userId: string): Promise<ReadDocument>;
};

export type HasClientDocuments = { readonly clientDocuments: ClientDocuments };

/** The maximum that the draft recommends (§6.6). */
const BYTES_MAX = 5_120;
const DEADLINE_MS = 3_000;
/** Concurrent fetches per copy: slow URLs must not delay others for long. */
const CONCURRENT_MAX = 32;
/** Concurrent fetches per user, and per host. */
const SHARE_MAX = 2;
/** A fetch that has not ended by then, in spite of its deadline, is abandoned, so that it does not use up the limit. */
const ABANDON_MS = DEADLINE_MS + 2_000;
const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;

type Reading = { readonly host: string; readonly userId: string; readonly read: Promise<ReadDocument> };

const refused = (why: string): ReadDocument => ({ kind: 'refused', why });

/**
 * Fetches the metadata documents of clients. An attacker can choose the URL, so internal addresses and redirects are
 * refused, and size, time and concurrent fetches are limited. Concurrent requests for one URL share a fetch. Nothing is
 * cached here.
 */
export function createClientDocuments(
  { documentsPrivate, scopes }: ClientSettings,
  fetchGuarded: GuardedFetch,
): ClientDocuments {
  const running = new Map<string, Reading>();
  const rules = { allowsPrivate: documentsPrivate, answerBytesMax: BYTES_MAX, deadlineMs: DEADLINE_MS };

  async function fetchDocument(url: string): Promise<ReadDocument> {
    try {
      const answer = await fetchGuarded(rules, url, { headers: { accept: 'application/json' } });
      if (answer.status !== 200) return refused(`its server answered with status ${answer.status}`);
      if (!JSON_TYPE.test(answer.headers.get('content-type') ?? '')) return refused('it is not served as JSON');
      const validated = validateClientDocument(url, await answer.text(), scopes);
      return validated.kind === 'refused'
        ? validated
        : { ...validated, lifeSeconds: documentLifeSeconds(answer.headers.get('cache-control')) };
    } catch {
      // The reason would tell an attacker about the internal network.
      return refused('it cannot be fetched');
    }
  }

  return {
    read(url, userId) {
      const begun = running.get(url);
      if (begun !== undefined) return begun.read;
      const { hostname: host } = new URL(url);
      const readings = [...running.values()];
      const isFull =
        readings.length >= CONCURRENT_MAX ||
        readings.filter((reading) => reading.userId === userId).length >= SHARE_MAX ||
        readings.filter((reading) => reading.host === host).length >= SHARE_MAX;
      if (isFull) return Promise.resolve({ kind: 'busy' });
      const abandoned = Promise.withResolvers<ReadDocument>();
      const timer = setTimeout(() => abandoned.resolve(refused('it cannot be fetched')), ABANDON_MS);
      const read = Promise.race([fetchDocument(url), abandoned.promise]).finally(() => {
        clearTimeout(timer);
        running.delete(url);
      });
      running.set(url, { host, userId, read });
      return read;
    },
  };
}
