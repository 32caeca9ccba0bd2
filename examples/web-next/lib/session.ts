// For the server: whose session a request carries.
import type { User } from '@sallyport/react';
import { headers } from 'next/headers';
import { SALLYPORT_URL } from './settings.ts';

/** The session cookie of a `Cookie` header, as `name=value`. Over https its name begins with `__Host-`. */
export const sessionCookieOf = (cookies: string | null): string | undefined =>
  /(?:^|;\s*)((?:__Host-)?better-auth\.session_token=[^;]+)/.exec(cookies ?? '')?.[1];

/** The address of the browser, for rate limits: Sallyport reads it if TRUSTED_PROXIES names this server. */
export function forwardedFor(sent: Headers): Record<string, string> {
  const address = sent.get('x-forwarded-for');
  return address === null ? {} : { 'x-forwarded-for': address };
}

/** The signed-in user, or undefined. Only Sallyport knows whether a session is live, so it is asked each time. */
export async function currentUser(): Promise<User | undefined> {
  const sent = await headers();
  const cookie = sessionCookieOf(sent.get('cookie'));
  if (cookie === undefined) return undefined;
  const answer = await fetch(`${SALLYPORT_URL}/api/auth/get-session`, {
    headers: { cookie, ...forwardedFor(sent) },
    cache: 'no-store',
  });
  if (!answer.ok) throw new Error(`get-session answered ${answer.status}`);
  const session = (await answer.json()) as { readonly user: User } | null;
  return session?.user;
}
