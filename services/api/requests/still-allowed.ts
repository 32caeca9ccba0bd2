import type { FastifyRequest } from 'fastify';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { type Authenticators, createCallerResolver } from './caller.ts';

export type StillAllowed = (endpoint: Endpoint) => (request: FastifyRequest) => Promise<boolean>;

/**
 * For answers that last: judges the credential of a request once more as when it came (time, revocations, session,
 * secret, permission), from what is known now. Counts nothing, is no use of a session, and asks for no other proof of possession: a proof is of
 * one request and is over soon after it (RFC 9449 §11.1). Rejects (503) where it cannot be told now.
 */
export function createStillAllowed(authenticators: Authenticators): StillAllowed {
  const anew: Authenticators = {
    ...authenticators,
    bearer: (token, context, proof) => authenticators.bearer(token, context, proof && { ...proof, isChecked: true }),
    session: (request, context) => authenticators.session(request, context, false),
  };
  const callers = createCallerResolver(anew, undefined, { isAnew: true });
  return (endpoint) => {
    const resolve = callers.forEndpoint(endpoint);
    return async (request) => {
      try {
        await resolve(request);
        return true;
      } catch (err) {
        if (isAppError(err) && err.definition.status < 500) return false;
        throw err;
      }
    };
  };
}
