/** What `POST /api/token` answers. */
export type AccessTokenAnswer = { readonly access_token: string; readonly expires_in: number };

/** Refreshed this long before it expires, so that no request arrives with a token that expired on the way. */
const MARGIN_SECONDS = 30;

type Held = { readonly token: string; readonly expiresAtMs: number };

/** In memory alone: whatever a page stores, a script that was smuggled into it can read. */
let held: Held | undefined;
let tabs: BroadcastChannel | undefined;

export class SignedOutError extends Error {
  constructor() {
    super('You are signed out.');
  }
}

const heldToken = (): string | undefined => (held && Date.now() < held.expiresAtMs ? held.token : undefined);

/**
 * For the header `authorization: Bearer …`. A refresh token is good for one use, and all tabs have the same one in
 * their cookie. So only the tab that has the lock refreshes; it gives the new token to those that wait.
 * @throws SignedOutError
 */
export async function accessToken(): Promise<string> {
  if (tabs === undefined) {
    tabs = new BroadcastChannel('access-token');
    tabs.addEventListener('message', ({ data }: MessageEvent<Held>) => {
      held = data;
    });
  }
  return heldToken() ?? navigator.locks.request('access-token', async () => heldToken() ?? refresh());
}

/** After the service refused it, or the user signed out. */
export function forgetAccessToken(): void {
  held = undefined;
}

async function refresh(): Promise<string> {
  const answer = await fetch('/api/token', { method: 'POST' });
  if (answer.status === 401) throw new SignedOutError();
  if (!answer.ok) throw new Error('The session could not be refreshed. Try again.');
  const { access_token: token, expires_in: seconds } = (await answer.json()) as AccessTokenAnswer;
  held = { token, expiresAtMs: Date.now() + (seconds - MARGIN_SECONDS) * 1_000 };
  tabs?.postMessage(held);
  return token;
}
