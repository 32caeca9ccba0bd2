import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPeopledHarness, type PeopledHarness } from '#tools/testing/harness/people.ts';
import { readUserState } from './read-user-state.ts';

let harness: PeopledHarness;
beforeAll(async () => {
  harness = await openPeopledHarness();
});
afterAll(() => harness?.close());

test('an account is in use, disabled with a higher epoch, or not there', async () => {
  const { id, email } = await harness.newUser();
  expect(await readUserState(harness.deps, id)).toEqual({ email, isDisabled: false, tokenEpoch: 0 });
  await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [id]);
  expect(await readUserState(harness.deps, id)).toEqual({ email, isDisabled: true, tokenEpoch: 1 });
  expect(await readUserState(harness.deps, 'unknown')).toBeNull();
});
