import {
  type McpServer,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Caller } from '../core/ports.ts';
import {
  cancelTask,
  checkTaskSoon,
  POLL_MS,
  readTask,
  TASK_SECONDS,
  type TaskRow,
} from '../wings/mcp/tasks/manage-tasks.ts';
import { TASKS_EXTENSION } from './asked.ts';
import { type McpCallContext, type McpPorts, perform, problemOf } from './perform-call.ts';
import { resultOf } from './tool-result.ts';

const byTask = z.object({ taskId: z.string().max(64) }).loose();

export const taskOf = (row: TaskRow) => ({
  taskId: row.id,
  status: row.state,
  statusMessage: row.message,
  createdAt: row.created_at,
  lastUpdatedAt: row.updated_at,
  ttlMs: TASK_SECONDS * 1_000,
  pollIntervalMs: POLL_MS,
});

/** Whether or not there is such a task: who does not declare the extension hears of none. */
const REQUIRED = { extensions: { [TASKS_EXTENSION]: {} } };

export const approvalPage = (apiUrl: string, { subject_id: id }: Pick<TaskRow, 'subject_id'>): string =>
  `${apiUrl}/signoff/${id}`;

/** What a person must do before the task goes on: open the page of the sign-off. */
const inputOf = ({ apiUrl }: McpPorts, row: TaskRow): object =>
  row.state === 'input_required'
    ? {
        inputRequests: {
          approval: {
            method: 'elicitation/create',
            params: {
              mode: 'url',
              message: row.message,
              elicitationId: row.subject_id,
              url: approvalPage(apiUrl, row),
            },
          },
        },
      }
    : {};

export function registerTaskMethods(server: McpServer, ports: McpPorts, context: McpCallContext): void {
  server.server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });
  const answerTo = (method: string, work: (id: string, caller: Caller) => Promise<object>): void =>
    server.server.setRequestHandler(method, { params: byTask }, async ({ taskId }, { mcpReq }) => {
      if (!context.asked.takesTasks) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: REQUIRED });
      const call = { method, name: 'task', need: ports.needOfTasks, meta: mcpReq._meta };
      const done = await perform(ports, call, context, (caller) => work(taskId, caller));
      if (done.error === undefined) return { resultType: 'complete', ...done.result };
      const { status, title } = done.error.definition;
      const code = status < 500 ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
      throw new ProtocolError(code, title, problemOf(done.error, done.traceId));
    });
  answerTo('tasks/get', async (id, caller) => {
    const row = await readTask(ports, id, caller);
    const ended =
      row.state === 'completed'
        ? { result: { resultType: 'complete', ...resultOf(row.result ?? {}, row.is_error) } }
        : {};
    return { ...taskOf(row), ...ended, ...inputOf(ports, row) };
  });
  answerTo('tasks/update', async (id, caller) => {
    await checkTaskSoon(ports, id, caller);
    return {};
  });
  answerTo('tasks/cancel', async (id, caller) => {
    await cancelTask(ports, id, caller);
    return {};
  });
}
