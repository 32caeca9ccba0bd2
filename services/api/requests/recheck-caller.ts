import type { FastifyRequest } from 'fastify';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { type Authenticators, createCallerResolver } from './caller.ts';

export type CallerRecheck = (endpoint: Endpoint) => (request: FastifyRequest) => Promise<boolean>;

/**
 * For long-lived answers: checks a request's credential again as on arrival (time, revocations, session, secret,
 * permission) against the current state. It does not count for rate limits, does not reset
 * the idle time of the session, and requires no new proof of possession, because a proof belongs to one request and
 * expires soon after it (RFC 9449 §11.1). Rejects (503) where validity is unknown.
 */
export function createCallerRecheck(authenticators: Authenticators): CallerRecheck {
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
