import { type NextRequest, NextResponse } from 'next/server';
import { forwardedFor, sessionCookieOf } from './session.ts';
import { OLD_SESSION_COOKIE, SALLYPORT_URL } from './settings.ts';

/** A visitor with a live session of the old provider gets one here, with this answer. Others sign in, also if no answer comes. */
export async function carrySessionOver({ headers, cookies }: NextRequest): Promise<NextResponse> {
  const token = OLD_SESSION_COOKIE && cookies.get(OLD_SESSION_COOKIE)?.value;
  if (!token || sessionCookieOf(headers.get('cookie'))) return NextResponse.next();
  const answer = await fetch(`${SALLYPORT_URL}/v1/legacy/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...forwardedFor(headers) },
    body: JSON.stringify({ token }),
    cache: 'no-store',
    signal: AbortSignal.timeout(3_000),
  }).catch(() => null);
  if (!answer?.ok) return NextResponse.next();
  const setCookies = answer.headers.getSetCookie();
  // The page sees the new cookies already with this request.
  const sent = new Headers(headers);
  sent.set('cookie', [headers.get('cookie'), ...setCookies.map((cookie) => cookie.split(';')[0])].join('; '));
  const response = NextResponse.next({ request: { headers: sent } });
  response.headers.set('cache-control', 'private, no-store');
  for (const cookie of setCookies) response.headers.append('set-cookie', cookie);
  return response;
}
