import { z } from 'zod';
import type { TaskKind } from '../core/shared/task-kind.ts';
import type { Need } from '../core/shared/tool.ts';

/** A tool whose work takes longer than a request. */
export type TaskTool = TaskKind['tool'] & { readonly kind: string; readonly need: Need };

export const taskToolsOf = (kinds: readonly Pick<TaskKind, 'name' | 'permission' | 'tool'>[]): readonly TaskTool[] =>
  kinds.map(({ name: kind, permission, tool }) => ({ ...tool, kind, need: { anyOf: [permission] } }));

/** A task of any kind: only callers that may begin one have any. */
export const needOfTasks = (kinds: readonly Pick<TaskKind, 'permission'>[]): Need => ({
  anyOf: kinds.map(({ permission }) => permission).sort(),
});

/** A task as the result of a tool, for clients that do not know tasks. */
export const plainTask = z.object({
  task_id: z.string(),
  status: z.enum(['working', 'input_required', 'completed', 'cancelled']),
  message: z.string(),
  result: z.record(z.string(), z.unknown()).optional(),
  is_error: z.boolean().optional(),
  /** Where people approve what the task waits for. */
  approve_at: z.string().optional(),
  next: z.string().optional(),
});
export type PlainTask = z.output<typeof plainTask>;
