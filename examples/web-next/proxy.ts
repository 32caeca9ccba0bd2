import { type NextRequest, NextResponse } from 'next/server';
import { SALLYPORT_URL, TASKS_URL } from './lib/settings.ts';

/**
 * The catch-all auth route and the tasks API, on the origin of the pages: cookies are first-party, and the tasks API
 * needs no CORS. A rewrite here reads the environment when the server starts; one in `next.config.mjs` would keep the
 * addresses of the build.
 */
export function proxy({ nextUrl: { pathname, search } }: NextRequest): NextResponse {
  const server = pathname.startsWith('/api/auth/') ? SALLYPORT_URL : TASKS_URL;
  return NextResponse.rewrite(new URL(`${pathname}${search}`, server));
}

export const config = { matcher: ['/api/auth/:path+', '/api/:user_id/tasks/:path*'] };
