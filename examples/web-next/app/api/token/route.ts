import { createHash } from 'node:crypto';
import { type NextRequest, NextResponse } from 'next/server';
import type { AccessTokenAnswer } from '../../../lib/access-token.ts';
import { forwardedFor, sessionCookieOf } from '../../../lib/session.ts';
import { SALLYPORT_URL } from '../../../lib/settings.ts';
import type { Problem } from '../../../lib/tasks-client.ts';

const REFRESH_COOKIE = 'refresh_token';

type Tokens = AccessTokenAnswer & { readonly refresh_token: string; readonly refresh_expires_in: number };

/**
 * Answers with an access token for the session. The refresh token is in an HttpOnly cookie that browsers send to this
 * path alone, so no script reads it. A session without one gets its first.
 */
export async function POST(request: NextRequest): Promise<NextResponse<AccessTokenAnswer | Problem>> {
  // A page of another origin must not rotate the refresh token of its visitor.
  if (request.headers.get('sec-fetch-site') !== 'same-origin')
    return problem(403, 'cross_site', 'The request came from another site');
  const session = sessionCookieOf(request.headers.get('cookie'));
  if (session === undefined) return signedOut();

  const post = (path: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${SALLYPORT_URL}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...forwardedFor(request.headers), ...headers },
      body: JSON.stringify(body),
      cache: 'no-store',
    });

  // The cookie names the session of its token: after another user signs in, the token of the former is not used.
  const owner = createHash('sha256').update(session).digest('base64url');
  const [keptBy, ...kept] = (request.cookies.get(REFRESH_COOKIE)?.value ?? '').split('.');
  let answer = keptBy === owner ? await post('/v1/tokens/refresh', { refresh_token: kept.join('.') }) : undefined;
  // Expired or revoked: the session decides.
  if (answer === undefined || answer.status === 400 || answer.status === 401)
    answer = await post('/v1/tokens', {}, { cookie: session, origin: request.headers.get('origin') ?? '' });
  if (answer.status === 401) return signedOut();
  if (!answer.ok) return NextResponse.json((await answer.json()) as Problem, { status: answer.status });

  const { access_token, expires_in, refresh_token, refresh_expires_in } = (await answer.json()) as Tokens;
  const response = NextResponse.json({ access_token, expires_in }, { headers: { 'cache-control': 'no-store' } });
  response.cookies.set(REFRESH_COOKIE, `${owner}.${refresh_token}`, {
    httpOnly: true,
    sameSite: 'strict',
    // Like the session cookie: Sallyport omits Secure only in development.
    secure: session.startsWith('__Host-'),
    path: '/api/token',
    maxAge: refresh_expires_in,
  });
  return response;
}

function signedOut(): NextResponse<Problem> {
  const response = problem(401, 'signed_out', 'You are signed out');
  response.cookies.set(REFRESH_COOKIE, '', { httpOnly: true, sameSite: 'strict', path: '/api/token', maxAge: 0 });
  return response;
}

const problem = (status: number, code: string, title: string): NextResponse<Problem> =>
  NextResponse.json({ code, title }, { status, headers: { 'cache-control': 'no-store' } });
