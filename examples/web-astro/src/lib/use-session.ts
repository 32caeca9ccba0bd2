import { useEffect, useState } from 'react';
import type { Account } from '../pages/api/account.ts';

/** Refreshed this long before it expires, so that no request arrives with a token that expired on the way. */
const MARGIN_SECONDS = 30;

/** In memory alone: whatever a page stores, a script that was smuggled into it can read. */
let held: { readonly token: string; readonly expiresAtMs: number } | undefined;

class RefusedError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function checked(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  // Without JSON, the server could not reach Sallyport.
  const { title = 'The server did not answer. Try again.', detail } = await answer.json().catch(() => ({}));
  throw new RefusedError(answer.status, detail ?? title);
}

/** @throws Error with a sentence for the user */
export const post = async (path: string, body: object): Promise<Response> =>
  checked(
    await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );

/** A refresh token is good for one use, and all tabs share its cookie: the lock lets one of them refresh at a time. */
async function accessToken(): Promise<string> {
  if (held === undefined || Date.now() >= held.expiresAtMs)
    held = await navigator.locks.request('refresh', async () => {
      const { access_token: token, expires_in: seconds } = await (await post('/api/token', {})).json();
      return { token, expiresAtMs: Date.now() + (seconds - MARGIN_SECONDS) * 1_000 };
    });
  return held.token;
}

/** Calls a route below `/api` with the access token. Signed-out users go to `/login`. */
export async function call(method: 'GET' | 'POST', path: string): Promise<Response> {
  const send = async () => fetch(path, { method, headers: { authorization: `Bearer ${await accessToken()}` } });
  try {
    let answer = await send();
    if (answer.status === 401) {
      // Revoked before it expired.
      held = undefined;
      answer = await send();
    }
    return await checked(answer);
  } catch (error) {
    if (error instanceof RefusedError && error.status === 401) window.location.assign('/login');
    throw error;
  }
}

/** The signed-in user, and why the last call failed. */
export function useSession() {
  const [account, setAccount] = useState<Account>();
  const [problem, setProblem] = useState<string>();

  useEffect(() => {
    call('GET', '/api/account')
      .then(async (answer) => setAccount(await answer.json()))
      .catch((error: Error) => setProblem(error.message));
  }, []);

  const signOut = () =>
    call('POST', '/api/sign-out')
      .then(() => window.location.assign('/login'))
      .catch((error: Error) => setProblem(error.message));

  return { account, problem, signOut };
}
