import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { RevocationEntry } from './revocation-log.ts';
import { assertFresh, type HasRevocations } from './revocation-set.ts';

/** Explicit type of a feed answer (RFC 8725 §3.11): a verifier cannot confuse it with an access token. */
const REVOCATIONS_TYPE = 'revocations+jwt';

/** Entries in one response: about 600 KB, which can be signed without blocking the event loop. */
export const FEED_ANSWER_LIMIT = 5_000;
/** Answers cached until the next poll: most callers are at the same few epochs. */
const ANSWERS_KEPT = 256;

export type FeedQuestion = {
  /** The epoch that the caller has; 0 for none. */
  readonly since: number;
  /** Incarnation of that epoch, if the caller knows it. */
  readonly incarnation?: string | undefined;
};

type FeedAnswer = {
  /** Compact JWS (RFC 7515 §7.1). */
  readonly jws: string;
  readonly incarnation: string;
  /** The answer covers everything up to this epoch; send it as `since` next time. */
  readonly epoch: number;
  readonly since: number;
  /** False: more entries follow after `epoch`, and the caller must not decide by this answer alone. */
  readonly isComplete: boolean;
};

export type RevocationFeed = {
  /** Throws `revocationStateStale` or `stateRewound` (503); rejects with `signingUnavailable` (503). */
  answer(question: FeedQuestion): Promise<FeedAnswer>;
};

export type HasRevocationFeed = { readonly revocationFeed: RevocationFeed };

/** An entry in the format that external verifiers read. */
const published = (entry: RevocationEntry): object => ({
  epoch: entry.epoch,
  kind: entry.kind,
  value: entry.value,
  ...(entry.tokenEpoch === null ? {} : { token_epoch: entry.tokenEpoch }),
  ...(entry.isReuse ? { reason: 'refresh_token_reused' } : {}),
  expires_at: Math.ceil(entry.expiresAtMs / 1_000),
});

/**
 * The signed feed, from memory. Between two polls one signature serves all callers at the same epoch.
 *
 * `issued_at` is when the database was queried, not when the answer was signed: the entries are complete as of that
 * moment, and a consumer may rely on them for `max_staleness_s` after it. An incomplete answer has a `max_staleness_s`
 * of 0, so that a consumer that ignores `complete` does not rely on half of the entries.
 */
export function createRevocationFeed(
  deps: HasRevocations & HasKeyRing & { readonly issuer: string; readonly stalenessBoundMs: number },
): RevocationFeed {
  const { revocations, keyRing, issuer, stalenessBoundMs } = deps;
  const answers = new Map<number, Promise<FeedAnswer>>();
  revocations.onConfirmed(() => answers.clear());

  async function make(since: number): Promise<FeedAnswer> {
    const { incarnation, epoch: newest } = revocations.state();
    const entries = revocations.since(since, FEED_ANSWER_LIMIT);
    const isComplete = entries.length < FEED_ANSWER_LIMIT;
    const epoch = isComplete ? newest : entries.at(-1)!.epoch;
    const claims = {
      iss: issuer,
      incarnation,
      epoch,
      since,
      issued_at: revocations.confirmedAtMs() / 1_000,
      max_staleness_s: isComplete ? stalenessBoundMs / 1_000 : 0,
      complete: isComplete,
      entries: entries.map(published),
    };
    return { jws: await keyRing.sign({ typ: REVOCATIONS_TYPE }, claims), incarnation, epoch, since, isComplete };
  }

  return {
    async answer({ since: asked, incarnation }) {
      assertFresh(revocations);
      const state = revocations.state();
      // A higher epoch than ours, or one of another incarnation: send all entries.
      const isOurs = asked <= state.epoch && (incarnation ?? state.incarnation) === state.incarnation;
      const since = isOurs ? asked : 0;
      const known = answers.get(since);
      if (known) return known;
      const made = make(since);
      if (answers.size < ANSWERS_KEPT) answers.set(since, made);
      made.catch(() => answers.delete(since));
      return made;
    },
  };
}
