import { defineError } from '#services/platform/define/error.ts';

export const taskUnknown = defineError({
  code: 'task_unknown',
  status: 404,
  title: 'Task not found',
  cause: 'No task has this id, another caller began it, or it began more than seven days ago.',
  fix: 'Use the id that the tool returned, with a token of the same caller.',
});
