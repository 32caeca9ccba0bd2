import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSignOffNames } from './read-names.ts';
import { openSignOffHarness, type SignOffHarness } from './signoff-harness.ts';

let harness: SignOffHarness;
beforeAll(async () => {
  harness = await openSignOffHarness();
});
afterAll(() => harness?.end());

test('the names of a sign-off are those of the agent that asks, its owner and the people who decided, and no others', async () => {
  const { agent, owner } = await harness.newAsking();
  const [reviewer, other] = [await harness.newPerson('developer'), await harness.newPerson('tech_lead')];
  await harness.raw(`UPDATE users SET name = 'Ada' WHERE id = $1`, [owner.userId]);
  const asked = await harness.request(agent);
  const decided = await harness.decide(asked, reviewer, 'developer');
  const { people, clients } = await readSignOffNames(harness, [decided]);
  expect([...people.keys()].sort()).toEqual([owner.userId, reviewer.userId].sort());
  expect(people.get(owner.userId)).toMatchObject({ name: 'Ada', email: expect.stringContaining('@') });
  expect([...clients.values()]).toEqual([{ id: agent.clientId, name: expect.any(String), owner_id: owner.userId }]);
  expect(JSON.stringify(decided)).not.toContain('Ada');
  const byUser = await harness.request(other);
  expect([...(await readSignOffNames(harness, [byUser])).people.keys()]).toEqual([other.userId]);
});

test('a client that was deleted has no names, and neither have no sign-offs', async () => {
  const { agent } = await harness.newAsking();
  const asked = await harness.request(agent);
  const gone = { ...asked, requested_by: { kind: 'client', id: 'deleted' }, client_id: null } as const;
  expect((await readSignOffNames(harness, [gone])).clients.size).toBe(0);
  const none = await readSignOffNames(harness, []);
  expect([none.people.size, none.clients.size]).toEqual([0, 0]);
});
