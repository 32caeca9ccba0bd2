import { beforeEach, expect, test } from 'vitest';
import type { KeyRing } from '#services/domain/keys/key-ring.ts';
import { NOW, type TokenHarness, tokenHarness } from '#testing/harness/token.ts';
import { createRevocationFeed, type RevocationFeed } from './revocation-feed.ts';

const HELD = 300;

let harness: TokenHarness;
let signatures: number;
let failure: Error | undefined;
let feed: RevocationFeed;

const confirm = (): void => harness.revocations.confirm(HELD, NOW * 1_000, NOW * 1_000);

beforeEach(() => {
  harness = tokenHarness();
  signatures = 0;
  failure = undefined;
  harness.revocations.apply(
    Array.from({ length: HELD }, (_, at) => ({
      epoch: at + 1,
      kind: 'jti',
      value: `token-${at + 1}`,
      tokenEpoch: null,
      isReuse: false,
      userId: null,
      clientId: null,
      expiresAtMs: (NOW + 3_600) * 1_000,
    })),
  );
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
