import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type KeyHarness, openKeyHarness } from './key-harness.ts';
import { keyOperations } from './operations.ts';

let harness: KeyHarness;
beforeAll(async () => {
  harness = await openKeyHarness();
});
afterAll(() => harness?.close());
beforeEach(() => harness.empty());

type Rule = (ports: object, input: object, caller: object) => object | Promise<object>;
const ruleOf = (operation: string): Rule =>
  keyOperations.find(({ endpoint }) => endpoint.operation === operation)?.rule as unknown as Rule;

test('the list is that of this copy’s ring', async () => {
  const keyRing = await harness.startRing();
  expect(keyRing.list()).toHaveLength(1);
  expect(await ruleOf('listKeys')({ keyRing }, {}, testCaller)).toEqual({ keys: keyRing.list() });
});

test('a rotation shows the next key, and whether it was already waiting', async () => {
  await harness.start();
  const rotate = () => ruleOf('rotateSigningKeys')(harness.ports, {}, testCaller);
  const first = await rotate();
  expect(first).toMatchObject({ state: 'pending', already_pending: false });
  expect(await rotate()).toEqual({ ...first, already_pending: true });
});

test('a compromised key is shown with the key that signs in its place, and what this means', async () => {
  await harness.start();
  const [{ id: kid } = { id: '' }] = await harness.keyRows();
  const answer = await ruleOf('compromiseKey')(harness.ports, { kid, reason: 'leaked' }, testCaller);
  expect(answer).toMatchObject({
    kid,
    state: 'compromised',
    compromise_reason: 'leaked',
    signer: { state: 'active' },
    notice: expect.stringContaining('signs immediately'),
  });
});
