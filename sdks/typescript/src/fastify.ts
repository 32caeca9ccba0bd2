/**
 * Fastify.
 * @example app.get('/tasks', { onRequest: protect(verifier, { permissions: ['tasks:read'] }) }, (request) => list(authOf(request).claims.sub));
 * @module
 */
import { factsOf, type NodeRequest, type NodeRequestOptions } from './node-request.ts';
import { authenticate, type RouteRequirements, setAuth } from './request.ts';
import type { Verifier } from './verifier.ts';

export { authOf } from './request.ts';

type FastifyRequestLike = { readonly raw: NodeRequest; readonly originalUrl: string };
type FastifyReplyLike = {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(body: unknown): unknown;
};

/** A hook (`onRequest` or `preHandler`) that lets only requests with an accepted token through. */
export function protect(
  verifier: Verifier,
  requirements: RouteRequirements & NodeRequestOptions<FastifyRequestLike> = {},
): (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown> {
  verifier.start();
  return async (request, reply) => {
    const facts = await factsOf(request, request.raw, request.originalUrl, requirements);
    const result = await authenticate(verifier, facts, requirements);
    if (result.ok) {
      setAuth(request, result);
      return undefined;
    }
    const { status, headers, body } = result.response;
    reply.code(status);
    reply.headers({ ...headers });
    reply.send(JSON.stringify(body));
    return reply;
  };
}
