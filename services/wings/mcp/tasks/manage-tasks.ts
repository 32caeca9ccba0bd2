import { permissionOf } from '#services/platform/define/endpoint.ts';
import type { Enqueue, Job } from '#services/platform/define/job.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import { principalOf } from '#services/core/authority/names.ts';
import { holds } from '#services/core/authority/permissions.ts';
import { requestReportEndpoint } from '#services/wings/compliance/contract.ts';
import { rotateKeysEndpoint } from '#services/core/keys/contract.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { taskUnknown } from '#services/core/health/errors.ts';
import { reportTask } from './report-task.ts';
import { type RotateBeginPorts, rotateKeysTask } from './signed-off-task.ts';
import type { TaskProgress } from './task-kind.ts';
import { changeTask, checkSoon, insertTask, readTaskRow, type TaskOwner, type TaskRow } from './tasks.store.ts';

export type { TaskRow };

/** How long a task can be read after it began. */
export const TASK_SECONDS = 7 * 86_400;
/** How often a client should poll. */
export const POLL_MS = 2_000;

const kinds = { compliance_report: reportTask, rotate_signing_keys: rotateKeysTask } as const;
export type TaskKindName = keyof typeof kinds;

const ID_BYTES = 18;

/** Wakes the workers; without Redis they check by their timetable. */
export type HasTaskWake = { readonly wakeTasks: () => void };
export const taskWake = (enqueue: Enqueue, job: Job): HasTaskWake => ({
  wakeTasks: () => void enqueue(job, {}, { dedupe: 'wake' }).catch(() => {}),
});

type TaskPorts = Pick<Ports, 'sql'> & RotateBeginPorts & HasTaskWake;

/** Who began a task. A delegated token counts as its user by that client. Throws `permission_missing` for others. */
function ownerOf(caller: Caller): TaskOwner {
  const owner = principalOf(caller);
  if (owner === null) throw permissionMissing();
  return owner;
}

/** Begins long work. The task is stored before its id is returned, so that any copy answers for it. */
export async function beginTask(
  ports: TaskPorts,
  { kind, input }: { readonly kind: TaskKindName; readonly input: Readonly<Record<string, unknown>> },
  caller: Caller,
): Promise<TaskRow> {
  const owner = ownerOf(caller);
  const begun = await kinds[kind].begin(ports, input, caller);
  const id = ports.random.bytes(ID_BYTES).toString('base64url');
  const row = await insertTask(ports.sql, { id, kind, owner, arguments: input, ...begun });
  ports.wakeTasks();
  return row;
}

/**
 * A task for the caller that began it, while the caller has the permission; to others it is an unknown one. Throws
 * `permission_missing` (403), `task_unknown` (404).
 */
export async function readTask({ sql }: Pick<Ports, 'sql'>, id: string, caller: Caller): Promise<TaskRow> {
  const { kind, id: callerId, clientId } = ownerOf(caller);
  const row = await readTaskRow(sql, id);
  if (row === undefined || row.callerKind !== kind || row.callerId !== callerId || row.clientId !== clientId)
    throw taskUnknown();
  if (!holds(caller, permissionOfTask[row.kind as TaskKindName])) throw permissionMissing();
  return row;
}

/** How far a task is that has not ended. */
export const readTaskProgress = async (ports: Pick<Ports, 'sql'>, task: TaskRow): Promise<TaskProgress> =>
  kinds[task.kind as TaskKindName].look(ports, task);

/** Cancels a task. One that ended stays as it is, and one whose act runs goes on. Throws as `readTask`. */
export async function cancelTask(ports: TaskPorts, id: string, caller: Caller): Promise<TaskRow> {
  const row = await readTask(ports, id, caller);
  if (row.state === 'completed' || row.state === 'cancelled') return row;
  if (!(await kinds[row.kind as TaskKindName].cancel(ports, row, caller))) return row;
  const change = { state: 'cancelled', message: 'The caller cancelled the task.' } as const;
  return (await changeTask(ports.sql, row, change)) ?? readTask(ports, id, caller);
}

/** Has a task checked now, because its client says that a person has answered. Throws as `readTask`. */
export async function checkTaskSoon(ports: TaskPorts, id: string, caller: Caller): Promise<void> {
  await readTask(ports, id, caller);
  await checkSoon(ports.sql, id);
  ports.wakeTasks();
}

/** The permission, and scope, that beginning a task of this kind needs. */
export const permissionOfTask: Readonly<Record<TaskKindName, string>> = {
  compliance_report: permissionOf(requestReportEndpoint),
  rotate_signing_keys: permissionOf(rotateKeysEndpoint),
};
