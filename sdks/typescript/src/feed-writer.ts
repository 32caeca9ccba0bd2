import { createFeedReader } from './feed.ts';
import { writeFeedText } from './feed-file.ts';
import { createFeedStatus } from './feed-status.ts';
import { LIMITS } from './generated/contract.ts';
import { createKeyStore } from './key-store.ts';
import { settingsOf, type VerifierOptions } from './options.ts';
import { parseToken } from './parse-token.ts';
import { createRevocations } from './revocations.ts';

/** Changes after which the whole feed is read again, so that the file does not grow without end. */
const MAXIMUM_ANSWERS = 200;

export type FeedWriter = {
  /** Resolves when the file was written. Rejects when the API did not answer the first time. */
  ready(): Promise<void>;
  /** Stops. The file stays. */
  close(): void;
};

/**
 * Keeps a file with the keys and the signed feed, from which any number of verifiers with `feed: 'file'` read: only this
 * process has the client's secret, and verifiers that start while the API is down have keys and revocations at once.
 * @example writeFeedFile({ issuer, clientId, clientSecret, feedFile: '/run/sallyport/feed.json' })
 */
export function writeFeedFile(options: VerifierOptions & { readonly feedFile: string }): FeedWriter {
  const settings = settingsOf({ ...options, feed: 'poll' });
  const keys = createKeyStore(settings);
  const status = createFeedStatus(settings, keys);
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let reading = open();

  function open() {
    const revocations = createRevocations(settings, keys);
    const answers: { readonly jws: string; readonly kid: string; readonly isQuiet: boolean }[] = [];
    let lastEpoch = -1;
    const onAnswer = (jws: string): void => {
      const { epoch } = revocations.position();
      // Of answers without news, only the last is kept: it tells how recent the others are.
      if (answers.at(-1)?.isQuiet) answers.pop();
      const kid = parseToken(jws, LIMITS.feedAnswerBytes)?.kid ?? '';
      answers.push({ jws, kid, isQuiet: epoch === lastEpoch });
      lastEpoch = epoch;
    };
    return { answers, revocations, reader: createFeedReader({ settings, keys, revocations, status, onAnswer }) };
  }

  async function write(): Promise<boolean> {
    keys.renewWhenDue();
    const { incarnation } = reading.revocations.state();
    let isRead = await reading.reader.readOnce();
    const isOther = incarnation !== undefined && incarnation !== reading.revocations.state().incarnation;
    // A key that has retired, or that the feed revoked, verifies no old answer for a verifier that starts now.
    const isOutdated = reading.answers.some(({ kid }) => !keys.find(kid) || reading.revocations.isKeyRevoked(kid));
    if (reading.answers.length > MAXIMUM_ANSWERS || isOther || isOutdated) {
      const next = open();
      isRead = await next.reader.readOnce();
      if (isRead) reading = next;
    }
    const jwks = keys.text();
    // Verifiers take the keys of a new file for new, so outdated keys are not written.
    if (!isRead || isClosed || jwks === undefined || !keys.isFresh()) return false;
    await writeFeedText(
      options.feedFile,
      jwks,
      reading.answers.map(({ jws }) => jws),
    );
    return true;
  }

  const turn = async (): Promise<boolean> => {
    const isWritten = await write().catch((error: unknown) => {
      settings.onEvent({ type: 'feed_failed', error: error as Error });
      return false;
    });
    if (!isClosed) timer = setTimeout(() => void turn(), settings.feedInterval * 1_000);
    return isWritten;
  };
  const first = turn();

  return {
    async ready() {
      if (!(await first)) throw new Error(`the feed file could not be written: ${settings.api} gave no revocations`);
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      reading.reader.close();
    },
  };
}
