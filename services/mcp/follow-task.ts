import { setTimeout as pause } from 'node:timers/promises';
import type { ServerContext } from '@modelcontextprotocol/server';
import { isAppError } from '../platform/define/error.ts';
import { unauthenticated } from '../platform/errors.ts';
import { checkTaskSoon, readTask, readTaskProgress, type TaskRow } from '../wings/mcp/tasks/manage-tasks.ts';
import type { McpCallContext, McpPorts } from './perform-call.ts';

const EVERY_MS = 500;
const WHOLE = 100;

const hasEnded = ({ state }: TaskRow): boolean => state === 'completed' || state === 'cancelled';

/**
 * Sends a notification of each step of a task to a client that asks for them, until the task ends or its place does.
 * Between two looks it holds no connection to a store. Returns the task as it then is; throws `unauthenticated` (401) if
 * the caller loses access meanwhile.
 */
export async function followTask(
  ports: McpPorts,
  begun: TaskRow,
  { caller, progress }: McpCallContext,
  { mcpReq }: ServerContext,
): Promise<TaskRow> {
  const progressToken = mcpReq._meta?.progressToken;
  if (progress === null || progressToken === undefined) return begun;
  const { signal, isStillAllowed } = progress;
  let task = begun;
  let sent = -1;
  let said = '';
  try {
    for (;;) {
      const isEnded = hasEnded(task);
      const step = isEnded ? { percent: WHOLE, message: task.message } : await readTaskProgress(ports, task);
      const { message } = step;
      // Only the end of the task is the whole.
      const percent = isEnded ? WHOLE : Math.min(step.percent, WHOLE - 1);
      if (percent > sent || message !== said) {
        // Each notification has a higher value than the last, also where only the message changed.
        sent = Math.max(percent, sent + 0.1);
        said = message;
        const params = { progressToken, progress: sent, total: WHOLE, message };
        await mcpReq.notify({ method: 'notifications/progress', params });
      }
      if (isEnded || signal.aborted) return task;
      if (step.percent === WHOLE) await checkTaskSoon(ports, task.id, caller);
      await pause(EVERY_MS, undefined, { signal }).catch(() => {});
      if (!(await isStillAllowed())) throw unauthenticated();
      task = await readTask(ports, task.id, caller);
    }
  } catch (err) {
    // The task goes on, and the client can read it.
    if (isAppError(err) && err.definition.status >= 500) return task;
    throw err;
  }
}
