import type { FastifyRequest } from 'fastify';
import { type AdmitPorts, admitApiKey } from '#services/core/api-keys/admit-api-key.ts';
import { type ApiKeyCallerPorts, recogniseApiKey } from '#services/core/api-keys/api-key-caller.ts';
import type { LiveApiKey } from '#services/core/api-keys/api-key-directory.ts';
import { API_KEY_PREFIX } from '#services/core/api-keys/api-key-format.ts';
import { rateLimitHeaders } from '#services/core/limits/limit-headers.ts';
import type { Caller, RequestContext } from '#services/core/ports.ts';
import type { Authenticators, CallerResolver } from './caller.ts';
import { rawBodyOf } from './raw-body.ts';

type ApiKeyGate = {
  /** Extends the authenticators to accept an API key as a bearer token. */
  withKeys(authenticators: Authenticators): Authenticators;
  /** Checks every API-key caller against the key's limit and, if the key requires it, verifies the request signature. */
  guard(callers: CallerResolver): CallerResolver;
};

export type ApiKeyGatePorts = ApiKeyCallerPorts & AdmitPorts & { readonly publicUrl: string };

export function createApiKeyGate(ports: ApiKeyGatePorts): ApiKeyGate {
  const keys = new WeakMap<Caller, LiveApiKey>();

  async function admit(key: LiveApiKey, request: FastifyRequest, permission: string | undefined): Promise<void> {
    const counted = await admitApiKey(ports, key, {
      method: request.method,
      targetUri: ports.publicUrl + request.originalUrl,
      header: (name) => request.headers[name]?.toString(),
      body: rawBodyOf(request),
      permission,
    });
    const { admission } = request;
    if (admission === null) return;
    admission.held = { ...admission.held, counted: [...admission.held.counted, counted] };
    admission.reply.headers(rateLimitHeaders(admission.held.counted));
  }

  function bearer(token: string, context: RequestContext): Caller | null {
    const recognised = recogniseApiKey(ports, token, context);
    if (recognised === null) return null;
    keys.set(recognised.caller, recognised.key);
    return recognised.caller;
  }

  return {
    withKeys: (authenticators) => ({
      ...authenticators,
      bearer: (...sent) =>
        sent[0].startsWith(API_KEY_PREFIX) ? bearer(sent[0], sent[1]) : authenticators.bearer(...sent),
    }),
    guard: (callers) => ({
      forEndpoint(endpoint) {
        const resolve = callers.forEndpoint(endpoint);
        if (endpoint.auth === 'public') return resolve;
        const { permission } = endpoint.auth;
        return async (request) => {
          const caller = await resolve(request);
          const key = keys.get(caller);
          if (key !== undefined) await admit(key, request, permission);
          return caller;
        };
      },
    }),
  };
}
