import { type NextRequest, NextResponse } from 'next/server';
import { carrySessionOver } from './lib/carry-session-over.ts';
import { SALLYPORT_URL, TASKS_URL } from './lib/settings.ts';

/**
 * The catch-all auth route and the tasks API, on the origin of the pages: cookies are first-party, and the tasks API
 * needs no CORS. A rewrite here reads the environment when the server starts; one in `next.config.mjs` would keep the
 * addresses of the build.
 */
export async function proxy(request: NextRequest): Promise<NextResponse> {
  const { pathname, search } = request.nextUrl;
  if (!pathname.startsWith('/api/')) return carrySessionOver(request);
  const server = pathname.startsWith('/api/auth/') ? SALLYPORT_URL : TASKS_URL;
  return NextResponse.rewrite(new URL(`${pathname}${search}`, server));
}

export const config = { matcher: ['/api/auth/:path+', '/api/:user_id/tasks/:path*', '/', '/login', '/tasks/:path*'] };
