import type { FastifyRequest } from 'fastify';
import { traceparentOf } from '#observability/http-span.ts';
import type { Caller, HashIdentifier, RequestContext } from '#services/domain/ports.ts';
import { assertFreshLogin, type StepUpRule } from '#services/domain/shared/step-up.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import type { Credential, Endpoint } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import {
  clientUnauthenticated,
  originRefused,
  permissionMissing,
  requestInvalid,
  unauthenticated,
} from '#services/platform/errors.ts';
import { type SentCredential, sentCredential } from './credentials.ts';

/** A DPoP header with the request it must be of; '' where there is none, or more than one. */
export type RequestProof = {
  readonly proof: string;
  readonly htm: string;
  readonly path: string;
  /** It was judged when the request came; what lasts longer than the proof does not judge it again. */
  readonly isChecked?: true;
};

/** What a credential under the scheme DPoP is proved by (RFC 9449 §7.1). */
export function requestProof(
  sent: SentCredential,
  { headers, method, url }: Pick<FastifyRequest, 'headers' | 'method' | 'url'>,
): RequestProof | undefined {
  if (sent.kind !== 'dpop') return undefined;
  const { dpop } = headers;
  return { proof: typeof dpop === 'string' ? dpop : '', htm: method, path: url.split('?', 1)[0] as string };
}

/** How credentials become callers; given by `compose.ts` from the modules that own them. */
export type Authenticators = {
  /**
   * An access token of ours; null when it is not valid. Throws 503 when validity cannot be told, 401 for a bad proof.
   * `proof` is what came with the scheme DPoP.
   */
  bearer(token: string, request: RequestContext, proof?: RequestProof): Caller | null;
  /** A confidential client by its secret. */
  client(clientId: string, clientSecret: string, request: RequestContext): Caller | null;
  /** The signed session cookie. `isUse` is false where no request of a person asks: then the session goes on resting. */
  session(request: FastifyRequest, context: RequestContext, isUse?: boolean): Promise<Caller | null>;
  /** True when a cookie-authenticated write comes from a page that may send it. */
  csrfPasses(request: FastifyRequest): boolean;
};

export type CallerResolver = {
  forEndpoint(endpoint: Endpoint): (request: FastifyRequest) => Caller | Promise<Caller>;
};

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

const isPermitted = (caller: Caller, permission: string): boolean =>
  (caller.kind === 'user' || caller.kind === 'client') && caller.permissions.has(permission);

/** RFC 6749 §2.3: one way of authentication in a request; the server does not guess which of two secrets was meant. */
function assertAuthenticatesOnce({ headers, body }: FastifyRequest): void {
  const form = body as { client_secret?: unknown } | null | undefined;
  if (form?.client_secret !== undefined && sentCredential(headers).kind === 'basic')
    throw requestInvalid({ problems: [{ at: 'body/client_secret', why: 'comes beside the Authorization header' }] });
}

/** Reads the request's facts on demand: the hot path asks for none of them. */
class LazyRequestContext implements RequestContext {
  readonly #request: FastifyRequest;
  constructor(request: FastifyRequest) {
    this.#request = request;
  }
  get ip(): string {
    return this.#request.ip;
  }
  get userAgent(): string {
    return (this.#request.headers['user-agent'] ?? '').slice(0, 512);
  }
  get certificate(): string | null | undefined {
    return this.#request.certificate;
  }
  get traceId(): string {
    return this.#request.trace.traceId;
  }
  get traceparent(): string {
    return traceparentOf(this.#request.trace);
  }
  get hashIdentifier(): HashIdentifier | undefined {
    return this.#request.server.hashIdentifier;
  }
  get arrivedAt(): number | undefined {
    return this.#request.arrivedAt;
  }
  get hasLeft(): boolean {
    return this.#request.raw.socket.destroyed;
  }
}

export const requestContextOf = (request: FastifyRequest): RequestContext => new LazyRequestContext(request);

const TEN_MINUTES: StepUpRule = { maxAgeSeconds: 600, needsSecondFactor: false, clock: systemClock };

/** With `isAnew`, a request is authenticated by the current state, even if its caller was resolved before. */
export function createCallerResolver(
  authenticators: Authenticators,
  stepUp: StepUpRule = TEN_MINUTES,
  { isAnew = false }: { readonly isAnew?: boolean } = {},
): CallerResolver {
  const anonymous = (context: RequestContext): Caller => ({ kind: 'anonymous', request: context });

  const bySecret = (sent: SentCredential, body: unknown, context: RequestContext): Caller | null | undefined => {
    if (sent.kind === 'basic') return authenticators.client(sent.clientId, sent.clientSecret, context);
    const form = body as { client_id?: unknown; client_secret?: unknown } | null | undefined;
    if (typeof form?.client_id === 'string' && typeof form.client_secret === 'string')
      return authenticators.client(form.client_id, form.client_secret, context);
    return undefined;
  };

  async function bySession(request: FastifyRequest, context: RequestContext): Promise<Caller | null> {
    if (request.headers.cookie === undefined) return null;
    const caller = await authenticators.session(request, context);
    if (caller && !SAFE_METHODS.has(request.method) && !authenticators.csrfPasses(request)) throw originRefused();
    return caller;
  }

  const refusal = (accepts: ReadonlySet<Credential>, sent: SentCredential): AppError =>
    accepts.has('client') && (sent.kind === 'basic' || !accepts.has('bearer'))
      ? clientUnauthenticated()
      : unauthenticated();

  return {
    forEndpoint(endpoint) {
      const { auth } = endpoint;
      if (auth === 'public') return (request) => anonymous(requestContextOf(request));
      const accepts = new Set(auth.accepts);
      const prove = async (request: FastifyRequest): Promise<Caller> => {
        const context = requestContextOf(request);
        const sent = sentCredential(request.headers);
        let caller: Caller | null | undefined;
        if ((sent.kind === 'bearer' || sent.kind === 'dpop') && accepts.has('bearer'))
          caller = authenticators.bearer(sent.token, context, requestProof(sent, request));
        else if (accepts.has('client')) caller = bySecret(sent, request.body, context);
        // A cookie speaks only where nothing else was said: a bad token is never covered by a good cookie.
        if (caller === undefined && sent.kind === 'none' && accepts.has('session'))
          caller = (await bySession(request, context)) ?? undefined;
        if (caller === undefined && auth.optional && sent.kind === 'none') caller = anonymous(context);
        if (!caller) throw refusal(accepts, sent);
        return caller;
      };
      return async (request) => {
        if (accepts.has('client')) assertAuthenticatesOnce(request);
        // A caller authenticated by the limiter is not authenticated twice: a secret costs a hash, and a proof works once.
        const caller = (isAnew ? null : request.identified) ?? (await prove(request));
        request.identified = caller;
        if (auth.permission && !isPermitted(caller, auth.permission))
          throw permissionMissing({ detail: `This needs the permission ${auth.permission}.` });
        const isOfOneFactor = caller.kind === 'user' && caller.acr !== 'aal2';
        if (auth.stepUp === true || (auth.stepUp === 'two_factors' && !isOfOneFactor))
          assertFreshLogin(caller, stepUp, { usesPermission: auth.permission !== undefined });
        return caller;
      };
    },
  };
}
