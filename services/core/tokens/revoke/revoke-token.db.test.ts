import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRevocationSet } from '#services/core/revocations/revocation-set.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { quietLog, testCaller } from '#tools/testing/harness/ports.ts';
import { type IssuingHarness, openIssuingHarness } from '../issuing-harness.ts';
import { createFamily } from '../refresh/create-family.ts';
import { type RevokeInput, revokeToken } from './revoke-token.ts';

let harness: IssuingHarness;
beforeAll(async () => {
  harness = await openIssuingHarness();
});
afterAll(() => harness?.close());

const end = (kind: RevokeInput['kind'], value: string, changes: Partial<Parameters<typeof revokeToken>[0]> = {}) =>
  revokeToken({ ...harness.ports, ...changes }, { kind, value, reason: 'test' }, testCaller);
const revocationsOf = (userId: string) => harness.rows('SELECT kind FROM revocations WHERE user_id = $1', [userId]);

/** A token family that only its client can refresh. */
const boundFamily = ({ id: userId }: Person) =>
  harness.ports.transact((tx) =>
    createFamily(
      tx,
      harness.ports,
      {
        user_id: userId,
        session_id: null,
        client_id: 'sallyport',
        is_client_bound: true,
        scope: 'openid',
        audience: 'https://a.test',
        auth_time: 1,
      },
      testCaller,
    ),
  );

test.each([
  ['any client may present', async (person: Person) => person.refreshToken],
  ['only its client can present', async (person: Person) => (await boundFamily(person)).refresh_token],
])('a refresh token that %s ends its family, for each caller that may end it', async (_whose, tokenOf) => {
  const person = await newPerson(harness);
  const refreshToken = await tokenOf(person);
  await end('token', refreshToken);
  expect(await revocationsOf(person.id)).toEqual([{ kind: 'family' }]);
});

test('a refresh token that was not issued here ends nothing', async () => {
  const person = await newPerson(harness);
  const changed = person.refreshToken.at(-2) === 'A' ? 'B' : 'A';
  await end('token', person.refreshToken.slice(0, -2) + changed + person.refreshToken.at(-1));
  expect(await revocationsOf(person.id)).toEqual([]);
});

/** A fake revocation memory that only the test fills; it also shows whether a caller still waits for news. */
function memoryOfItsOwn() {
  const memory = createRevocationSet({ clock: systemClock, log: quietLog, stalenessBoundMs: 60_000, budget: 1_000 });
  memory.reset(harness.ports.revocations.state().incarnation);
  const confirm = (epoch: number): void => memory.confirm(epoch, systemClock.monotonic(), systemClock.now());
  confirm(0);
  const asked = Promise.withResolvers<void>();
  let waiting = 0;
  const onConfirmed: typeof memory.onConfirmed = (listener) => {
    waiting += 1;
    const stop = memory.onConfirmed(listener);
    asked.resolve();
    return () => {
      waiting -= 1;
      stop();
    };
  };
  const ports = { revocations: { ...memory, onConfirmed }, announceRevocations: () => {} };
  return { ports, confirm, asked: asked.promise, waiting: () => waiting };
}

test('the response waits until this copy has read the revocation, and no longer', async () => {
  const memory = memoryOfItsOwn();
  const answer = end('token_id', randomUUID(), memory.ports);
  await memory.asked;
  memory.confirm(0);
  expect(memory.waiting()).toBe(1);
  memory.confirm(Number.MAX_SAFE_INTEGER);
  expect(memory.waiting()).toBe(0);
  const { epoch } = await answer;
  await expect.poll(() => harness.ports.revocations.state().epoch).toBeGreaterThanOrEqual(epoch);
});

test('a copy that cannot read still answers: the row is committed, and the response has its epoch', async () => {
  const memory = memoryOfItsOwn();
  const tokenId = randomUUID();
  const { epoch } = await end('token_id', tokenId, memory.ports);
  expect([memory.ports.revocations.state().epoch, memory.waiting()]).toEqual([0, 0]);
  expect(await harness.rows('SELECT epoch::int FROM revocations WHERE value = $1', [tokenId])).toEqual([{ epoch }]);
});
