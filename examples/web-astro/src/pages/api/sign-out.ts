import { SALLYPORT_URL } from 'astro:env/server';
import type { APIRoute } from 'astro';
import { forgetRefreshToken, passOn } from '../../lib/tokens.ts';

/** Ends the session with its tokens, which services refuse within a second. */
export const POST: APIRoute = async (context) => {
  const { locals, request } = context;
  const answer = await fetch(`${SALLYPORT_URL}/v1/sessions/${locals.claims.sid}`, {
    method: 'DELETE',
    headers: { authorization: request.headers.get('authorization') ?? '' },
  });
  // 404: the session ended before.
  if (!answer.ok && answer.status !== 404) return passOn(answer);
  forgetRefreshToken(context);
  return new Response(null, { status: 204 });
};
