import { OLD_SESSION_COOKIE, SALLYPORT_URL } from 'astro:env/server';
import type { User } from '@sallyport/react/session';
import type { APIContext } from 'astro';

export const REFRESH_COOKIE = 'refresh_token';
const COOKIE = { path: '/', httpOnly: true, sameSite: 'lax', secure: import.meta.env.PROD } as const;

type Tokens = {
  readonly access_token: string;
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly refresh_expires_in: number;
};

/** Sends JSON to Sallyport, with the address of the browser for rate limits (TRUSTED_PROXIES names this server). */
export const post = (
  { clientAddress }: APIContext,
  path: string,
  body: string,
  signal: AbortSignal | null = null,
): Promise<Response> =>
  fetch(`${SALLYPORT_URL}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': clientAddress },
    body,
    signal,
  });

/** An answer of Sallyport without its headers: a session cookie in it stays here. */
export const passOn = ({ status, body }: Response): Response =>
  new Response(body, { status, headers: { 'content-type': 'application/json', 'cache-control': 'no-store' } });

/** No script reads an HttpOnly cookie. */
export function keepRefreshToken({ cookies }: APIContext, { refresh_token, refresh_expires_in }: Tokens): void {
  cookies.set(REFRESH_COOKIE, refresh_token, { ...COOKIE, maxAge: refresh_expires_in });
}

export function forgetRefreshToken({ cookies }: APIContext): void {
  cookies.delete(REFRESH_COOKIE, COOKIE);
}

const WAYS = {
  'sign-in': '/api/auth/signin',
  'sign-up': '/api/auth/signup',
  'second-factor': '/api/auth/second-factor',
} as const;
export type Way = keyof typeof WAYS;

/** Signs in or up, and answers who that is, or null if a mail must be followed first. The page then asks for an access token. */
export async function openSession(context: APIContext, way: Way): Promise<Response> {
  const path = Object.hasOwn(WAYS, way) ? WAYS[way] : undefined;
  if (path === undefined) return Response.json({ code: 'route_unknown', title: 'Not found' }, { status: 404 });
  const answer = await post(context, path, await context.request.text());
  if (!answer.ok) return passOn(answer);
  const { tokens, user } = (await answer.json()) as { readonly tokens?: Tokens; readonly user?: User };
  if (tokens === undefined || user === undefined) return Response.json(null);
  keepRefreshToken(context, tokens);
  return Response.json({ id: user.id, email: user.email, name: user.name } satisfies User);
}

/** A live session of the old provider becomes one here. False if there is none, or no answer: the visitor signs in. */
export async function carrySessionOver(context: APIContext): Promise<boolean> {
  const token = OLD_SESSION_COOKIE && context.cookies.get(OLD_SESSION_COOKIE)?.value;
  if (!token) return false;
  try {
    const body = JSON.stringify({ token });
    const answer = await post(context, '/v1/legacy/sessions', body, AbortSignal.timeout(3_000));
    if (answer.ok) keepRefreshToken(context, ((await answer.json()) as { readonly tokens: Tokens }).tokens);
    return answer.ok;
  } catch {
    return false;
  }
}

/** Exchanges the refresh token of the cookie. */
export async function refresh(context: APIContext): Promise<Response> {
  const body = JSON.stringify({ refresh_token: context.cookies.get(REFRESH_COOKIE)?.value ?? '' });
  const answer = await post(context, '/v1/tokens/refresh', body);
  if (answer.status === 400 || answer.status === 401) {
    forgetRefreshToken(context);
    return Response.json({ code: 'signed_out', title: 'You are signed out' }, { status: 401 });
  }
  if (!answer.ok) return passOn(answer);
  const tokens = (await answer.json()) as Tokens;
  keepRefreshToken(context, tokens);
  const { access_token, expires_in } = tokens;
  return Response.json({ access_token, expires_in }, { headers: { 'cache-control': 'no-store' } });
}
