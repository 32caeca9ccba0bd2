import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AgentHarness, openAgentHarness } from '../wings/agents/agent-harness.ts';
import { AgentService } from './agent-service.ts';

let harness: AgentHarness;
beforeAll(async () => {
  harness = await openAgentHarness();
});
afterAll(() => harness?.end());

test('validateAgentCredentials accepts the secret of a live agent and no other', async () => {
  const service = new AgentService({ ...harness, wings: { leftOut: [] } });
  const { agent_id: agentId, client_secret: secret } = await harness.newAgent();
  expect(await service.validateAgentCredentials(agentId, { secret: secret ?? '' })).toBe(true);
  expect(await service.validateAgentCredentials(agentId, { secret: 'wrong' })).toBe(false);
  const actors = await harness.raw(
    `SELECT DISTINCT actor_id FROM audit_outbox WHERE type = 'agent.credentials_checked'`,
  );
  expect(actors).toEqual([{ actor_id: 'agent-service' }]);
});
