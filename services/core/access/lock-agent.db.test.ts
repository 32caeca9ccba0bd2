import { expect, test } from 'vitest';
import { openAgentHarness } from '#services/wings/agents/agent-harness.ts';
import { killAgent } from '#services/wings/agents/manage-agents.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { lockAgent } from './lock-agent.ts';

const harness = opened(openAgentHarness);

const waiting = (count: number) =>
  expect
    .poll(
      () => harness.raw`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      { timeout: 20_000 },
    )
    .toHaveLength(count);

test.each([
  ['a kill', (agentId: string) => killAgent(harness, { agent_id: agentId, reason: 'test' }, testCaller)],
  [
    'the loss of its owner',
    (agentId: string) =>
      harness.raw`UPDATE users SET "disabledAt" = now()
        WHERE id = (SELECT owner_id FROM agents WHERE client_id = ${agentId})`,
  ],
])('%s waits only for requests of an agent that began before it, however many follow', async (_what, end) => {
  const ownerId = await harness.newUser([]);
  const { agent_id: agentId } = await harness.newAgent({ owner_id: ownerId });
  const held = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const first = harness.transact(async (tx) => {
    await lockAgent(tx, agentId);
    locked.resolve();
    await held.promise;
  });
  await locked.promise;
  const ending = end(agentId);
  await waiting(1);
  let isEnded = false;
  void ending.then(() => {
    isEnded = true;
  });
  const next = harness.transact((tx) => lockAgent(tx, agentId));
  await waiting(2);
  expect(isEnded).toBe(false);
  held.resolve();
  await Promise.all([first, ending]);
  expect(await next).toMatchObject({ is_live: false });
});
