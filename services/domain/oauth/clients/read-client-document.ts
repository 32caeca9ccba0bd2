import type { ClientSettings } from '#services/platform/config/clients.ts';
import { type DocumentVerdict, documentLifeSeconds, judgeClientDocument } from './client-document.ts';

/** What a document says, and for how long it counts. */
export type ReadDocument =
  /** No place is free: nothing was asked. */
  | { readonly kind: 'busy' }
  | (Extract<DocumentVerdict, { kind: 'client' }> & { readonly lifeSeconds: number })
  | Extract<DocumentVerdict, { kind: 'refused' }>;

export type ClientDocuments = {
  /** Fetches and judges the document at a client id's address, for a user; never rejects. */
  read(url: string, userId: string): Promise<ReadDocument>;
};

export type HasClientDocuments = { readonly clientDocuments: ClientDocuments };

type FetchRules = { readonly allowsPrivate: boolean; readonly answerBytesMax: number; readonly deadlineMs: number };
/** Rejects for whatever the rules do not let through; follows no redirect. */
type GuardedFetch = (rules: FetchRules, url: string, init: RequestInit) => Promise<Response>;

/** As the draft recommends (§6.6). */
const BYTES_MAX = 5_120;
const DEADLINE_MS = 3_000;
/** Concurrent fetches per copy: slow URLs must not delay others for long. */
const AT_ONCE_MAX = 32;
/** Concurrent fetches per user, and per host. */
const SHARE_MAX = 2;
/** What a fetch gets that keeps neither its rules nor its deadline. */
const GIVEN_UP_MS = DEADLINE_MS + 2_000;
const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;

type Reading = { readonly host: string; readonly userId: string; readonly read: Promise<ReadDocument> };

const refused = (why: string): ReadDocument => ({ kind: 'refused', why });

/**
 * Metadata documents of clients, fetched from addresses that strangers name: none of the inside, no redirect, 5 KiB,
 * 3 s, few at once for one user and from one host; who asks for the same one meanwhile gets the same answer. Nothing is kept of what cannot be read.
 */
export function createClientDocuments(
  { documentsPrivate, scopes }: ClientSettings,
  fetchGuarded: GuardedFetch,
): ClientDocuments {
  const underWay = new Map<string, Reading>();
  const rules = { allowsPrivate: documentsPrivate, answerBytesMax: BYTES_MAX, deadlineMs: DEADLINE_MS };

  async function fetchDocument(url: string): Promise<ReadDocument> {
    try {
      const answer = await fetchGuarded(rules, url, { headers: { accept: 'application/json' } });
      if (answer.status !== 200) return refused(`it was answered with ${answer.status}`);
      if (!JSON_TYPE.test(answer.headers.get('content-type') ?? '')) return refused('it is not served as JSON');
      const verdict = judgeClientDocument(url, await answer.text(), scopes);
      return verdict.kind === 'refused'
        ? verdict
        : { ...verdict, lifeSeconds: documentLifeSeconds(answer.headers.get('cache-control')) };
    } catch {
      // Why is not told: it would say what there is on the inside.
      return refused('it cannot be fetched');
    }
  }

  return {
    read(url, userId) {
      const begun = underWay.get(url);
      if (begun !== undefined) return begun.read;
      const { hostname: host } = new URL(url);
      const held = [...underWay.values()];
      const isFull =
        held.length >= AT_ONCE_MAX ||
        held.filter((reading) => reading.userId === userId).length >= SHARE_MAX ||
        held.filter((reading) => reading.host === host).length >= SHARE_MAX;
      if (isFull) return Promise.resolve({ kind: 'busy' });
      const given = Promise.withResolvers<ReadDocument>();
      const timer = setTimeout(() => given.resolve(refused('it cannot be fetched')), GIVEN_UP_MS);
      const read = Promise.race([fetchDocument(url), given.promise]).finally(() => {
        clearTimeout(timer);
        underWay.delete(url);
      });
      underWay.set(url, { host, userId, read });
      return read;
    },
  };
}
