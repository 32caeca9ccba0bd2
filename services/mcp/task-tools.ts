import {
  type CallToolResult,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
  TRACEPARENT_META_KEY,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { rotateKeysEndpoint } from '../domain/keys/contract.ts';
import {
  beginTask,
  cancelTask,
  checkTaskSoon,
  POLL_MS,
  permissionOfTask,
  readTask,
  TASK_SECONDS,
  type TaskKindName,
  type TaskRow,
} from '../domain/operations/tasks/manage-tasks.ts';
import type { Caller } from '../domain/ports.ts';
import { challengeOf, type McpCallContext, type McpPorts, perform, problemOf } from './perform-call.ts';

/** https://github.com/modelcontextprotocol/ext-tasks */
const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

type TaskTool = {
  readonly name: string;
  readonly kind: TaskKindName;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodObject;
};

/** Tools whose work takes longer than a request. */
const taskTools: readonly TaskTool[] = [
  {
    name: 'request_compliance_report',
    kind: 'compliance_report',
    title: 'Request a compliance report',
    description:
      'Build a signed compliance report. This takes up to minutes: the call returns a task to poll, whose result is the report.',
    input: z.strictObject({}),
  },
  {
    name: 'rotate_signing_keys',
    kind: 'rotate_signing_keys',
    title: 'Rotate the signing keys',
    description:
      'Publish the next signing key, once a tech lead and a security reviewer have approved exactly these arguments. The call returns a task that waits for them; it runs at most once, and its result carries a receipt with an inclusion proof of the audit log.',
    input: rotateKeysEndpoint.body!,
  },
];

const taskId = z.string().max(64);
const byTask = z.object({ taskId }).loose();
const byTaskId = z.strictObject({ task_id: taskId });

/** Whether the client understands a task as the result of a tool. */
function takesTasks({ mcpReq }: ServerContext): boolean {
  const declared = (mcpReq.envelope as Record<string, unknown> | undefined)?.[CAPABILITIES];
  const extensions = (declared as { extensions?: object } | undefined)?.extensions;
  return extensions !== undefined && Object.hasOwn(extensions, TASKS_EXTENSION);
}

/** The members of a task in every answer. */
const taskOf = (row: TaskRow) => ({
  taskId: row.id,
  status: row.state,
  statusMessage: row.message,
  createdAt: row.createdAt,
  lastUpdatedAt: row.updatedAt,
  ttlMs: TASK_SECONDS * 1_000,
  pollIntervalMs: POLL_MS,
});

/** What a person must do before the task goes on: open the page of the sign-off. */
const inputOf = ({ apiUrl }: McpPorts, { state, subjectId, message }: TaskRow): object =>
  state === 'input_required'
    ? {
        inputRequests: {
          approval: {
            method: 'elicitation/create',
            params: { mode: 'url', message, elicitationId: subjectId, url: `${apiUrl}/signoff/${subjectId}` },
          },
        },
      }
    : {};

const resultOf = (value: object, isError = false): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(value) }],
  structuredContent: value as Record<string, unknown>,
  ...(isError ? { isError } : {}),
});

/** The same task for clients without the extension: the result of a tool. */
const plainTaskOf = (row: TaskRow) => ({
  task_id: row.id,
  status: row.state,
  message: row.message,
  ...(row.state === 'completed' ? { result: row.result ?? {}, is_error: row.isError } : {}),
  ...(row.state === 'working' || row.state === 'input_required'
    ? { next: 'Call read_task to get its state, and its result.' }
    : {}),
});

/** Tools that begin tasks, the methods of the extension, and tools that do the same for clients without it. */
export function registerTasks(server: McpServer, ports: McpPorts, context: McpCallContext): void {
  for (const tool of taskTools) registerTaskTool(server, ports, tool, context);
  registerPlainTools(server, ports, context);
  server.server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });

  const answerTo = async (
    method: string,
    meta: unknown,
    work: (caller: Caller) => Promise<object>,
  ): Promise<Record<string, unknown>> => {
    const done = await perform(ports, { method, name: 'task', meta }, context, work);
    if (done.error === undefined) return { resultType: 'complete', ...done.result };
    const { status, title } = done.error.definition;
    const code = status < 500 ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(code, title, problemOf(done.error, done.traceId));
  };
  server.server.setRequestHandler('tasks/get', { params: byTask }, ({ taskId: id }, { mcpReq }) =>
    answerTo('tasks/get', mcpReq._meta, async (caller) => {
      const row = await readTask(ports, id, caller);
      const ended =
        row.state === 'completed'
          ? { result: { resultType: 'complete', ...resultOf(row.result ?? {}, row.isError) } }
          : {};
      return { ...taskOf(row), ...ended, ...inputOf(ports, row) };
    }),
  );
  server.server.setRequestHandler('tasks/update', { params: byTask }, ({ taskId: id }, { mcpReq }) =>
    answerTo('tasks/update', mcpReq._meta, async (caller) => {
      await checkTaskSoon(ports, id, caller);
      return {};
    }),
  );
  server.server.setRequestHandler('tasks/cancel', { params: byTask }, ({ taskId: id }, { mcpReq }) =>
    answerTo('tasks/cancel', mcpReq._meta, async (caller) => {
      await cancelTask(ports, id, caller);
      return {};
    }),
  );
}

function registerTaskTool(server: McpServer, ports: McpPorts, tool: TaskTool, context: McpCallContext): void {
  const { name, kind, title, description, input: inputSchema } = tool;
  const annotations = { readOnlyHint: false, destructiveHint: false, openWorldHint: false };
  const challenge = challengeOf(ports, { name, permission: permissionOfTask[kind] }, context);
  server.registerTool(name, { title, description, inputSchema, annotations, ...challenge }, async (input, ctx) => {
    const call = { method: 'tools/call', name, meta: ctx.mcpReq._meta };
    const done = await perform(ports, call, context, (caller) => beginTask(ports, { kind, input }, caller));
    const _meta = { [TRACEPARENT_META_KEY]: done.traceparent };
    if (done.error !== undefined) return { ...resultOf(problemOf(done.error, done.traceId), true), _meta };
    const row = done.result as TaskRow;
    // The extension replaces the result of the tool by the task.
    if (takesTasks(ctx)) return { resultType: 'task', ...taskOf(row), _meta } as unknown as CallToolResult;
    return { ...resultOf(plainTaskOf(row)), _meta };
  });
}

function registerPlainTools(server: McpServer, ports: McpPorts, context: McpCallContext): void {
  const plain = (
    name: string,
    title: string,
    description: string,
    readOnlyHint: boolean,
    work: (id: string, caller: Caller) => Promise<TaskRow>,
  ): void => {
    const annotations = { readOnlyHint, destructiveHint: false, openWorldHint: false };
    server.registerTool(name, { title, description, inputSchema: byTaskId, annotations }, async (input, { mcpReq }) => {
      const call = { method: 'tools/call', name, meta: mcpReq._meta };
      const done = await perform(ports, call, context, (caller) => work(input.task_id, caller));
      const _meta = { [TRACEPARENT_META_KEY]: done.traceparent };
      if (done.error !== undefined) return { ...resultOf(problemOf(done.error, done.traceId), true), _meta };
      return { ...resultOf(plainTaskOf(done.result as TaskRow)), _meta };
    });
  };
  plain('read_task', 'Read a task', 'Read the state of a task that you began, and its result.', true, (id, caller) =>
    readTask(ports, id, caller),
  );
  plain('cancel_task', 'Cancel a task', 'Cancel a task that you began.', false, (id, caller) =>
    cancelTask(ports, id, caller),
  );
}
