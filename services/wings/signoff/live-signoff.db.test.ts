import { describe, expect, test } from 'vitest';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { killAgent } from '../agents/manage-agents.ts';
import { finishSignOff } from './finish-signoff.ts';
import { ACT, ARGUMENTS, type Asking, openSignOffHarness } from './signoff-harness.ts';
import { startSignOff } from './start-signoff.ts';

const harness = opened(openSignOffHarness);

const start = (id: string, agent: Asking) =>
  startSignOff(harness, { signoff_id: id, act: ACT, arguments: ARGUMENTS }, agent);
const stateOf = async (id: string) =>
  (await harness.raw<{ state: string }>`SELECT state FROM signoffs WHERE id = ${id}`)[0]?.state;

/** How an agent ends; `kill` as an operator does it at another copy. */
const ENDS = {
  killed: (id: string) => harness.raw`UPDATE agents SET killed_at = now() WHERE client_id = ${id}`,
  disabled: (id: string) => harness.raw`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${id}`,
  expired: (id: string) =>
    harness.raw`UPDATE agents SET expires_at = now() - interval '1 second' WHERE client_id = ${id}`,
} as const;

describe.each(Object.entries(ENDS))('of an agent that was %s', (_how, end) => {
  test('no sign-off is requested, started or finished, at a copy that has not learned of it', async () => {
    const { agent } = await harness.newAsking();
    const [approved, running] = [await harness.approved(agent), await harness.approved(agent)];
    await start(running.signoff_id, agent);
    await end(agent.clientId);
    expect(await outcomeOf(harness.request(agent))).toBe('signoff_requester_ended');
    expect(await outcomeOf(start(approved.signoff_id, agent))).not.toBe('ok');
    const finish = finishSignOff(harness, { signoff_id: running.signoff_id, outcome: 'done' }, agent);
    expect(await outcomeOf(finish)).toBe('signoff_requester_ended');
  });

  test('no row is written that is open or done, whatever writes it', async () => {
    const { agent } = await harness.newAsking();
    const [approved, running] = [await harness.approved(agent), await harness.approved(agent)];
    await start(running.signoff_id, agent);
    await end(agent.clientId);
    const insert = `INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id,
        barred_users, required_roles, quorum, no_open_incident, expires_at)
      SELECT gen_random_uuid(), act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id, barred_users,
        required_roles, quorum, no_open_incident, expires_at FROM signoffs WHERE id = $1`;
    await expect(harness.raw(insert, [approved.signoff_id])).rejects.toThrow();
    const set = (id: string, state: string) =>
      harness.raw`UPDATE signoffs SET state = ${state}, started_at = now(),
        finished_at = CASE ${state} WHEN 'done' THEN now() END WHERE id = ${id}`;
    await expect(set(approved.signoff_id, 'running')).rejects.toThrow();
    await expect(set(running.signoff_id, 'done')).rejects.toThrow();
  });
});

test('a user approves no request of their own, whatever wrote the row', async () => {
  const { agent } = await harness.newAsking();
  const { signoff_id: like } = await harness.request(agent);
  const { userId } = await harness.newPerson('developer');
  const [own] = await harness.raw<{ id: string }>`
    INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id,
    barred_users,
      required_roles, quorum, no_open_incident, expires_at)
    SELECT gen_random_uuid(), act, title, arguments, arguments_sha256, 'user', ${userId}, 'sallyport', '{}',
      '{developer}', 1,
      no_open_incident, expires_at FROM signoffs WHERE id = ${like} RETURNING id`;
  const approve = `INSERT INTO signoff_decisions (signoff_id, role, user_id, decision) VALUES ($1, 'developer', $2, 'approve')`;
  await expect(harness.raw(approve, [own?.id, userId])).rejects.toThrow();
  const { userId: other } = await harness.newPerson('developer');
  await harness.raw(approve, [own?.id, other]);
});

test('the event of the end of a sign-off stays, whatever writes the row', async () => {
  const { agent } = await harness.newAsking();
  const { signoff_id: id } = await harness.approved(agent);
  await start(id, agent);
  await finishSignOff(harness, { signoff_id: id, outcome: 'done' }, agent);
  await expect(harness.raw`UPDATE signoffs SET event_id = gen_random_uuid() WHERE id = ${id}`).rejects.toThrow();
});

test('an agent requests no sign-off through another client, where its kill would not end it', async () => {
  const { agent, owner } = await harness.newAsking();
  const { clientId } = await harness.newPlainClient();
  const through = userCaller(owner.userId, { clientId, actingId: clientId, agentId: agent.clientId });
  expect(await outcomeOf(harness.request(through))).toBe('agent_not_accepted');
  const itself = userCaller(owner.userId, {
    clientId: agent.clientId,
    actingId: agent.clientId,
    agentId: agent.clientId,
  });
  expect(await outcomeOf(harness.request(itself))).toBe('ok');
});

test('no row begins in another state than pending, whatever writes it', async () => {
  const { agent } = await harness.newAsking();
  const { signoff_id: id } = await harness.request(agent);
  const insert = `INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id,
      barred_users, required_roles, quorum, no_open_incident, state, expires_at)
    SELECT gen_random_uuid(), act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id, barred_users,
      required_roles, quorum, no_open_incident, 'approved', expires_at FROM signoffs WHERE id = $1`;
  await expect(harness.raw(insert, [id])).rejects.toThrow();
});

describe('a kill amid parallel requests', () => {
  test('leaves no open request of the agent', async () => {
    const killed: string[] = [];
    for (let round = 0; round < 12; round += 1) {
      const { agent } = await harness.newAsking();
      const requests = Array.from({ length: 8 }, () => outcomeOf(harness.request(agent)));
      const kill = killAgent(harness, { agent_id: agent.clientId, reason: 'test' }, testCaller);
      const late = Array.from({ length: 4 }, () => outcomeOf(harness.request(agent)));
      await kill;
      for (const outcome of await Promise.all([...requests, ...late]))
        expect(['ok', 'signoff_requester_ended']).toContain(outcome);
      killed.push(agent.clientId);
    }
    const open = await harness.raw`SELECT id FROM signoffs
      WHERE client_id = ANY (${killed}) AND state IN ('pending', 'approved', 'running')`;
    expect(open).toEqual([]);
  });

  test('ends although the agent goes on asking without a pause', async () => {
    const { agent } = await harness.newAsking();
    let isKilled = false;
    const flood = Array.from({ length: 4 }, async () => {
      while (!isKilled) await outcomeOf(harness.request(agent));
    });
    await harness.request(agent);
    await killAgent(harness, { agent_id: agent.clientId, reason: 'test' }, testCaller);
    isKilled = true;
    await Promise.all(flood);
    expect(await outcomeOf(harness.request(agent))).toBe('signoff_requester_ended');
  });
});

test('a start that meets a kill ends as the kill wants it, or not at all', async () => {
  for (let round = 0; round < 6; round += 1) {
    const { agent } = await harness.newAsking();
    const { signoff_id: id } = await harness.approved(agent);
    const started = outcomeOf(start(id, agent));
    await killAgent(harness, { agent_id: agent.clientId, reason: 'test' }, testCaller);
    expect(['ok', 'signoff_not_runnable', 'signoff_requester_ended']).toContain(await started);
    expect(await stateOf(id)).toBe('failed');
  }
});
