import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { TaskAdvance, TaskRow, WhyNot } from '#services/core/shared/task-kind.ts';
import { TASK_SECONDS } from './manage-tasks.ts';
import { ownerCaller, whyOwnerMayNot } from './task-owner.ts';
import { changeTask, purgeTasks, readDueTasks } from './tasks.store.ts';

export { tasksAreDue } from './tasks.store.ts';

/** How tasks are advanced, one for each kind, which get the same ports. */
type HasTaskAdvances<KindPorts> = { readonly taskAdvances: readonly TaskAdvance<KindPorts>[] };

type AdvancePorts<KindPorts> = Pick<Ports, 'log' | 'sql'> & HasAccess & HasTaskAdvances<NoInfer<KindPorts>> & KindPorts;

const PAGE = 50;
const PAGES_MAX = 40;
/** When a task is checked again after a check failed. */
const AGAIN_SECONDS = 30;

/**
 * Checks the open tasks that are due and stores their new states. A task whose check fails is checked again later and
 * delays no other. Each check is safe to repeat.
 */
export async function advanceTasks<KindPorts>(
  ports: AdvancePorts<KindPorts>,
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

async function advanceOne<KindPorts>(ports: AdvancePorts<KindPorts>, task: TaskRow, caller: Caller): Promise<void> {
  try {
    const kind = ports.taskAdvances.find(({ name }) => name === task.kind);
    if (kind === undefined) throw new TypeError(`no module advances tasks of the kind ${task.kind}`);
    const whyNot: WhyNot = (permission) => whyOwnerMayNot(ports, task, permission);
    const change = await kind.advance(ports, task, ownerCaller(ports, task, caller), whyNot);
    await changeTask(ports.sql, task, change);
  } catch (err) {
    ports.log.warn({ err, kind: task.kind }, 'checking a task failed; it will be checked again');
    await changeTask(ports.sql, task, { state: task.state, message: task.message, afterSeconds: AGAIN_SECONDS });
  }
}
