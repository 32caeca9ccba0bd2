import { beforeEach, expect, test } from 'vitest';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { NOW, type TokenHarness, tokenHarness } from '#tools/testing/harness/token.ts';
import { createRevocationFeed, FEED_ANSWER_LIMIT, type RevocationFeed } from './revocation-feed.ts';
import type { RevocationEntry } from './revocation-log.ts';

const HELD = 300;

let harness: TokenHarness;
let signatures: number;
let failure: Error | undefined;
let feed: RevocationFeed;

const confirm = (): void => harness.revocations.confirm(HELD, NOW * 1_000, NOW * 1_000);

/** What the database tells about the token with this number. */
const entryOf = (epoch: number): RevocationEntry => ({
  epoch,
  kind: 'jti',
  value: `token-${epoch}`,
  tokenEpoch: null,
  isReuse: false,
  userId: null,
  clientId: null,
  expiresAtMs: (NOW + 3_600) * 1_000,
});
/** The claims as the signature of this file leaves them readable. */
const claimsOf = ({ jws }: { readonly jws: string }): Record<string, unknown> & { readonly entries: unknown[] } =>
  JSON.parse(jws.slice(jws.indexOf('{')));

beforeEach(() => {
  harness = tokenHarness();
  signatures = 0;
  failure = undefined;
  harness.revocations.apply(Array.from({ length: HELD }, (_, at) => entryOf(at + 1)));
  confirm();
  const sign: KeyRing['sign'] = async (header, claims) => {
    signatures += 1;
    if (failure !== undefined) throw failure;
    return `${header.typ}.${JSON.stringify(claims)}`;
  };
  const { revocations } = harness;
  feed = createRevocationFeed({
    revocations,
    keyRing: { sign } as KeyRing,
    issuer: 'https://issuer.test',
    stalenessBoundMs: 2_000,
  });
});

test('one signature serves all callers at the same epoch, until the next answer of the database', async () => {
  const [first, second] = await Promise.all([feed.answer({ since: 1 }), feed.answer({ since: 1 })]);
  expect([first === second, first.epoch, signatures]).toEqual([true, HELD, 1]);
  confirm();
  await feed.answer({ since: 1 });
  expect(signatures).toBe(2);
});

test('callers at many different epochs all get an answer, and the number of cached answers stays within its limit', async () => {
  for (let since = 0; since < HELD; since += 1) expect((await feed.answer({ since })).since).toBe(since);
  expect(signatures).toBe(HELD);
  await feed.answer({ since: 0 });
  expect(signatures).toBe(HELD);
  await feed.answer({ since: HELD - 1 });
  expect(signatures).toBe(HELD + 1);
});

test('a failed signature is not cached: the next request gets a response', async () => {
  failure = new Error('no key signs');
  await expect(feed.answer({ since: 7 })).rejects.toBe(failure);
  failure = undefined;
  expect(await feed.answer({ since: 7 })).toMatchObject({ since: 7, epoch: HELD, isComplete: true });
});

test('an entry is published with its kind, its value and its end; a token epoch and a reuse only where there is one', async () => {
  harness.revocations.apply([
    { ...entryOf(HELD + 1), kind: 'user', value: 'u1', tokenEpoch: 4 },
    { ...entryOf(HELD + 2), kind: 'family', value: 'f1', isReuse: true },
  ]);
  harness.revocations.confirm(HELD + 2, NOW * 1_000, NOW * 1_000);
  const { entries } = claimsOf(await feed.answer({ since: HELD - 1 }));
  const end = { expires_at: NOW + 3_600 };
  expect(entries).toEqual([
    { epoch: HELD, kind: 'jti', value: `token-${HELD}`, ...end },
    { epoch: HELD + 1, kind: 'user', value: 'u1', token_epoch: 4, ...end },
    { epoch: HELD + 2, kind: 'family', value: 'f1', reason: 'refresh_token_reused', ...end },
  ]);
});

test('a caller of another incarnation, or ahead of this copy, gets every entry; one of this incarnation only what follows', async () => {
  const { incarnation } = harness.revocations.state();
  const sinceOf = async (question: Parameters<RevocationFeed['answer']>[0]) => (await feed.answer(question)).since;
  expect(await sinceOf({ since: 7, incarnation })).toBe(7);
  expect(await sinceOf({ since: 7, incarnation: `not ${incarnation}` })).toBe(0);
  expect(await sinceOf({ since: HELD, incarnation })).toBe(HELD);
  expect(await sinceOf({ since: HELD + 1, incarnation })).toBe(0);
});

test('an answer with as many entries as it may hold is incomplete: it reaches to its last entry, and no verifier may rely on it', async () => {
  const newest = HELD + FEED_ANSWER_LIMIT;
  harness.revocations.apply(Array.from({ length: FEED_ANSWER_LIMIT }, (_, at) => entryOf(HELD + at + 1)));
  harness.revocations.confirm(newest, NOW * 1_000, NOW * 1_000);
  const first = await feed.answer({ since: 0 });
  expect(first).toMatchObject({ epoch: FEED_ANSWER_LIMIT, isComplete: false });
  expect(claimsOf(first)).toMatchObject({ epoch: FEED_ANSWER_LIMIT, complete: false, max_staleness_s: 0 });
  const rest = await feed.answer({ since: first.epoch });
  expect(rest).toMatchObject({ epoch: newest, isComplete: true });
  expect(claimsOf(rest)).toMatchObject({ complete: true, max_staleness_s: 2 });
  expect(claimsOf(first).entries.length + claimsOf(rest).entries.length).toBe(newest);
});
