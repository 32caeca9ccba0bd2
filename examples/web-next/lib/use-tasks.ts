'use client';

import { useCallback, useEffect, useState } from 'react';
import { SignedOutError } from './access-token.ts';
import { changeTask, createTask, deleteTask, listTasks, type Task } from './tasks-client.ts';

/** The tasks of a user, and the calls that change them. `problem` says why the last call failed. */
export function useTasks(userId: string) {
  const [tasks, setTasks] = useState<readonly Task[] | undefined>();
  const [problem, setProblem] = useState<string | undefined>();

  /** Runs a call, and loads the tasks again. */
  const run = useCallback(
    async (act?: () => Promise<unknown>) => {
      try {
        await act?.();
        setTasks(await listTasks(userId));
        setProblem(undefined);
      } catch (error) {
        if (error instanceof SignedOutError) window.location.assign('/login');
        else setProblem(error instanceof Error ? error.message : String(error));
      }
    },
    [userId],
  );

  useEffect(() => {
    void run();
  }, [run]);

  return {
    tasks,
    problem,
    create: (title: string) => run(() => createTask(userId, title)),
    complete: (id: string, completed: boolean) => run(() => changeTask(userId, { id, completed })),
    remove: (id: string) => run(() => deleteTask(userId, id)),
  };
}
