import { accessToken, forgetAccessToken } from './access-token.ts';

/** An error that the API describes (RFC 9457). `code` is for programs; the others are for people. */
export type Problem = { readonly code: string; readonly title: string; readonly detail?: string };

export type Task = {
  readonly id: string;
  readonly title: string;
  readonly description: string | null;
  readonly completed: boolean;
};

/** Calls the tasks API with the user's access token. @throws Error with a sentence for the user, SignedOutError */
async function call(method: string, path: string, body?: object): Promise<Response> {
  const send = async (): Promise<Response> =>
    fetch(path, {
      method,
      headers: {
        authorization: `Bearer ${await accessToken()}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  let answer = await send();
  if (answer.status === 401) {
    // Revoked before it expired.
    forgetAccessToken();
    answer = await send();
  }
  if (answer.ok) return answer;
  const { title, detail } = (await answer.json()) as Problem;
  throw new Error(detail ?? title);
}

const pathOf = (userId: string, taskId?: string): string =>
  `/api/${encodeURIComponent(userId)}/tasks${taskId === undefined ? '' : `/${taskId}`}`;

export const listTasks = async (userId: string): Promise<Task[]> => (await call('GET', pathOf(userId))).json();
export const createTask = async (userId: string, title: string): Promise<Task> =>
  (await call('POST', pathOf(userId), { title })).json();
export const changeTask = async (userId: string, { id, ...changes }: Partial<Task> & { id: string }): Promise<Task> =>
  (await call('PUT', pathOf(userId, id), changes)).json();
export async function deleteTask(userId: string, taskId: string): Promise<void> {
  await call('DELETE', pathOf(userId, taskId));
}
