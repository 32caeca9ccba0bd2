import { holds } from '#services/core/authority/callers.ts';
import { principalOf } from '#services/core/authority/names.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { TaskKind, TaskOwner, TaskProgress, TaskRow } from '#services/core/shared/task-kind.ts';
import type { Enqueue, Job } from '#services/platform/define/job.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import { taskUnknown } from '#services/wings/mcp/errors.ts';
import { changeTask, checkSoon, insertTask, readTaskRow } from './tasks.store.ts';

export type { TaskRow };

/** How long a task can be read after it began. */
export const TASK_SECONDS = 7 * 86_400;
/** How often a client should poll. */
export const POLL_MS = 2_000;

const ID_BYTES = 18;

/** Wakes the workers; without Redis they check by their timetable. */
export type HasTaskWake = { readonly wakeTasks: () => void };
export const taskWake = (enqueue: Enqueue, job: Job): HasTaskWake => ({
  wakeTasks: () => void enqueue(job, {}, { dedupe: 'wake' }).catch(() => {}),
});

/** The kinds of tasks, which get the same ports. */
type HasTaskKinds<KindPorts = never> = { readonly taskKinds: readonly TaskKind<KindPorts>[] };

type ReadPorts = Pick<Ports, 'sql'> & HasTaskKinds;
type ActPorts<KindPorts> = Pick<Ports, 'sql'> & HasTaskWake & HasTaskKinds<NoInfer<KindPorts>> & KindPorts;

/** Throws a TypeError for a kind that no module has. */
function kindOf<KindPorts>({ taskKinds }: HasTaskKinds<KindPorts>, kind: string): TaskKind<KindPorts> {
  const found = taskKinds.find(({ name }) => name === kind);
  if (found === undefined) throw new TypeError(`no module has tasks of the kind ${kind}`);
  return found;
}

/** Who began a task. A delegated token counts as its user by that client. Throws `permission_missing` for others. */
function ownerOf(caller: Caller): TaskOwner {
  const owner = principalOf(caller);
  if (owner === null) throw permissionMissing();
  return owner;
}

/** Begins long work. The task is stored before its id is returned, so that any copy answers for it. */
export async function beginTask<KindPorts>(
  ports: ActPorts<KindPorts> & Pick<Ports, 'random'>,
  { kind, input }: { readonly kind: string; readonly input: Readonly<Record<string, unknown>> },
  caller: Caller,
): Promise<TaskRow> {
  const owner = ownerOf(caller);
  const begun = await kindOf(ports, kind).begin(ports, input, caller);
  const id = ports.random.bytes(ID_BYTES).toString('base64url');
  const row = await insertTask(ports.sql, { id, kind, owner, arguments: input, ...begun });
  ports.wakeTasks();
  return row;
}

/**
 * A task for the caller that began it, while the caller has the permission; to others it is an unknown one. Throws
 * `permission_missing` (403), `task_unknown` (404).
 */
export async function readTask({ sql, taskKinds }: ReadPorts, id: string, caller: Caller): Promise<TaskRow> {
  const { kind, id: callerId, clientId } = ownerOf(caller);
  const row = await readTaskRow(sql, id);
  if (row === undefined || row.caller_kind !== kind || row.caller_id !== callerId || row.client_id !== clientId)
    throw taskUnknown();
  const permission = taskKinds.find(({ name }) => name === row.kind)?.permission;
  if (permission === undefined || !holds(caller, permission)) throw permissionMissing();
  return row;
}

export const readTaskProgress = async (ports: ReadPorts, task: TaskRow): Promise<TaskProgress> =>
  kindOf(ports, task.kind).look(ports, task);

/** Cancels a task. One that ended stays as it is, and one whose act runs goes on. Throws as `readTask`. */
export async function cancelTask<KindPorts>(ports: ActPorts<KindPorts>, id: string, caller: Caller): Promise<TaskRow> {
  const row = await readTask(ports, id, caller);
  if (row.state === 'completed' || row.state === 'cancelled') return row;
  if (!(await kindOf(ports, row.kind).cancel(ports, row, caller))) return row;
  const change = { state: 'cancelled', message: 'The caller cancelled the task.' } as const;
  return (await changeTask(ports.sql, row, change)) ?? readTask(ports, id, caller);
}

/** Has a task checked now, because its client says that a person has answered. Throws as `readTask`. */
export async function checkTaskSoon(ports: ReadPorts & HasTaskWake, id: string, caller: Caller): Promise<void> {
  await readTask(ports, id, caller);
  await checkSoon(ports.sql, id);
  ports.wakeTasks();
}
