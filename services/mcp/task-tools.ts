import type { CallToolResult, McpServer, ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Caller } from '../core/ports.ts';
import { type Need, refusalOf } from '../core/shared/tool.ts';
import { isAppError } from '../platform/define/error.ts';
import { beginTask, cancelTask, readTask, type TaskRow } from '../wings/mcp/tasks/manage-tasks.ts';
import { followTask } from './follow-task.ts';
import { type McpCall, type McpCallContext, type McpPorts, type Performed, perform } from './perform-call.ts';
import { approvalPage, taskOf } from './task-methods.ts';
import { type PlainTask, plainTask, type TaskTool } from './task-shapes.ts';
import { toolResultOf } from './tool-result.ts';

const byTaskId = z.strictObject({ task_id: z.string().max(64) });

const plainTaskOf = ({ apiUrl }: McpPorts, row: TaskRow): PlainTask => ({
  task_id: row.id,
  status: row.state,
  message: row.message,
  ...(row.state === 'input_required' ? { approve_at: approvalPage(apiUrl, row) } : {}),
  ...(row.state === 'completed' ? { result: row.result ?? {}, is_error: row.is_error } : {}),
  ...(row.state === 'working' || row.state === 'input_required'
    ? { next: 'Call read_task to get its state, and its result.' }
    : {}),
});

/** What is done with a task, for which its result is awaited only by clients that follow its progress. */
type Work = (caller: Caller) => Promise<TaskRow>;

/** Tools that begin tasks, and tools that do what the extension does for clients without it. */
export function registerTaskTools(server: McpServer, ports: McpPorts, context: McpCallContext): void {
  const { asked, caller } = context;
  const isServed = ({ name, need }: Pick<McpCall, 'name' | 'need'>): boolean =>
    asked.calls.has(name) || refusalOf(need, caller) === null;
  for (const tool of ports.taskTools) if (isServed(tool)) registerTaskTool(server, ports, tool, context);
  for (const tool of plainToolsOf(ports.needOfTasks))
    if (isServed(tool)) registerPlainTool(server, ports, tool, context);
}

/** Does the work, then reports how it goes on to a client that asks for it. The event of the call is written before. */
async function performed(
  ports: McpPorts,
  call: McpCall,
  context: McpCallContext,
  ctx: ServerContext,
  work: Work,
): Promise<Performed> {
  const done = await perform(ports, call, context, work);
  if (done.error !== undefined) return done;
  try {
    return { ...done, result: await followTask(ports, done.result as TaskRow, context, ctx) };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { ...done, error };
  }
}

function registerTaskTool(server: McpServer, ports: McpPorts, tool: TaskTool, context: McpCallContext): void {
  const { name, kind, title, description, need } = tool;
  const annotations = { readOnlyHint: false, destructiveHint: false, openWorldHint: false };
  const { calls, takesTasks } = context.asked;
  // The SDK would validate a task, which replaces the result, as if it were one.
  const outputSchema = takesTasks ? (calls.has(name) ? undefined : tool.output) : plainTask;
  const config = { title, description, inputSchema: tool.input, annotations, ...(outputSchema && { outputSchema }) };
  server.registerTool(name, config, async (input, ctx) => {
    const call = { method: 'tools/call', name, need, meta: ctx.mcpReq._meta };
    const work: Work = (caller) => beginTask(ports, { kind, input }, caller);
    if (!takesTasks) return plainResultOf(ports, await performed(ports, call, context, ctx, work));
    const done = await perform(ports, call, context, work);
    const { _meta, ...refused } = toolResultOf(done);
    if (done.error !== undefined) return { ...refused, _meta };
    return { resultType: 'task', ...taskOf(done.result as TaskRow), _meta } as unknown as CallToolResult;
  });
}

const plainResultOf = (ports: McpPorts, done: Performed): CallToolResult =>
  toolResultOf(done, done.error === undefined ? plainTaskOf(ports, done.result as TaskRow) : undefined);

type PlainTool = {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly need: Need;
  readonly readOnlyHint: boolean;
  work(ports: McpPorts, id: string, caller: Caller): Promise<TaskRow>;
};

/** What clients without the extension do with a task. */
export const plainToolsOf = (need: Need): readonly PlainTool[] => [
  {
    name: 'read_task',
    title: 'Read a task',
    description:
      'Read the state of a task that you began, and its result. With a progress token it reports the steps of the task and waits up to 45 seconds for its end.',
    need,
    readOnlyHint: true,
    work: readTask,
  },
  {
    name: 'cancel_task',
    title: 'Cancel a task',
    description: 'Cancel a task that you began.',
    need,
    readOnlyHint: false,
    work: cancelTask,
  },
];

function registerPlainTool(server: McpServer, ports: McpPorts, tool: PlainTool, context: McpCallContext): void {
  const { name, title, description, need, readOnlyHint } = tool;
  const annotations = { readOnlyHint, destructiveHint: false, openWorldHint: false };
  const config = { title, description, inputSchema: byTaskId, outputSchema: plainTask, annotations };
  server.registerTool(name, config, async (input, ctx) => {
    const call = { method: 'tools/call', name, need, meta: ctx.mcpReq._meta };
    const work: Work = (caller) => tool.work(ports, input.task_id, caller);
    return plainResultOf(ports, await performed(ports, call, context, ctx, work));
  });
}
