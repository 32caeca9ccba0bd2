import { decodeJwt } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { newPerson } from '#tools/testing/flows/people.ts';
import {
  clientCaller,
  createPatientPool,
  createTestPorts,
  testCaller,
  userCaller,
} from '#tools/testing/harness/ports.ts';
import { expectProblem, type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { dieOfPool } from '#tools/testing/processes/kill-points.ts';
import { sessionsEnded } from '#tools/testing/processes/killable.ts';
import type { Caller } from '../core/ports.ts';
import { loadList } from '../modules.ts';
import { beginTask, readTask } from '../wings/mcp/tasks/manage-tasks.ts';
import { decideSignOff } from '../wings/signoff/decide-signoff.ts';
import { readSignOff } from '../wings/signoff/read-signoff.ts';
import { openMcpHarness } from './mcp-harness.ts';

const harness = opened(() => openMcpHarness());
let token: string;
beforeAll(async () => {
  token = await harness.tokenOf(['keys:manage', 'signoffs:read']);
  await asAgent(clientOf(token));
});

const clientOf = (accessToken: string): string => (decodeJwt(accessToken) as { client_id: string }).client_id;
/** Makes a client an agent of a new person. */
async function asAgent(clientId: string): Promise<void> {
  const owner = await newPerson(harness.api, ['admin']);
  const insert = `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, now() + interval '1 day')`;
  await harness.rows(insert, [clientId, owner.id]);
}

const ask = async (method: string, params: Json, capabilities?: object): Promise<Json> =>
  (await harness.ask(token, method, params, capabilities)).body;
const begin = async (input: object = {}): Promise<Json> =>
  (await ask('tools/call', { name: 'rotate_signing_keys', arguments: input })).result;
const get = async (taskId: string): Promise<Json> => (await ask('tasks/get', { taskId })).result;
/** One run when every open task is due. */
const advance = async (ports = harness.taskPorts) => {
  await harness.rows`UPDATE mcp_tasks SET next_look_at = now() - interval '1 second'
    WHERE state IN ('working', 'input_required')`;
  await harness.advanceTasks(ports);
};
const stateOf = async (taskId: string): Promise<Json> =>
  (await harness.rows`SELECT state, is_error, result FROM mcp_tasks WHERE id = ${taskId}`)[0];
const signOffOf = async (taskId: string) => {
  const [row] = await harness.rows`SELECT subject_id AS id FROM mcp_tasks WHERE id = ${taskId}`;
  return readSignOff(harness.owner, { signoff_id: row.id }, testCaller);
};
async function decide(taskId: string, role: 'tech_lead' | 'security_reviewer', decision: 'approve' | 'deny') {
  const signOff = await signOffOf(taskId);
  const person = await newPerson(harness.api, [role]);
  const caller = userCaller(person.id, { acr: 'aal2', authTime: Math.floor(Date.now() / 1_000) });
  const { stepUp, wakePings } = harness.api.ports;
  const { signoff_id, arguments_sha256 } = signOff;
  const input = { signoff_id, role, decision, arguments_sha256 };
  await decideSignOff({ ...harness.owner, stepUp, wakePings }, input, caller);
}
const approve = async (taskId: string): Promise<void> => {
  await decide(taskId, 'tech_lead', 'approve');
  await decide(taskId, 'security_reviewer', 'approve');
};
/** A task that this caller began, by an MCP copy. */
const beginAs = async (caller: Caller): Promise<string> => {
  const taskKinds = await loadList('tasks');
  const ports = { ...harness.taskPorts, ...harness.owner, openSignOffsMax: 50, wakeTasks: () => {}, taskKinds };
  await ports.access.load();
  return (await beginTask(ports, { kind: 'rotate_signing_keys', input: {} }, caller)).id;
};
const rotations = async () => (await harness.rows`SELECT 1 FROM jwks WHERE purpose = 'access'`).length;

test('a risky call waits for two people, runs exactly once, and its result carries a receipt', async () => {
  const before = await rotations();
  const task = await begin();
  expect(task).toMatchObject({ resultType: 'task', status: 'input_required' });
  const { taskId } = task;
  const waiting = await get(taskId);
  const { signoff_id: id } = await signOffOf(taskId);
  expect(waiting.inputRequests.approval).toMatchObject({
    method: 'elicitation/create',
    params: { mode: 'url', url: `${harness.api.ports.publicUrl}/signoff/${id}` },
  });
  await decide(taskId, 'tech_lead', 'approve');
  await advance();
  expect(await get(taskId)).toMatchObject({
    status: 'input_required',
    statusMessage: 'Waits for approval by security_reviewer.',
  });
  expect(await rotations()).toBe(before);
  await decide(taskId, 'security_reviewer', 'approve');
  await Promise.all([advance(), advance(), advance()]);
  // As a check that began before the act was run leaves it.
  await harness.rows`UPDATE mcp_tasks SET state = 'input_required' WHERE id = ${taskId}`;
  await advance();
  expect(await rotations()).toBe(before + 1);
  const started = `SELECT count(*)::int AS started FROM audit_outbox WHERE type = 'signoff.started' AND target_id = $1`;
  expect(await harness.rows(started, [id])).toEqual([{ started: 1 }]);
  // The receipt is awaited until another job has sealed the event.
  expect(await get(taskId)).toMatchObject({ status: 'working' });
  await harness.seal();
  await advance();
  const completed = await get(taskId);
  expect(completed).toMatchObject({ status: 'completed', result: { structuredContent: { outcome: 'publish' } } });
  expect(completed.result.isError).toBeUndefined();
  const { receipt } = completed.result.structuredContent;
  expect(receipt).toMatchObject({ signoff_id: id, act: 'keys.rotate', outcome: 'done' });
  expect(receipt.approvals.map(({ role }: { role: string }) => role)).toEqual(['tech_lead', 'security_reviewer']);
  expect(receipt.proof).toMatch(/^c2sp.org\/tlog-proof@v1\n/);
  const listed = await ask('tools/call', { name: 'list_signoffs', arguments: {} });
  expect(listed.result.structuredContent.signoffs[0]).toMatchObject({ signoff_id: id, state: 'done' });
});

/** One run of the job by a worker that dies before this statement. @returns whether it came to its end */
async function runUntil(statement: number): Promise<boolean> {
  const pool = createPatientPool({ url: harness.databaseUrl, connections: 4, applicationName: 'dies' });
  const { death } = dieOfPool(pool, { statement, moment: 'before' });
  const { sql, transact, end } = createTestPorts(harness.databaseUrl, { pool });
  const isOver = await Promise.race([
    advance({ ...harness.taskPorts, sql, transact }).then(() => true),
    death.then(() => false),
  ]);
  await (isOver ? end() : sessionsEnded(harness.databaseUrl, 'dies'));
  return isOver;
}

test.each([
  ['decision and run', false],
  ['run and receipt', true],
])('a worker that dies between %s: the act runs at most once, and its task ends', async (_between, isRun) => {
  for (let [statement, isOver] = [1, false]; !isOver; statement += 1) {
    const { taskId } = await begin();
    await approve(taskId);
    if (isRun) await advance();
    await harness.seal();
    isOver = await runUntil(statement);
    await advance();
    const { state, signoff_id: id } = await signOffOf(taskId);
    // The end of an act whose worker has died is never reported.
    await harness.rows`ALTER TABLE signoffs DISABLE TRIGGER signoffs_kept`;
    await harness.rows`UPDATE signoffs SET expires_at = now() WHERE state = 'running'`;
    await harness.rows`ALTER TABLE signoffs ENABLE TRIGGER signoffs_kept`;
    await harness.seal();
    await advance();
    const started = await harness.rows`SELECT FROM audit_events WHERE type = 'signoff.started' AND target_id = ${id}`;
    const { result, ...ended } = await stateOf(taskId);
    const isDone = state === 'done';
    expect([started.length, ended, result.receipt?.outcome], `statement ${statement}: ${state}`).toEqual([
      1,
      { state: 'completed', is_error: !isDone },
      isDone ? 'done' : undefined,
    ]);
    if (isOver) expect([state, statement > 4]).toEqual(['done', true]);
  }
});

test('a waiting task is not checked until a person decides, and then by the next run', async () => {
  const { taskId } = await begin();
  await harness.advanceTasks();
  const readAt = async () => (await harness.rows`SELECT next_look_at FROM mcp_tasks WHERE id = ${taskId}`)[0];
  const { expires_at: expiresAt } = await signOffOf(taskId);
  expect(await readAt()).toEqual({ next_look_at: new Date(expiresAt) });
  await decide(taskId, 'tech_lead', 'approve');
  await harness.advanceTasks();
  expect((await get(taskId)).statusMessage).toBe('Waits for approval by security_reviewer.');
  await decide(taskId, 'security_reviewer', 'approve');
  await harness.advanceTasks();
  expect([(await get(taskId)).status, (await signOffOf(taskId)).state]).toEqual(['working', 'done']);
});

test('a call whose approver has lost the role waits again, and runs once another person has approved', async () => {
  const { taskId } = await begin();
  await approve(taskId);
  await harness.rows`DELETE FROM user_roles WHERE role = 'tech_lead'`;
  // The check that removes the approval makes the task due again.
  await advance();
  await harness.advanceTasks();
  expect(await get(taskId)).toMatchObject({
    status: 'input_required',
    statusMessage: 'Waits for approval by tech_lead.',
  });
  expect(await signOffOf(taskId)).toMatchObject({ state: 'pending', started_at: null });
  await decide(taskId, 'tech_lead', 'approve');
  await advance();
  expect(await signOffOf(taskId)).toMatchObject({ state: 'done' });
});

test('a call that not all parsers read alike begins no task', async () => {
  const call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rotate_signing_keys","arguments":';
  const answer = await send(harness.mcpUrl.replace(/\/mcp$/, ''), 'POST', '/mcp', {
    bearer: token,
    body: `${call}{"algorithm":"ES256","algorithm":"EdDSA"}}}`,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
  });
  expectProblem(answer, 400, 'mcp_message_refused');
  expect(answer.body.detail).toContain('/params/arguments/algorithm');
});

test('a denied call is not run, and its task says so', async () => {
  const before = await rotations();
  const { taskId } = await begin({ algorithm: 'ES256' });
  await decide(taskId, 'tech_lead', 'deny');
  await advance();
  expect(await get(taskId)).toMatchObject({
    status: 'completed',
    result: { isError: true, structuredContent: { code: 'signoff_denied', next: expect.any(String) } },
  });
  const { act, arguments_sha256 } = await signOffOf(taskId);
  const { authorization_details: lacking } = (await get(taskId)).result.structuredContent;
  expect(lacking).toMatchObject([{ type: 'sallyport_act', act, arguments_sha256, request_at: '/v1/handoff/signoffs' }]);
  expect(await rotations()).toBe(before);
});

test('a client that knows no tasks reads where people approve', async () => {
  const { result } = await ask('tools/call', { name: 'rotate_signing_keys', arguments: {} }, {});
  const { signoff_id: id } = await signOffOf(result.structuredContent.task_id);
  expect(result.structuredContent.approve_at).toBe(`${harness.api.ports.publicUrl}/signoff/${id}`);
});

test('an approved call of an agent that has reached its limit is not run, and its task says so', async () => {
  const { taskId } = await begin();
  await approve(taskId);
  const limit = `INSERT INTO agent_limits (client_id, set_by, act, acts_a_day) VALUES ($1, 'owner', 'keys.*', 0)`;
  await harness.rows(limit, [clientOf(token)]);
  await advance();
  await harness.rows`DELETE FROM agent_limits`;
  expect(await stateOf(taskId)).toMatchObject({ is_error: true, result: { code: 'agent_limit_reached' } });
  expect(await signOffOf(taskId)).toMatchObject({ state: 'approved' });
});

test('a cancelled task is not run, and is no longer approved', async () => {
  const before = await rotations();
  const { taskId } = await begin();
  await decide(taskId, 'tech_lead', 'approve');
  await ask('tasks/cancel', { taskId });
  await expect(decide(taskId, 'security_reviewer', 'approve')).rejects.toMatchObject({ code: 'signoff_closed' });
  expect(await signOffOf(taskId)).toMatchObject({ state: 'failed', failure: 'withdrawn' });
  await advance();
  expect([await rotations(), (await get(taskId)).status]).toEqual([before, 'cancelled']);
});

test('a task that is cancelled while a worker is about to run it is not run', async () => {
  const before = await rotations();
  const { taskId } = await begin();
  await approve(taskId);
  const ports = harness.taskPorts;
  const load = async () => {
    await ask('tasks/cancel', { taskId });
    await ports.access.load();
  };
  await advance({ ...ports, access: { ...ports.access, load } });
  expect(await signOffOf(taskId)).toMatchObject({ state: 'failed', started_at: null });
  expect([await rotations(), (await get(taskId)).status]).toEqual([before, 'cancelled']);
});

test('a task whose act runs cannot be cancelled, and a request that was withdrawn ends its task', async () => {
  const running = await begin();
  await approve(running.taskId);
  const { signoff_id: id } = await signOffOf(running.taskId);
  await harness.rows`UPDATE signoffs SET state = 'running', started_at = now() WHERE id = ${id}`;
  await ask('tasks/cancel', running);
  expect((await get(running.taskId)).status).toBe('input_required');
  await advance();
  expect((await get(running.taskId)).status).toBe('working');

  const { taskId } = await begin();
  const withdrawn = `UPDATE signoffs SET state = 'failed', failure = 'withdrawn', finished_at = now() WHERE id = $1`;
  await harness.rows(withdrawn, [(await signOffOf(taskId)).signoff_id]);
  await advance();
  expect((await get(taskId)).status).toBe('cancelled');
});

test('an agent that is killed while its act runs: its task fails with the reason', async () => {
  const { client_id: agentId } = await harness.newClient(['keys:manage']);
  await asAgent(agentId);
  const taskId = await beginAs(clientCaller(agentId));
  await approve(taskId);
  const { signoff_id: id } = await signOffOf(taskId);
  await harness.rows`UPDATE signoffs SET state = 'running', started_at = now() WHERE id = ${id}`;
  await harness.rows`UPDATE agents SET killed_at = now() WHERE client_id = ${agentId}`;
  await advance();
  expect(await stateOf(taskId)).toMatchObject({
    state: 'completed',
    is_error: true,
    result: { code: 'signoff_failed', failure: 'agent_killed' },
  });
});

describe('an approved act of a caller who may no longer ask for it is not run', () => {
  test.each([
    ['an agent that lost the permission', `UPDATE oauth_clients SET credential_scopes = '{}' WHERE "clientId" = $1`],
    ['a user whose client lost the scope', `UPDATE oauth_clients SET scopes = '{}' WHERE "clientId" = $1`],
    ['a user who lost the role', 'DELETE FROM user_roles WHERE user_id = $1'],
    ['a user who was disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
  ])('%s', async (who, statement) => {
    const before = await rotations();
    const { client_id: clientId } = await harness.newClient(['keys:manage']);
    const person = await newPerson(harness.api, ['admin']);
    await harness.rows`UPDATE oauth_clients SET scopes = '{keys:manage}' WHERE "clientId" = ${clientId}`;
    const isAgent = who.includes('agent');
    if (isAgent) await asAgent(clientId);
    const taskId = await beginAs(isAgent ? clientCaller(clientId) : userCaller(person.id, { clientId }));
    await approve(taskId);
    await harness.rows(statement, [statement.includes('oauth_clients') ? clientId : person.id]);
    await advance();
    expect(await stateOf(taskId)).toMatchObject({ is_error: true, result: { code: 'permission_missing' } });
    expect(await rotations()).toBe(before);
  });
});

test('crossed ids: the task of a user is unknown through another client, and refused without its permission', async () => {
  const [mine, other] = [await harness.newClient([]), await harness.newClient([])];
  const { id } = await newPerson(harness.api, ['admin']);
  const permissions = new Set(['keys:manage']);
  const begun = userCaller(id, { clientId: mine.client_id, permissions });
  const taskId = await beginAs(begun);
  const ports = { ...harness.owner, taskKinds: await loadList('tasks') };
  const outcome = (caller: Caller) => outcomeOf(readTask(ports, taskId, caller));
  expect(await outcome(begun)).toBe('ok');
  expect(await outcome({ ...begun, clientId: other.client_id })).toBe('task_unknown');
  expect(await outcome(clientCaller(mine.client_id, ['keys:manage']))).toBe('task_unknown');
  expect(await outcome({ ...begun, permissions: new Set() })).toBe('permission_missing');
});

test('an approved act of a client that was disabled meanwhile is not run', async () => {
  const before = await rotations();
  const { taskId } = await begin();
  await decide(taskId, 'tech_lead', 'approve');
  await decide(taskId, 'security_reviewer', 'approve');
  await harness.rows`UPDATE oauth_clients SET disabled = true
    WHERE "clientId" = (SELECT client_id FROM mcp_tasks WHERE id = ${taskId})`;
  await advance();
  const [task] = await harness.rows`SELECT state, result FROM mcp_tasks WHERE id = ${taskId}`;
  expect(task).toMatchObject({ state: 'completed', result: { code: 'client_disabled' } });
  expect(await rotations()).toBe(before);
});
