import { beforeAll, expect, test } from 'vitest';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { type TokenHarness, tokenHarness } from '#tools/testing/harness/token.ts';
import { opened } from '#tools/testing/opened.ts';
import { readUserInfo } from './read-user-info.ts';

const stores = opened(() => openTestPorts());
let harness: TokenHarness;
const sub = '0190b1d4-0000-7000-8000-0000000000aa';
beforeAll(async () => {
  await stores.raw`INSERT INTO users (id, email) VALUES (${sub}, 'ada@example.test')`;
  harness = tokenHarness();
});

const read = (changes: Record<string, unknown>) =>
  readUserInfo({ ...harness.ports, sql: stores.sql }, harness.token({ sub, ...changes }));

test('returns the claims of the token’s scope', async () => {
  expect(await read({ scope: 'openid email' })).toMatchObject({ sub, email: 'ada@example.test' });
  expect(await read({ scope: 'openid' })).toEqual({ sub });
});

test.each([
  ['a token whose scope is not openid', { scope: 'email' }],
  ['a token without a scope', { scope: undefined }],
  ['a token without a family', { fid: undefined }],
])('%s gets openid_scope_missing', async (_what, changes) => {
  await expect(read(changes)).rejects.toMatchObject({ code: 'openid_scope_missing' });
});

test('a token revoked after the caller was authenticated is refused', async () => {
  harness.revocations.apply([
    {
      epoch: 1,
      kind: 'family',
      value: 'ended',
      tokenEpoch: null,
      isReuse: false,
      userId: sub,
      clientId: null,
      expiresAtMs: harness.ports.clock.now() + 3_600_000,
    },
  ]);
  await expect(read({ scope: 'openid', fid: 'ended' })).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('a token of a deleted user is refused before the next state poll', async () => {
  const gone = '0190b1d4-0000-7000-8000-0000000000bb';
  await expect(read({ sub: gone, scope: 'openid' })).rejects.toMatchObject({ code: 'unauthenticated' });
});
