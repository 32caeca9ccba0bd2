'use client';

import type { FormEvent } from 'react';
import { useTasks } from '../lib/use-tasks.ts';

export function TaskList({ userId }: { readonly userId: string }) {
  const { tasks, problem, create, complete, remove } = useTasks(userId);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    void create(String(new FormData(form).get('title'))).then(() => form.reset());
  }

  return (
    <>
      <form onSubmit={submit}>
        <label>
          New task <input name="title" maxLength={200} required />
        </label>
        <button type="submit">Add</button>
      </form>
      <p role="status">{problem ?? (tasks?.length === 0 ? 'No tasks yet.' : '')}</p>
      <ul>
        {tasks?.map(({ id, title, completed }) => (
          <li key={id}>
            <label>
              <input type="checkbox" checked={completed} onChange={() => void complete(id, !completed)} /> {title}
            </label>
            <button type="button" aria-label={`Delete ${title}`} onClick={() => void remove(id)}>
              Delete
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
