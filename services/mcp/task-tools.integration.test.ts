import { beforeAll, expect, test } from 'vitest';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { ENVELOPE, openMcpHarness } from './mcp-harness.ts';

const harness = opened(() => openMcpHarness());
let token: string;
beforeAll(async () => {
  token = await harness.tokenOf(['compliance:read', 'compliance:manage']);
});

const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
const META = { ...ENVELOPE, 'io.modelcontextprotocol/clientCapabilities': TASKS };

const ask = async (method: string, params: Json, bearer = token, capabilities?: object): Promise<Json> =>
  (await harness.ask(bearer, method, params, capabilities)).body;
const begin = async (): Promise<Json> =>
  (await ask('tools/call', { name: 'request_compliance_report', arguments: {} })).result;
const get = async (taskId: string): Promise<Json> => (await ask('tasks/get', { taskId })).result;
const advance = () => harness.advanceTasks();
/** As the workers of reports do. */
const setReport = (taskId: string, status: string, progress: number) =>
  harness.rows`UPDATE compliance_reports SET status = ${status}, progress = ${progress}, started_at = now(),
      ended_at = CASE WHEN ${status} = 'failed' THEN now() END,
        failure = CASE WHEN ${status} = 'failed' THEN 'store_unavailable' END
    WHERE id = (SELECT subject_id FROM mcp_tasks WHERE id = ${taskId})`;
const lookNow = () =>
  harness.rows`UPDATE mcp_tasks SET next_look_at = now() - interval '1 second' WHERE state = 'working'`;

test('refuses a request whose header names another task than its body', async () => {
  const { taskId } = await begin();
  const message = { jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { taskId, _meta: META } };
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tasks/get', 'mcp-name': 'another' };
  const { status, body } = await harness.post(message, { token, headers });
  expect([status, body.error.code]).toEqual([400, -32020]);
});

test('long work becomes a task that any copy answers for, and ends with the result of the tool', async () => {
  const task = await begin();
  expect(task).toMatchObject({ resultType: 'task', status: 'working', ttlMs: 604_800_000, pollIntervalMs: 2_000 });
  const second = await harness.startMcp();
  const init = { name: 'read_task', arguments: { task_id: task.taskId } };
  const elsewhere = await fetch(second.url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: init }),
  });
  expect(await elsewhere.text()).toContain('working');
  await setReport(task.taskId, 'collecting', 40);
  await advance();
  expect(await get(task.taskId)).toMatchObject({
    resultType: 'complete',
    status: 'working',
    statusMessage: 'Reading the controls. 40 %',
  });
  await setReport(task.taskId, 'failed', 40);
  await lookNow();
  await advance();
  expect(await get(task.taskId)).toMatchObject({
    status: 'completed',
    result: { isError: true, structuredContent: { status: 'failed' } },
  });
});

test('a cancelled task and its report end, and stay so', async () => {
  const { taskId } = await begin();
  expect((await ask('tasks/cancel', { taskId })).result).toEqual(expect.objectContaining({ resultType: 'complete' }));
  expect(await get(taskId)).toMatchObject({ status: 'cancelled' });
  await advance();
  await ask('tasks/cancel', { taskId });
  expect(await get(taskId)).toMatchObject({ status: 'cancelled' });
  const [report] = await harness.rows`SELECT status FROM compliance_reports
    WHERE id = (SELECT subject_id FROM mcp_tasks WHERE id = ${taskId})`;
  expect(report).toEqual({ status: 'cancelled' });
  await expect(harness.rows`UPDATE mcp_tasks SET state = 'working' WHERE id = ${taskId}`).rejects.toThrow();
});

test('a task whose report ended just before its cancellation ends with the result', async () => {
  const { taskId } = await begin();
  await setReport(taskId, 'failed', 40);
  await ask('tasks/cancel', { taskId });
  await lookNow();
  await advance();
  expect(await get(taskId)).toMatchObject({ status: 'completed', result: { isError: true } });
});

test('a task of another caller is unknown, as one that does not exist', async () => {
  const { taskId } = await begin();
  const other = await harness.tokenOf(['compliance:read', 'compliance:manage']);
  for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update'])
    for (const [id, bearer] of [
      [taskId, other],
      ['x'.repeat(24), token],
    ] as const)
      expect((await ask(method, { taskId: id }, bearer)).error).toMatchObject({
        code: -32_602,
        data: { code: 'task_unknown' },
      });
  expect(await get(taskId)).toMatchObject({ status: 'working' });
  expect((await ask('tasks/update', { taskId, inputResponses: {} })).result).toMatchObject({ resultType: 'complete' });
});

test('a client that does not declare the extension may not use its methods, whether or not the task is its own', async () => {
  const { taskId } = await begin();
  for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update'])
    for (const id of [taskId, 'x'.repeat(24)])
      expect((await ask(method, { taskId: id }, token, {})).error).toEqual({
        code: -32_021,
        message: expect.any(String),
        data: { requiredCapabilities: TASKS },
      });
  expect(await get(taskId)).toMatchObject({ status: 'working' });
});

test('a client without the extension gets the task as the result of a tool, and polls and cancels by tools', async () => {
  const client = await harness.connect(token, 'legacy');
  const begun = await client.callTool({ name: 'request_compliance_report', arguments: {} });
  const { task_id } = begun.structuredContent as { task_id: string };
  expect(begun.structuredContent).toMatchObject({ status: 'working', next: expect.stringContaining('read_task') });
  await client.callTool({ name: 'cancel_task', arguments: { task_id } });
  const read = await client.callTool({ name: 'read_task', arguments: { task_id } });
  expect(read.structuredContent).toMatchObject({ task_id, status: 'cancelled' });
  await client.close();
});

test('without the permission no task begins', async () => {
  const reader = await harness.tokenOf(['compliance:read']);
  const refused = (await ask('tools/call', { name: 'request_compliance_report', arguments: {} }, reader)).result;
  expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'permission_missing' } });
  expect(refused.structuredContent.detail).toContain('compliance:manage');
});

test('a task is forgotten seven days after it began', async () => {
  const { taskId } = await begin();
  await harness.rows`UPDATE mcp_tasks SET created_at = now() - interval '8 days' WHERE id = ${taskId}`;
  await advance();
  expect((await ask('tasks/get', { taskId })).error).toMatchObject({ data: { code: 'task_unknown' } });
});
