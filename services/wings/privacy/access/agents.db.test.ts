import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import type { Caller } from '#services/core/ports.ts';
import { agentCaller, clientCaller, createPatientPool, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf, outcomeOfCall } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { openPhiHarness, stepUpOf } from '../phi-harness.ts';
import { openBreakGlass } from './break-glass.ts';
import { decideAccess } from './decide-access.ts';
import { setFieldPolicy } from './field-policies.ts';
import { readExport } from './privacy-requests.ts';

const now = Math.floor(Date.now() / 1_000);
const RECORD = { name: 'Ada', dx: 'HIV' };
const RISKY = [
  ['loses the role', `DELETE FROM user_roles WHERE user_id = $1 AND role = 'operator'`],
  ['is disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
  ['is deleted', 'DELETE FROM users WHERE id = $1'],
] as const;

const harness = opened(() => openPhiHarness());
let pool: pg.Pool;
beforeAll(async () => {
  pool = createPatientPool({ url: harness.ports.databaseUrl, connections: 4, applicationName: 'test' });
  const policy = { role: 'operator', purpose: 'treatment', fields: ['name'], reason: 'test' } as const;
  await setFieldPolicy(harness.ports, policy, testCaller);
});
const treatment = opened(() => harness.encrypt(RECORD));
const payment = opened(() => harness.encrypt(RECORD, { purpose: 'payment' }));
const high = opened(() => harness.encrypt(RECORD, { level: 'high' }));
afterAll(() => pool?.end());

type Agent = { readonly agentId: string; readonly ownerId: string; readonly callers: Record<string, Caller> };

/** An agent whose owner has this role, and every form in which it can call. */
async function newAgent(role: string | null = 'operator'): Promise<Agent> {
  const { raw } = harness.ports;
  const ownerId = randomUUID();
  await raw`INSERT INTO users (id, email) VALUES (${ownerId}, ${`${ownerId}@example.test`})`;
  if (role !== null) await raw`INSERT INTO user_roles (user_id, role) VALUES (${ownerId}, ${role})`;
  const { clientId: agentId } = await createClient(
    harness.ports,
    { name: 'Agent', grant_types: ['client_credentials'] },
    testCaller,
  );
  await raw`INSERT INTO agents (client_id, owner_id, expires_at)
    VALUES (${agentId}, ${ownerId}, now() + interval '1 day')`;
  const held = { roles: ['clinician'], authTime: now, clientId: agentId };
  return {
    agentId,
    ownerId,
    callers: {
      'by its secret': agentCaller(agentId, ownerId),
      'at a copy that has not heard of the agent': clientCaller(agentId),
      'by a token of its owner': userCaller(ownerId, { ...held, actingId: agentId, agentId }),
      'by a token of its owner, at a copy that has not heard of the agent': userCaller(ownerId, held),
    },
  };
}

const FORMS = [
  'by its secret',
  'at a copy that has not heard of the agent',
  'by a token of its owner',
  'by a token of its owner, at a copy that has not heard of the agent',
];

describe.each(FORMS)('an agent %s', (form) => {
  const callerOf = ({ callers }: Agent): Caller => callers[form] as Caller;

  test('sees the fields that the roles of its owner allow now, whatever roles its token names', async () => {
    const agent = await newAgent();
    expect(await harness.decrypt(treatment, 'treatment', callerOf(agent))).toEqual({ name: 'Ada' });
    expect(await outcomeOf(harness.decrypt(payment, 'payment', callerOf(agent)))).toBe('phi_access_refused');
    const { basis } = await decideAccess(harness.ports, { subject_id: 'p-1', purpose: 'treatment' }, callerOf(agent));
    expect(basis).toBe('policy');
    await harness.ports.raw`DELETE FROM user_roles WHERE user_id = ${agent.ownerId}`;
    expect(await outcomeOf(harness.decrypt(treatment, 'treatment', callerOf(agent)))).toBe('phi_access_refused');
  });

  test('of an owner without a policy sees nothing', async () => {
    const agent = await newAgent(null);
    expect(await outcomeOf(harness.decrypt(treatment, 'treatment', callerOf(agent)))).toBe('phi_access_refused');
  });

  test('never gets a value of level high, however recently its owner signed in, and the refusal is recorded', async () => {
    const agent = await newAgent();
    expect(await outcomeOf(harness.decrypt(high, 'treatment', callerOf(agent)))).toBe('agent_not_accepted');
    const refused = (await harness.events()).filter(({ detail }) => detail.code === 'agent_not_accepted');
    expect(refused.at(-1)).toMatchObject({ type: 'phi.decrypted', outcome: 'refused', target_id: 'p-1' });
  });

  test('gets nothing from the emergency access of its owner', async () => {
    const agent = await newAgent(null);
    const emergency = { subject_id: 'p-1', minutes: 30, reason: 'test' };
    await openBreakGlass(harness.ports, emergency, userCaller(agent.ownerId, { authTime: now }));
    expect(await harness.decrypt(treatment, 'treatment', userCaller(agent.ownerId))).toEqual(RECORD);
    expect(await outcomeOf(harness.decrypt(treatment, 'treatment', callerOf(agent)))).toBe('phi_access_refused');
  });

  test.each([
    ['killed', 'UPDATE agents SET killed_at = now() WHERE client_id = $1'],
    ['expired', 'UPDATE agents SET expires_at = now() - make_interval(secs => 1) WHERE client_id = $1'],
    ['disabled', 'UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1'],
  ])('that was %s sees nothing, even at a copy that does not know', async (_state, change) => {
    const agent = await newAgent();
    await harness.ports.raw(change, [agent.agentId]);
    expect(await outcomeOf(harness.decrypt(treatment, 'treatment', callerOf(agent)))).toBe('phi_access_refused');
  });
});

describe.each(RISKY)('an owner who %s between the request of the agent and the answer', (_what, change) => {
  test('the agent sees nothing, and the log says that it was refused', async () => {
    const agent = await newAgent();
    const before = (await harness.events()).length;
    const request = () => harness.decrypt(treatment, 'treatment', agent.callers['by its secret']);
    expect(await outcomeOf(overtaken(pool, agent.ownerId, change, request))).toBe('phi_access_refused');
    expect((await harness.events()).slice(before)).toMatchObject([{ type: 'phi.decrypted', outcome: 'refused' }]);
  });
});

test('an agent neither opens emergency access nor downloads an export, also with a token of its owner', async () => {
  const { callers } = await newAgent();
  for (const form of ['by its secret', 'by a token of its owner'] as const) {
    const caller = callers[form] as Caller;
    const emergency = { subject_id: 'p-1', minutes: 30, reason: 'test' };
    expect(outcomeOfCall(() => openBreakGlass(harness.ports, emergency, caller))).toBe('users_only');
    const own = { ...harness.ports, stepUp: stepUpOf(harness.ports) };
    expect(await outcomeOf(readExport(own, { request_id: randomUUID() }, caller))).toBe('agent_not_accepted');
  }
});
