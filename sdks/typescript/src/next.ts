/**
 * Next.js route handlers, and every handler from Request to Response.
 * @example export const GET = withAuth(verifier, async (request, { auth }) => Response.json(await list(auth.claims.sub)));
 * @module
 */
import { authenticate, type RouteRequirements, setAuth } from './request.ts';
import type { Accepted, Verifier } from './verifier.ts';
import { factsOf, responseOf, type WebRequestOptions } from './web-request.ts';

export { authOf } from './request.ts';

type Handler<R extends Request, Context> = (
  request: R,
  context: Context & { readonly auth: Accepted },
) => Response | Promise<Response>;

/** A route handler that runs only for requests with an accepted token; its context has `auth` besides Next's own. */
export function withAuth<R extends Request = Request, Context extends object = object>(
  verifier: Verifier,
  handler: Handler<R, Context>,
  requirements: RouteRequirements & WebRequestOptions = {},
): (request: R, context: Context) => Promise<Response> {
  return async (request, context) => {
    const result = await authenticate(verifier, factsOf(request, requirements), requirements);
    if (!result.ok) return responseOf(result.response);
    setAuth(request, result);
    return handler(request, { ...context, auth: result });
  };
}

/**
 * For `proxy.ts` (`middleware.ts` before Next 16): the response for a request that is not accepted, undefined for one
 * that may go on. Protect the route handlers too: a path that the matcher misses is not protected.
 * @example export const proxy = guard(verifier);
 */
export function guard(
  verifier: Verifier,
  requirements: RouteRequirements & WebRequestOptions = {},
): (request: Request) => Promise<Response | undefined> {
  return async (request) => {
    const result = await authenticate(verifier, factsOf(request, requirements), requirements);
    return result.ok ? undefined : responseOf(result.response);
  };
}
