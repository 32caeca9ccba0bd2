import { expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { patiently } from '#tools/testing/flows/flows.ts';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { userCaller } from '#tools/testing/harness/ports.ts';
import { type Json, type Sent, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { decideSignOff } from '../wings/signoff/decide-signoff.ts';
import { openMcpHarness } from './mcp-harness.ts';

const RACES = 50;
const ROLES = ['tech_lead', 'security_reviewer'] as const;

const harness = opened(() => openMcpHarness());
const admin = opened(() => newPerson(harness.api, ['admin']));
const approvers = opened(() => Promise.all(ROLES.map((role) => newPerson(harness.api, [role]))));

const post = (path: string, sent: Sent) => patiently(() => send(harness.api.url, 'POST', path, sent));

type Agent = { readonly id: string; readonly token: string };

/** An agent of a new administrator that may rotate the signing keys, if people approve. */
async function newAgent(): Promise<Agent> {
  const owner = await newPerson(harness.api, ['admin']);
  const json = {
    name: 'Rotator',
    owner_id: owner.id,
    credential_scopes: ['keys:manage'],
    audiences: ['*'],
    dpop_bound_access_tokens: false,
    reason: 'test',
  };
  const { body, text } = await post('/v1/admin/agents', { bearer: admin.bearer, json });
  const basic = { client_id: body.agent_id, client_secret: body.client_secret };
  const form = { grant_type: 'client_credentials', resource: harness.mcpUrl };
  const issued = await post('/oauth2/token', { basic, form });
  expect(issued.status, text + issued.text).toBe(200);
  return { id: body.agent_id, token: issued.body.access_token };
}

const ask = ({ token }: Agent, method: string, params: Json) => harness.ask(token, method, params);
const begin = (agent: Agent) =>
  ask(agent, 'tools/call', { name: 'rotate_signing_keys', arguments: { algorithm: 'ES256' } });
const kill = ({ id }: Agent) =>
  post(`/v1/admin/agents/${id}/kill`, { bearer: admin.bearer, json: { reason: 'stolen' } });

const due = () => harness.rows`UPDATE mcp_tasks SET next_look_at = now() WHERE state IN ('working', 'input_required')`;

async function approve(taskId: string): Promise<void> {
  const [signOff] = await harness.rows`SELECT id, arguments_sha256 FROM signoffs
    WHERE id = (SELECT subject_id FROM mcp_tasks WHERE id = ${taskId})`;
  const { stepUp, wakePings } = harness.api.ports;
  const ports = { ...harness.owner, stepUp, wakePings };
  for (const [at, role] of ROLES.entries()) {
    const person = userCaller((approvers[at] as Person).id, { acr: 'aal2', authTime: Math.floor(Date.now() / 1_000) });
    const { id, arguments_sha256 } = signOff;
    const input = { signoff_id: id, role, decision: 'approve', arguments_sha256 } as const;
    await decideSignOff(ports, input, person);
  }
}

test(`a kill that races the agent's tasks: in ${RACES} races nothing runs, or is reported as done, that had not started before the kill`, async () => {
  const rotations = async () => (await harness.rows`SELECT 1 FROM jwks WHERE purpose = 'access'`).length;
  const before = await rotations();
  for (let race = 0; race < RACES; race += 1) {
    const agent = await newAgent();
    const begun = (await patiently(() => begin(agent))).body.result;
    expect(begun.status, JSON.stringify(begun)).toBe('input_required');
    await approve(begun.taskId);
    await due();
    const [killed, ...rest] = await Promise.all([
      kill(agent),
      begin(agent),
      outcomeOf(harness.advanceTasks()),
      begin(agent),
      outcomeOf(harness.advanceTasks()),
      ask(agent, 'tasks/get', { taskId: begun.taskId }),
    ]);
    expect([killed.status, rest.length]).toEqual([200, 5]);
    // The server follows the feed: it refuses within a second, and from then on.
    await eventually('a refusal', async () => (await begin(agent)).status === 401);
    const told = await patiently(() => ask(agent, 'tasks/get', { taskId: begun.taskId }));
    expect(told.status).toBe(401);
  }
  await harness.seal();
  for (let turn = 0; turn < 3; turn += 1) {
    await due();
    await harness.advanceTasks();
  }
  const signOffs: Json[] = await harness.rows`
    SELECT s.state, s.started_at < a.killed_at AS started_alive, s.started_at, s.failure, t.state AS task, t.is_error
    FROM signoffs s JOIN agents a ON a.client_id = s.client_id LEFT JOIN mcp_tasks t ON t.subject_id = s.id`;
  expect(signOffs.length).toBeGreaterThanOrEqual(RACES);
  for (const one of signOffs) {
    expect(['done', 'failed']).toContain(one.state);
    if (one.started_at !== null) expect(one.started_alive, JSON.stringify(one)).toBe(true);
    if (one.state === 'failed' && one.task !== null) expect(one.is_error, JSON.stringify(one)).toBe(true);
    if (one.task !== null) expect(one.task, JSON.stringify(one)).toBe('completed');
  }
  const started = signOffs.filter(({ started_at }) => started_at !== null).length;
  expect((await rotations()) - before).toBeLessThanOrEqual(started);
});
