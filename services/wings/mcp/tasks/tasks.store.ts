import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import type { TaskChange, TaskOwner, TaskRow, TaskState } from '#services/core/shared/task-kind.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

const COLUMNS = `id, kind, caller_kind, caller_id, client_id, arguments, state,
  subject_id, message, result, is_error, ${placeTime('created_at')} AS created_at,
  ${placeTime('updated_at')} AS updated_at, ${placeTime('next_look_at')} AS next_look_at`;
const OPEN = `state IN ('working', 'input_required')`;

const DUE = `${OPEN} AND next_look_at <= now()`;

/** Index: mcp_tasks_next_look_at. */
export const tasksAreDue = defineQuestion(`EXISTS (SELECT FROM mcp_tasks WHERE ${DUE})`);

const mcpTaskInsert = defineStatement('mcpTaskInsert')`
  INSERT INTO mcp_tasks (id, kind, caller_kind, caller_id, client_id, arguments, state, subject_id, message)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${COLUMNS}`;
const mcpTaskRead = defineStatement('mcpTaskRead', `SELECT ${COLUMNS} FROM mcp_tasks WHERE id = $1`);
// Reads the index of open tasks, those that are due the longest first.
const mcpTasksDue = defineStatement('mcpTasksDue')`
  SELECT ${COLUMNS} FROM mcp_tasks WHERE ${DUE} ORDER BY mcp_tasks.next_look_at LIMIT $1`;
// By the primary key; a task that ended meanwhile is not found. Waiting at $7 stores what a check read at $8: if the task
// was woken since, what it read may be out of date, so nothing is stored and the task stays due.
const mcpTaskChange = defineStatement('mcpTaskChange')`
  UPDATE mcp_tasks SET state = $2, message = $3, result = coalesce($4, result), is_error = $5,
    updated_at = CASE WHEN state = $2 AND message = $3 THEN updated_at ELSE clock_timestamp() END,
    next_look_at = coalesce($7::timestamptz, clock_timestamp() + make_interval(secs => $6))
  WHERE id = $1 AND ${OPEN} AND ($7::timestamptz IS NULL OR next_look_at = $8::timestamptz) RETURNING ${COLUMNS}`;
const mcpTaskLook = defineStatement('mcpTaskLook')`
  UPDATE mcp_tasks SET next_look_at = least(clock_timestamp(), next_look_at) WHERE id = $1 AND ${OPEN}`;
const mcpTasksPurge = defineStatement('mcpTasksPurge')`
  DELETE FROM mcp_tasks WHERE id IN (
    SELECT id FROM mcp_tasks WHERE created_at < now() - make_interval(secs => $1) ORDER BY mcp_tasks.created_at LIMIT 1000)`;

// By the primary keys of the user, the user's roles and their permissions.
const mcpTaskPermissionHeld = defineStatement('mcpTaskPermissionHeld')`
  SELECT 1 FROM users WHERE id = $1 AND "disabledAt" IS NULL AND $2 = ANY (user_permissions(id))`;

export async function insertTask(
  sql: Sql,
  task: {
    readonly id: string;
    readonly kind: string;
    readonly owner: TaskOwner;
    readonly arguments: object;
    readonly state: TaskState;
    readonly subjectId: string;
    readonly message: string;
  },
): Promise<TaskRow> {
  const { id, kind, owner, state, subjectId, message } = task;
  const given = JSON.stringify(task.arguments);
  const values = [id, kind, owner.kind, owner.id, owner.clientId, given, state, subjectId, message];
  const [row] = await sql.query<TaskRow>(mcpTaskInsert, values);
  return row as TaskRow;
}

export async function readTaskRow(sql: Sql, id: string): Promise<TaskRow | undefined> {
  const [row] = await sql.query<TaskRow>(mcpTaskRead, [id]);
  return row;
}

export const readDueTasks = (sql: Sql, limit: number): Promise<TaskRow[]> => sql.query(mcpTasksDue, [limit]);

/** Undefined when the task has ended, or was woken since it was read and would only wait on. */
export async function changeTask(
  sql: Sql,
  { id, next_look_at: nextLookAt }: Pick<TaskRow, 'id' | 'next_look_at'>,
  change: TaskChange,
): Promise<TaskRow | undefined> {
  const { state, message, result, isError = false, afterSeconds = 0, at = null } = change;
  const stored = result === undefined ? null : JSON.stringify(result);
  const values = [id, state, message, stored, isError, afterSeconds, at, nextLookAt];
  const [row] = await sql.query<TaskRow>(mcpTaskChange, values);
  return row;
}

export const holdsPermission = async (sql: Sql, userId: string, permission: string): Promise<boolean> =>
  (await sql.query(mcpTaskPermissionHeld, [userId, permission])).length === 1;

export const checkSoon = (sql: Sql, id: string): Promise<unknown> => sql.query(mcpTaskLook, [id]);

export const purgeTasks = (sql: Sql, keptSeconds: number): Promise<unknown> => sql.query(mcpTasksPurge, [keptSeconds]);
