import { describe, expect, test } from 'vitest';
import { rotateClientSecret, updateClient } from '#services/core/access/manage-clients.ts';
import type { Caller } from '#services/core/ports.ts';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { agentCaller, clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { registerAgent } from '../agents/register-agent.ts';
import type { SignOffView } from './contract.ts';
import { readSignOffNames } from './read-names.ts';
import { requestSignOff } from './request-signoff.ts';
import { ACT, ARGUMENTS, type Asking, openSignOffHarness } from './signoff-harness.ts';

const harness = opened(openSignOffHarness);

const reason = 'test';
const permissions = new Set(['agents:manage', 'clients:manage', 'signoffs:request']);
/** A developer who also administers clients and agents. */
const newAdmin = async () => ({ ...(await harness.newPerson('developer')), permissions });
async function registeredBy(caller: Caller): Promise<Asking> {
  const ownerId = await harness.newUser(['developer']);
  const input = harness.inputOf({ owner_id: ownerId, credential_scopes: ['signoffs:request'] });
  const { agent_id: agentId } = await registerAgent(harness, input, caller);
  return agentCaller(agentId, ownerId, [...permissions]);
}
const decisionOn = async (agent: Asking, by: Caller): Promise<unknown> =>
  outcomeOf(harness.decide(await harness.request(agent), by, 'developer'));

describe('self-approval: an administrator does not decide what an agent asks for', () => {
  test('that the administrator registered for another user, by themselves or through an agent of theirs', async () => {
    const admin = await newAdmin();
    const agent = await registeredBy(admin);
    expect(await decisionOn(agent, admin)).toBe('signoff_self_approval');
    expect(await decisionOn(await registeredBy(agent), admin)).toBe('signoff_self_approval');
    expect(await decisionOn(agent, await newAdmin())).toBe('ok');
  });

  test('whose secret or keys the administrator has set', async () => {
    const [registrar, second, third, other] = [await newAdmin(), await newAdmin(), await newAdmin(), await newAdmin()];
    const agent = await registeredBy(registrar);
    const { clientId } = agent;
    await rotateClientSecret(harness, { client_id: clientId, reason }, second);
    const jwks = { keys: [newAssertionMaker().jwk] };
    const authentication = { auth_method: 'private_key_jwt', jwks } as const;
    await updateClient(harness, { client_id: clientId, reason, ...authentication }, third);
    // Another name gives no credential.
    await updateClient(harness, { client_id: clientId, reason, name: 'Renamed' }, other);
    for (const admin of [registrar, second, third])
      expect(await decisionOn(agent, admin)).toBe('signoff_self_approval');
    expect(await decisionOn(agent, other)).toBe('ok');
  });

  test('whose secret the administrator sets after the request, once it is set', async () => {
    const [admin, other] = [await newAdmin(), await newAdmin()];
    const agent = await registeredBy(other);
    const signOff = await harness.request(agent);
    await rotateClientSecret(harness, { client_id: agent.clientId, reason }, admin);
    expect(await outcomeOf(harness.decide(signOff, admin, 'developer'))).toBe('signoff_self_approval');
  });
});

test('a user does not have a request decided by a person who has set the secret of the client in between', async () => {
  const admin = await newAdmin();
  const { clientId } = await harness.newPlainClient();
  const user = userCaller(await harness.newUser(), { clientId });
  const before = await harness.request(user);
  await rotateClientSecret(harness, { client_id: clientId, reason }, admin);
  for (const signOff of [before, await harness.request(user)])
    expect(await outcomeOf(harness.decide(signOff, admin, 'developer'))).toBe('signoff_self_approval');
});

test('a client without an owner cannot request a sign-off, and a user can through such a client', async () => {
  const { clientId } = await harness.newPlainClient();
  expect(await outcomeOf(harness.request(clientCaller(clientId)))).toBe('signoff_owner_required');
  const user = userCaller(await harness.newUser(), { clientId });
  expect(await harness.request(user)).toMatchObject({ requested_by: { kind: 'user', id: user.userId } });
});

test('open sign-offs of one requester are limited, also when requested at once; ended and expired ones do not count', async () => {
  const [agent, other] = [await registeredBy(await newAdmin()), await registeredBy(await newAdmin())];
  const limited = { ...harness, openSignOffsMax: 3 };
  const input = { act: ACT, title: 'x', arguments: ARGUMENTS, required_roles: ['developer'] } as const;
  const request = (by: Caller) => requestSignOff(limited, input, by);
  const atOnce = await Promise.allSettled([1, 2, 3, 4, 5].map(() => request(agent)));
  const made = atOnce.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  expect(made).toHaveLength(3);
  expect(await outcomeOf(request(agent))).toBe('signoff_too_many');
  expect(await outcomeOf(request(other))).toBe('ok');

  const [denied, expired] = made as [SignOffView, SignOffView];
  await harness.decide(denied, await harness.newPerson('developer'), 'developer', { decision: 'deny' });
  await harness.age(expired, 25);
  const outcomes = [await outcomeOf(request(agent)), await outcomeOf(request(agent)), await outcomeOf(request(agent))];
  expect(outcomes).toEqual(['ok', 'ok', 'signoff_too_many']);
});

test('the names of a sign-off are those of the agent that asks, its owner and the people who decided, and no others', async () => {
  const { agent, owner } = await harness.newAsking();
  const [reviewer, other] = [await harness.newPerson('developer'), await harness.newPerson('tech_lead')];
  await harness.raw`UPDATE users SET name = 'Ada' WHERE id = ${owner.userId}`;
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
