import type { Caller, Ports } from '#services/core/ports.ts';
import { TASK_SECONDS, type TaskKindName } from './manage-tasks.ts';
import { advanceReportTask } from './report-task.ts';
import { advanceRotateKeysTask, type RotatePorts } from './signed-off-task.ts';
import { type AdvanceTask, ownerCaller } from './task-kind.ts';
import { changeTask, purgeTasks, readDueTasks, type TaskRow } from './tasks.store.ts';

export { tasksAreDue } from './tasks.store.ts';

type AdvancePorts = Pick<Ports, 'log'> & RotatePorts;

const advances = {
  compliance_report: advanceReportTask,
  rotate_signing_keys: advanceRotateKeysTask,
} as const satisfies Record<TaskKindName, AdvanceTask<RotatePorts>>;

const PAGE = 50;
const PAGES_MAX = 40;
/** When a task is checked again after a check failed. */
const AGAIN_SECONDS = 30;

/**
 * Checks the open tasks that are due and stores their new states. A task whose check fails is checked again later and
 * delays no other. Each check is safe to repeat.
 */
export async function advanceTasks(
  ports: AdvancePorts,
  { signal }: { readonly signal: AbortSignal },
  caller: Caller,
): Promise<void> {
  for (let page = 0; page < PAGES_MAX && !signal.aborted; page += 1) {
    const due = await readDueTasks(ports.sql, PAGE);
    // No poll keeps the directory of a worker; each check asks it for the caller of its task.
    if (due.length > 0) await ports.access.load();
    for (const task of due) if (!signal.aborted) await advanceOne(ports, task, caller);
    if (due.length < PAGE) break;
  }
  await purgeTasks(ports.sql, TASK_SECONDS);
}

async function advanceOne(ports: AdvancePorts, task: TaskRow, caller: Caller): Promise<void> {
  try {
    const change = await advances[task.kind as TaskKindName](ports, task, ownerCaller(ports, task, caller));
    await changeTask(ports.sql, task, change);
  } catch (err) {
    ports.log.warn({ err, kind: task.kind }, 'checking a task failed; it will be checked again');
    await changeTask(ports.sql, task, { state: task.state, message: task.message, afterSeconds: AGAIN_SECONDS });
  }
}
