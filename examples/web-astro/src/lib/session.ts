import { factorOf, SallyportError, type Session, type User } from '@sallyport/react';
import type { Account } from '../pages/api/account.ts';

/** Refreshed this long before it expires, so that no request arrives with a token that expired on the way. */
const MARGIN_SECONDS = 30;

/** In memory alone: whatever a page stores, a script that was smuggled into it can read. */
let held: { readonly token: string; readonly expiresAtMs: number } | undefined;

async function checked(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  // Without JSON, the server could not reach Sallyport.
  const noAnswer = { code: 'no_answer', title: 'The server did not answer. Try again.' };
  throw new SallyportError(answer.status, await answer.json().catch(() => noAnswer));
}

/** @throws SallyportError with a sentence for the user */
const post = async (path: string, body: object): Promise<Response> =>
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

/** Calls a route below `/api` with the access token. */
export async function call(method: 'GET' | 'POST', path: string): Promise<Response> {
  const send = async () => fetch(path, { method, headers: { authorization: `Bearer ${await accessToken()}` } });
  let answer = await send();
  if (answer.status === 401) {
    // Revoked before it expired.
    held = undefined;
    answer = await send();
  }
  return checked(answer);
}

/** Pages with data are for signed-in users. */
export function toLogin(user: User | null): void {
  if (user === null) window.location.assign('/login');
}

async function user(): Promise<User | null> {
  // A user with a session is not sent there.
  if (window.location.pathname === '/login') return null;
  try {
    const { user_id: id, email }: Account = await (await call('GET', '/api/account')).json();
    return { id, email: email ?? id, name: null };
  } catch (error) {
    if (!(error instanceof SallyportError && error.status === 401)) throw error;
    toLogin(null);
    return null;
  }
}

/** Signs in by a route of this server. */
async function begin(way: string, body: object): Promise<User | null> {
  held = undefined;
  return (await post(`/api/session/${way}`, body)).json();
}

/** What the components of `@sallyport/react` ask: the routes of this server, which keeps the refresh token. */
export const session: Session = {
  user,
  signIn: async (input) => (await begin('sign-in', input)) as User,
  signUp: (input) => begin('sign-up', input),
  secondFactor: async ({ challenge, code }) => (await begin('second-factor', { challenge, ...factorOf(code) })) as User,
  async signOut() {
    await call('POST', '/api/sign-out');
    held = undefined;
  },
};
