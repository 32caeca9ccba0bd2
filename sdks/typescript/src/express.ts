/**
 * Express, and every framework with `(request, response, next)`.
 * @example app.get('/tasks', protect(verifier, { permissions: ['tasks:read'] }), (request, response) => …authOf(request).claims.sub…);
 * @module
 */
import { factsOf, type NodeRequest, type NodeRequestOptions } from './node-request.ts';
import { authenticate, type RouteRequirements, setAuth } from './request.ts';
import type { Verifier } from './verifier.ts';

export { authOf } from './request.ts';

type ExpressRequestLike = NodeRequest & { readonly originalUrl?: string };
type ResponseLike = {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
};

/** A middleware that lets only requests with an accepted token through. */
export function protect(
  verifier: Verifier,
  requirements: RouteRequirements & NodeRequestOptions<ExpressRequestLike> = {},
): (request: ExpressRequestLike, response: ResponseLike, next: (err?: unknown) => void) => void {
  verifier.start();
  return (request, response, next) => {
    const handle = async (): Promise<boolean> => {
      const facts = await factsOf(request, request, request.originalUrl ?? request.url ?? '/', requirements);
      const result = await authenticate(verifier, facts, requirements);
      if (result.ok) {
        setAuth(request, result);
        return true;
      }
      const { status, headers, body } = result.response;
      response.writeHead(status, { ...headers });
      response.end(JSON.stringify(body));
      return false;
    };
    // `next` runs outside of the promise: what a later handler throws is not an error of ours.
    handle().then(
      (isAccepted) => {
        if (isAccepted) next();
      },
      (err: unknown) => next(err),
    );
  };
}
