import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentCaller } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { agentCaller, clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { type IssuingHarness, openIssuingHarness } from '../issuing-harness.ts';
import { refreshToken } from '../refresh/refresh-token.ts';
import { type IssuePairInput, issuePair } from './issue-pair.ts';

const ISSUE = ['tokens:issue'];
const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'keys:read'];

let harness: IssuingHarness;
beforeAll(async () => {
  harness = await openIssuingHarness();
  await harness.rows(`INSERT INTO roles (name, description) VALUES ('issuers', 'Issues')`);
  await harness.rows(`INSERT INTO role_permissions VALUES ('issuers', 'tokens:issue'), ('issuers', 'keys:read')`);
});
afterAll(() => harness?.close());

const newUser = async (role: string): Promise<string> => {
  const userId = await insertUser(harness.stores.pools.main);
  await harness.rows('INSERT INTO user_roles (user_id, role) VALUES ($1, $2)', [userId, role]);
  return userId;
};

/** An agent that may issue, of an owner who may. */
async function newAgent(): Promise<AgentCaller> {
  const ownerId = await newUser('issuers');
  const { clientId } = await harness.newClient(ISSUE, { scopes: SCOPES });
  await harness.rows(
    `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, clock_timestamp() + interval '1 day')`,
    [clientId, ownerId],
  );
  await harness.reload();
  return agentCaller(clientId, ownerId, ISSUE);
}

const issue = (caller: Caller, input: IssuePairInput) => issuePair(harness.ports, input, caller);
const familiesOf = (userId: string) => harness.rows('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId]);

/** Every form in which an agent can ask. */
const formsOf = ({ clientId, ownerId }: AgentCaller): readonly Caller[] => {
  const held = { clientId, permissions: new Set(ISSUE), authTime: Math.floor(Date.now() / 1_000) };
  return [
    agentCaller(clientId, ownerId, ISSUE),
    // At a copy that has not heard of the agent.
    clientCaller(clientId, ISSUE),
    userCaller(ownerId, { ...held, agentId: clientId }),
    userCaller(ownerId, held),
  ];
};

test('an agent issues a pair of its owner, which names the agent and no roles, also after a refresh', async () => {
  const agent = await newAgent();
  const pair = await issue(agent, { userId: agent.ownerId, scope: 'openid profile keys:read' });
  const claims = decodeJwt(pair.access_token);
  expect(claims).toMatchObject({ sub: agent.ownerId, act: { sub: agent.clientId }, permissions: ['keys:read'] });
  expect(claims).not.toHaveProperty('roles');
  const presented = { refreshToken: pair.refresh_token, presentedBy: { clientId: null, isAuthenticated: false } };
  const next = await refreshToken(harness.ports, presented, { kind: 'anonymous', request: agent.request });
  expect(decodeJwt(next.access_token)).not.toHaveProperty('roles');
});

test('a pair that a client issues names no roles, whatever its scope', async () => {
  const client = await harness.newClient(ISSUE);
  const { access_token } = await issue(client, { userId: await newUser('issuers'), scope: 'openid profile' });
  expect(decodeJwt(access_token)).not.toHaveProperty('roles');
});

test('an agent issues for no other user, in whatever form it asks', async () => {
  const agent = await newAgent();
  const victim = await newUser('admin');
  // A copy that has not heard of the agent learns of it in the transaction.
  for (const caller of formsOf(agent))
    expect(['agent_not_accepted', 'permission_missing']).toContain(
      await outcomeOf(issue(caller, { userId: victim, scope: 'openid' })),
    );
  expect(await familiesOf(victim)).toEqual([]);
  for (const caller of formsOf(agent))
    expect(await outcomeOf(issue(caller, { userId: agent.ownerId, scope: 'openid' }))).toBe('ok');
});

test.each([
  ['killed', 'UPDATE agents SET killed_at = now() WHERE client_id = $1'],
  ['expired', 'UPDATE agents SET expires_at = now() - make_interval(secs => 1) WHERE client_id = $1'],
  ['disabled', 'UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1'],
])('an agent that was %s issues nothing, even at a copy that does not know', async (_state, change) => {
  const agent = await newAgent();
  await harness.rows(change, [agent.clientId]);
  for (const caller of formsOf(agent))
    expect(await outcomeOf(issue(caller, { userId: agent.ownerId, scope: 'openid' }))).toBe('permission_missing');
  expect(await familiesOf(agent.ownerId)).toEqual([]);
});

describe.each([
  ['loses the role', `DELETE FROM user_roles WHERE user_id = $1 AND role = 'issuers'`],
  ['is disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
  ['is deleted', 'DELETE FROM users WHERE id = $1'],
])('an owner who %s between the request of the agent and the answer', (_what, change) => {
  test('no pair is issued, and none is repeated for an idempotency key', async () => {
    const agent = await newAgent();
    const { ownerId: userId } = agent;
    const input = { userId, scope: 'openid', idempotencyKey: `key-of-${userId}` };
    const request = () => issue(agent, input);
    const { main } = harness.stores.pools;
    expect(await outcomeOf(overtaken(main, userId, change, request))).toBe('permission_missing');
    // With its owner the agent is deleted too, which the copy may have learnt meanwhile.
    expect(await outcomeOf(request())).toMatch(/^(permission_missing|client_unauthenticated)$/);
    expect(await familiesOf(userId)).toEqual([]);
  });
});
