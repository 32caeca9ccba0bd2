import { CLIENT_ID, CLIENT_SECRET, SALLYPORT_URL } from 'astro:env/server';
import { defineMiddleware } from 'astro:middleware';
import { createVerifier } from '@sallyport/verifier';
import { withAuth } from '@sallyport/verifier/next';
import { carrySessionOver, REFRESH_COOKIE } from './lib/tokens.ts';

const verifier = createVerifier({ issuer: SALLYPORT_URL, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET });

/** Routes without an access token. Those below `/api` send a password or the refresh token to Sallyport. */
const PUBLIC = ['/login', '/api/session/[act]', '/api/token'];

/** Decides by the route, since one route can be written as many paths (`/%61pi/account`). */
export const onRequest = defineMiddleware(async (context, next) => {
  const { request, routePattern, cookies, locals, redirect } = context;
  // A page of another site must not sign its visitor in, nor rotate their refresh token.
  if (request.method !== 'GET' && request.headers.get('sec-fetch-site') !== 'same-origin')
    return Response.json({ code: 'cross_site', title: 'The request came from another site' }, { status: 403 });
  if (PUBLIC.includes(routePattern)) return next();
  // Pages are the same for every user. Their data comes from the routes below `/api`.
  if (!routePattern.startsWith('/api/')) {
    if (cookies.has(REFRESH_COOKIE)) return next();
    if (!(await carrySessionOver(context))) return redirect('/login');
    const page = await next();
    page.headers.set('cache-control', 'private, no-store');
    return page;
  }
  const verified = withAuth(verifier, (_request, { auth }) => {
    locals.claims = auth.claims;
    return next();
  });
  return verified(request, {});
});
