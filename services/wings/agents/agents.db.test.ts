import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { updateClient } from '#services/core/access/manage-clients.ts';
import { createClientRefusals } from '#services/core/access/refusals/count-refusals.ts';
import type { Caller } from '#services/core/ports.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import { clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { openAgentHarness } from './agent-harness.ts';
import { recordHeartbeatEndpoint } from './contract.ts';
import {
  explainAgentRefusals,
  explainOwnAgentRefusals,
  killAgent,
  killOwnAgent,
  listAgents,
  listOwnAgents,
  readAgent,
  recordHeartbeat,
} from './manage-agents.ts';
import { registerAgent } from './register-agent.ts';
import { validateAgentCredentials } from './validate-agent-credentials.ts';

const harness = opened(openAgentHarness);

const reason = 'test';
const clientOf = async (agentId: string) =>
  (
    await harness.raw<{
      scopes: string[];
      own: string[];
      disabled: boolean;
      epoch: number;
      refresh_copies: number;
    }>`SELECT scopes, credential_scopes AS own, disabled, refresh_copies, "tokenEpoch" AS epoch FROM oauth_clients
      WHERE "clientId" = ${agentId}`
  )[0];

describe('registering an agent', () => {
  test('makes a client that authenticates with the secret shown once, bound to a key, owned by a user', async () => {
    const ownerId = await harness.newUser(['operator']);
    const made = await harness.newAgent({
      owner_id: ownerId,
      credential_scopes: ['keys:read', 'tasks:write'],
      scopes: ['openid'],
    });
    expect(made).toMatchObject({
      owner_id: ownerId,
      status: 'active',
      scopes: ['openid'],
      credential_scopes: ['keys:read', 'tasks:write'],
      dpop_bound_access_tokens: true,
      last_seen_at: null,
      killed_at: null,
    });
    expect(harness.access.authenticateClient(made.agent_id, made.client_secret ?? '')).toMatchObject({
      agent: { ownerId },
      dpop_bound_access_tokens: true,
    });
    const { client_secret: _secret, ...view } = made;
    expect(await clientOf(made.agent_id)).toMatchObject({ refresh_copies: 43_200 });
    expect(await readAgent(harness, made)).toEqual(view);
    expect(await harness.eventsOf(made.agent_id)).toEqual(['client.created', 'agent.registered']);
  });

  test('with a permission that the owner lacks is refused, and leaves no client', async () => {
    const ownerId = await harness.newUser(['operator']);
    const before = await harness.raw`SELECT "clientId" FROM oauth_clients`;
    await expect(harness.newAgent({ owner_id: ownerId, scopes: ['openid', 'keys:manage'] })).rejects.toMatchObject({
      code: 'agent_exceeds_owner',
      options: { detail: 'The owner lacks keys:manage.' },
    });
    expect(await harness.raw`SELECT "clientId" FROM oauth_clients`).toEqual(before);
  });

  test('with a permission that the caller lacks is refused', async () => {
    const ownerId = await harness.newUser(['operator']);
    const manager = clientCaller('manager', ['agents:manage']);
    const input = harness.inputOf({ owner_id: ownerId, credential_scopes: ['keys:read'] });
    await expect(registerAgent(harness, input, manager)).rejects.toMatchObject({ code: 'rights_exceeded' });
  });

  test.each(['missing', 'disabled'])('for a %s user is refused', async (which) => {
    const ownerId = which === 'missing' ? randomUUID() : await harness.newUser();
    await harness.raw`UPDATE users SET "disabledAt" = now() WHERE id = ${ownerId}`;
    await expect(harness.newAgent({ owner_id: ownerId })).rejects.toMatchObject({ code: 'user_unknown' });
  });
});

describe('an agent never has more than its owner', () => {
  test('and loses a permission with its tokens at once when its owner loses the role', async () => {
    const ownerId = await harness.newUser(['operator']);
    const { agent_id: agentId } = await harness.newAgent({
      owner_id: ownerId,
      scopes: ['openid', 'keys:read'],
      credential_scopes: ['keys:read', 'tasks:write'],
    });
    await harness.raw`DELETE FROM user_roles WHERE user_id = ${ownerId} AND role = 'operator'`;
    expect(await clientOf(agentId)).toMatchObject({
      scopes: ['openid'],
      own: ['tasks:write'],
      disabled: false,
      epoch: 1,
    });
    expect(await harness.eventsOf(agentId)).toContain('client.tokens_revoked');
  });

  test('also when the role loses the permission', async () => {
    await harness.raw`INSERT INTO roles (name, description) VALUES ('keeper', 'x')`;
    await harness.raw`INSERT INTO role_permissions (role, permission) VALUES ('keeper', 'keys:read')`;
    const ownerId = await harness.newUser(['keeper']);
    const { agent_id: agentId } = await harness.newAgent({ owner_id: ownerId, credential_scopes: ['keys:read'] });
    await harness.raw`DELETE FROM role_permissions WHERE role = 'keeper'`;
    expect(await clientOf(agentId)).toMatchObject({ own: [], epoch: 1 });
  });

  test('a client administrator cannot widen it', async () => {
    const ownerId = await harness.newUser(['operator']);
    const { agent_id: clientId } = await harness.newAgent({ owner_id: ownerId, credential_scopes: ['keys:read'] });
    const changes = { credential_scopes: ['keys:read', 'keys:manage'], scopes: ['openid', 'users:manage'] };
    const changed = await updateClient(harness, { client_id: clientId, ...changes, reason }, testCaller);
    expect(changed).toMatchObject({ credential_scopes: ['keys:read'], scopes: ['openid'] });
    expect(await clientOf(clientId)).toMatchObject({ own: ['keys:read'], scopes: ['openid'] });
  });

  test('a new sign-out everywhere of the owner changes nothing of it', async () => {
    const ownerId = await harness.newUser(['operator']);
    const { agent_id: agentId } = await harness.newAgent({ owner_id: ownerId, credential_scopes: ['keys:read'] });
    await harness.raw`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ${ownerId}`;
    expect(await clientOf(agentId)).toMatchObject({ own: ['keys:read'], epoch: 0 });
  });
});

describe('killing an agent', () => {
  test('disables its client for good and ends its tokens; a second kill changes nothing and gets the same answer', async () => {
    const { agent_id: agentId, client_secret: secret } = await harness.newAgent();
    const killed = await killAgent(harness, { agent_id: agentId, reason }, testCaller);
    expect(killed).toMatchObject({ status: 'killed', killed_at: expect.any(String) });
    expect(await clientOf(agentId)).toMatchObject({ disabled: true, epoch: 1 });
    expect(harness.access.authenticateClient(agentId, secret ?? '')).toBeNull();
    expect(await killAgent(harness, { agent_id: agentId, reason }, testCaller)).toEqual(killed);
    expect(await clientOf(agentId)).toMatchObject({ epoch: 1 });
    await harness.raw`UPDATE oauth_clients SET disabled = false WHERE "clientId" = ${agentId}`;
    expect(await clientOf(agentId)).toMatchObject({ disabled: true });
    const revival = harness.raw`UPDATE agents SET killed_at = NULL WHERE client_id = ${agentId}`;
    await expect(revival).rejects.toThrow();
    expect((await harness.eventsOf(agentId)).slice(2).sort()).toEqual([
      'agent.killed',
      'client.changed',
      'client.tokens_revoked',
    ]);
  });

  test('two kills at once: one of them kills, and both get the same answer', async () => {
    const { agent_id: agentId } = await harness.newAgent();
    const kills = [1, 2].map(() => killAgent(harness, { agent_id: agentId, reason }, testCaller));
    const [first, second] = await Promise.all(kills);
    expect(second).toEqual(first);
    expect(await clientOf(agentId)).toMatchObject({ epoch: 1 });
    expect((await harness.eventsOf(agentId)).filter((type) => type === 'agent.killed')).toHaveLength(1);
  });

  test('is for the owner too, and of another user’s agent nothing is learned', async () => {
    const ownerId = await harness.newUser();
    const { agent_id: agentId } = await harness.newAgent({ owner_id: ownerId });
    const stranger = userCaller(await harness.newUser());
    const act = { agent_id: agentId, reason };
    await expect(killOwnAgent(harness, act, stranger)).rejects.toMatchObject({ code: 'agent_unknown' });
    await expect(killOwnAgent(harness, act, clientCaller('x'))).rejects.toMatchObject({ code: 'permission_missing' });
    const delegated = userCaller(ownerId, { clientId: agentId });
    await expect(killOwnAgent(harness, act, delegated)).rejects.toMatchObject({ code: 'permission_missing' });
    expect(await killOwnAgent(harness, act, userCaller(ownerId))).toMatchObject({ status: 'killed' });
  });

  test('disabling the owner kills the agents, deleting the owner deletes them with their clients', async () => {
    const ownerId = await harness.newUser();
    const { agent_id: agentId } = await harness.newAgent({ owner_id: ownerId });
    await harness.raw`UPDATE users SET "disabledAt" = now() WHERE id = ${ownerId}`;
    expect(await readAgent(harness, { agent_id: agentId })).toMatchObject({ status: 'killed' });
    await harness.raw`DELETE FROM users WHERE id = ${ownerId}`;
    await expect(readAgent(harness, { agent_id: agentId })).rejects.toMatchObject({ code: 'agent_unknown' });
    expect(await clientOf(agentId)).toBeUndefined();
  });
});

test('refusals of an agent are explained to its owner, by the rule of administrators, and to no other user', async () => {
  const ownerId = await harness.newUser();
  const { agent_id: agentId } = await harness.newAgent({ owner_id: ownerId });
  const counts = createClientRefusals(harness);
  const credentials = { isNamed: true, by: 'client_secret_basic', secret: 'wrong' } as const;
  counts.add(clientUnauthenticated(), { endpoint: recordHeartbeatEndpoint, clientId: agentId, credentials, sent: {} });
  await counts.write();
  const why = (caller: Caller) => explainOwnAgentRefusals(harness, { agent_id: agentId }, caller);
  const shown = await why(userCaller(ownerId));
  expect(shown).toMatchObject({ refusals: [{ client_id: agentId, cause: 'The client secret is wrong.' }] });
  expect(await explainAgentRefusals(harness, { agent_id: agentId })).toEqual(shown);
  await expect(why(userCaller(await harness.newUser()))).rejects.toMatchObject({ code: 'agent_unknown' });
  for (const caller of [clientCaller(agentId), userCaller(ownerId, { clientId: agentId })])
    await expect(why(caller)).rejects.toMatchObject({ code: 'permission_missing' });
});

describe('agents are listed', () => {
  test('by owner and status, page by page; an owner sees only their own', async () => {
    const ownerId = await harness.newUser();
    const ids = [];
    for (let made = 0; made < 3; made += 1) ids.push((await harness.newAgent({ owner_id: ownerId })).agent_id);
    await killAgent(harness, { agent_id: ids[0] as string, reason }, testCaller);
    const owner = userCaller(ownerId);
    const first = await listOwnAgents(harness, { limit: 2 }, owner);
    const second = await listOwnAgents(harness, { limit: 2, cursor: first.next ?? '' }, owner);
    expect([...first.agents, ...second.agents].map(({ agent_id }) => agent_id)).toEqual([...ids].sort());
    expect(second.next).toBeNull();
    const killed = await listAgents(harness, { owner: ownerId, status: 'killed', limit: 10 });
    expect(killed.agents.map(({ agent_id }) => agent_id)).toEqual([ids[0]]);
    expect((await listOwnAgents(harness, { limit: 10 }, userCaller(await harness.newUser()))).agents).toEqual([]);
  });
});

describe('a heartbeat', () => {
  test('shows that the agent runs; new capabilities are recorded, the same ones are not', async () => {
    const { agent_id: agentId } = await harness.newAgent({ heartbeat_seconds: 10 });
    await harness.raw`UPDATE agents SET created_at = now() - interval '1 hour' WHERE client_id = ${agentId}`;
    expect(await readAgent(harness, { agent_id: agentId })).toMatchObject({ status: 'silent' });
    const agent = clientCaller(agentId);
    const seen = await recordHeartbeat(harness, { capabilities: ['plan', 'act', 'plan'] }, agent);
    expect(seen).toMatchObject({ status: 'active', capabilities: ['act', 'plan'], last_seen_at: expect.any(String) });
    await recordHeartbeat(harness, { capabilities: ['plan', 'act'] }, agent);
    await recordHeartbeat(harness, {}, agent);
    expect((await readAgent(harness, { agent_id: agentId })).capabilities).toEqual(['act', 'plan']);
    expect((await harness.eventsOf(agentId)).filter((type) => type === 'agent.changed')).toHaveLength(1);
  });

  test('is only that of a live agent, by its own credentials', async () => {
    const ownerId = await harness.newUser();
    const { agent_id: agentId } = await harness.newAgent({ owner_id: ownerId });
    for (const caller of [clientCaller('demo'), userCaller(ownerId, { clientId: agentId })])
      await expect(recordHeartbeat(harness, {}, caller)).rejects.toMatchObject({ code: 'agent_unknown' });
    await killAgent(harness, { agent_id: agentId, reason }, testCaller);
    await expect(recordHeartbeat(harness, {}, clientCaller(agentId))).rejects.toMatchObject({ code: 'agent_unknown' });
  });
});

describe('validateAgentCredentials', () => {
  const check = (agentId: string, secret: string) =>
    validateAgentCredentials(harness, { agentId, credentials: { secret } }, testCaller);
  const outcomes = async () =>
    (
      await harness.raw<{ outcome: string; target: string | null; code: string | null }>`
        SELECT outcome, target_id AS target, detail ->> 'code' AS code FROM audit_outbox
        WHERE type = 'agent.credentials_checked' ORDER BY id`
    ).map(({ outcome, target, code }) => [outcome, target, code]);

  test('is true for the secret of a live agent, else false, with an event in every case', async () => {
    await harness.raw`TRUNCATE audit_outbox`;
    const { agent_id: id, client_secret: secret } = await harness.newAgent();
    const good = secret ?? '';
    expect([await check(id, good), await check(id, 'wrong')]).toEqual([true, false]);
    expect(await check('unknown', good)).toBe(false);
    await harness.raw`UPDATE agents SET expires_at = now() - make_interval(secs => 1) WHERE client_id = ${id}`;
    await harness.access.load();
    expect(await check(id, good)).toBe(false);
    expect(await readAgent(harness, { agent_id: id })).toMatchObject({ status: 'expired' });
    const other = await harness.newAgent();
    await killAgent(harness, { agent_id: other.agent_id, reason }, testCaller);
    expect(await check(other.agent_id, other.client_secret ?? '')).toBe(false);
    expect(await outcomes()).toEqual([
      ['ok', id, null],
      ['refused', id, 'wrong'],
      ['refused', null, 'unknown'],
      ['refused', id, 'disabled'],
      ['refused', other.agent_id, 'disabled'],
    ]);
  });

  test('is false for the secret of a client that is no agent', async () => {
    const { clientId, secret } = await harness.newPlainClient();
    expect(await check(clientId, secret)).toBe(false);
  });

  test('is true once for an assertion that the agent signed', async () => {
    const { agentId, assertion } = await harness.newAgentWithKeys();
    const signed = { agentId, credentials: { assertion: await assertion() } };
    expect(await validateAgentCredentials(harness, signed, testCaller)).toBe(true);
    expect(await validateAgentCredentials(harness, signed, testCaller)).toBe(false);
    const other = await harness.newAgentWithKeys();
    const crossed = { agentId, credentials: { assertion: await other.assertion() } };
    expect(await validateAgentCredentials(harness, crossed, testCaller)).toBe(false);
  });
});
