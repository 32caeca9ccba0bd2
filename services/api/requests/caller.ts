import { AsyncLocalStorage } from 'node:async_hooks';
import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { traceparentOf } from '#observability/http-span.ts';
import type { SentAssertion } from '#services/core/access/assertion-shapes.ts';
import type { ClientCertificate } from '#services/core/access/certificates/client-certificate.ts';
import { parseApiKey } from '#services/core/api-keys/api-key-format.ts';
import { assertIsFor } from '#services/core/authority/audience.ts';
import { assertHolds, holds, isAnonymous, permissionsOf } from '#services/core/authority/callers.ts';
import { assertOwnCredential } from '#services/core/authority/own-credential.ts';
import { assertRecentSignIn, hasTwoFactors, type StepUpRule } from '#services/core/authority/recent-sign-in.ts';
import type { Caller, HashIdentifier, RequestContext } from '#services/core/ports.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { asksForOwnCredential, type Credential, type Endpoint } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { type LanguageTag, preferredLanguage } from '#services/platform/define/languages.ts';
import {
  clientUnauthenticated,
  originRefused,
  permissionMissing,
  requestInvalid,
  unauthenticated,
} from '#services/platform/errors.ts';
import { type SentCredential, sentCredential } from './credentials.ts';

/** The DPoP header, and the method and path of its request. `proof` is '' when the header is missing or repeated. */
type RequestProof = {
  readonly proof: string;
  readonly htm: string;
  readonly path: string;
  /** The origin that the request was sent to, for a server with several. */
  readonly host?: string | undefined;
  /** True when the proof was verified on arrival. A long-lived answer does not verify it again. */
  readonly isChecked?: true;
};

/** The proof that must accompany a token sent with the scheme DPoP (RFC 9449 §7.1); undefined for other schemes. */
export function requestProof(
  sent: SentCredential,
  { headers, method, url }: Pick<FastifyRequest, 'headers' | 'method' | 'url'>,
): RequestProof | undefined {
  if (sent.kind !== 'dpop') return undefined;
  const { dpop } = headers;
  return {
    proof: typeof dpop === 'string' ? dpop : '',
    htm: method,
    path: url.split('?', 1)[0] as string,
    host: headers.host,
  };
}

/** Authenticate a caller by each kind of credential. `compose.ts` provides them from the modules that own credentials. */
export type Authenticators = {
  /**
   * The caller of an access token; null when the token is not valid, undefined when this copy does not know its client
   * yet. Throws 503 when this copy cannot decide, 401 for an invalid proof. `proof` is sent only with the scheme DPoP.
   */
  bearer(token: string, request: RequestContext, proof?: RequestProof): Caller | null | undefined;
  /** A confidential client, authenticated by its secret. */
  client(clientId: string, clientSecret: string, request: RequestContext): Caller | null;
  /**
   * A client that signed an assertion, which works once. Throws 401 for an invalid assertion, 503 when this copy cannot
   * decide.
   */
  assertion(sent: SentAssertion, request: RequestContext): Promise<Caller>;
  /**
   * A client by the certificate of its connection; undefined if the client authenticates by another method. Throws 401 for
   * another certificate than the client's, 503 when this copy cannot decide.
   */
  certificate(
    clientId: string,
    certificate: ClientCertificate | null | undefined,
    request: RequestContext,
  ): Promise<Caller | undefined> | undefined;
  /** The user of the signed session cookie. With `isUse` false, the check does not reset the idle time of the session. */
  session(request: FastifyRequest, context: RequestContext, isUse?: boolean): Promise<Caller | null>;
  /** Resolves once this copy knows every client and API key that exists at the call. Throws 503 if it cannot know. */
  confirmNewest(): Promise<void>;
  /** Throws `step_up_required` if the account of a user has a second factor that the sign-in lacks. */
  ownFactor(caller: Caller): Promise<void>;
  /** What a caller must hold to grant a role; without it, an endpoint that asks for the rights of a role refuses every caller. */
  rightsOf?(role: string): Promise<readonly string[]>;
  /** Whether a write that is authenticated by a cookie comes from an allowed page. */
  csrfPasses(request: FastifyRequest): boolean;
};

export type CallerResolver = { forEndpoint(endpoint: Endpoint): (request: FastifyRequest) => Caller | Promise<Caller> };

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

type Form = Readonly<Record<'client_id' | 'client_secret' | 'client_assertion' | 'client_assertion_type', unknown>>;

/** RFC 6749 §2.3: a client authenticates in one way. With two credentials, the server does not choose one. */
function assertAuthenticatesOnce({ headers, body }: FastifyRequest): void {
  const form = body as Partial<Form> | null | undefined;
  const isBasic = sentCredential(headers).kind === 'basic';
  if (form?.client_secret !== undefined && isBasic)
    throw requestInvalid({
      problems: [{ at: 'body/client_secret', why: 'is sent in addition to the Authorization header' }],
    });
  if (form?.client_assertion !== undefined && (isBasic || form.client_secret !== undefined))
    throw requestInvalid({ problems: [{ at: 'body/client_assertion', why: 'is sent in addition to a secret' }] });
}

/** A client assertion in a form (RFC 7521 §4.2); undefined if there is none. */
function sentAssertion({ bodyType }: Endpoint, body: unknown): SentAssertion | undefined {
  const form = body as Partial<Form> | null | undefined;
  if (bodyType !== 'form' || (form?.client_assertion ?? form?.client_assertion_type) === undefined) return undefined;
  return { type: form?.client_assertion_type, assertion: form?.client_assertion, clientId: form?.client_id };
}

/** The connection of the request that is being passed on inside: one that is made inside has none of its own. */
export const passedOn = new AsyncLocalStorage<Socket>();

/** Reads the properties of the request on demand, because the hot path uses none of them. */
class LazyRequestContext implements RequestContext {
  readonly #request: FastifyRequest;
  readonly #outside = passedOn.getStore();
  constructor(request: FastifyRequest) {
    this.#request = request;
  }
  get ip(): string {
    return this.#request.ip;
  }
  get userAgent(): string {
    return (this.#request.headers['user-agent'] ?? '').slice(0, 512);
  }
  get language(): LanguageTag {
    return preferredLanguage(this.#request.headers['accept-language']);
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
    return (this.#outside ?? this.#request.raw.socket).destroyed;
  }
}

export const requestContextOf = (request: FastifyRequest): RequestContext => new LazyRequestContext(request);

const TEN_MINUTES: StepUpRule = { maxAgeSeconds: 600, needsSecondFactor: false, clock: systemClock };

/** What the sender of a refused request needs to know first: was a credential seen, and of which kind? */
const NOT_ACCEPTED = {
  none: 'The request has no Authorization header and no valid session cookie.',
  bearer: 'The token or API key is invalid, expired or revoked.',
  dpop: 'The token or its DPoP proof is invalid, expired or revoked.',
  basic: 'This endpoint does not accept a client id and secret.',
  malformed: 'The header Authorization or X-API-Key is unreadable; send one of them, as "Bearer <token>".',
} as const satisfies Record<SentCredential['kind'], string>;

const knowsNoRole = (role: string): never => {
  throw new Error(`nothing here knows the rights of the role ${role}`);
};

/** With `isAnew`, a request is authenticated again by the current state, even if its caller is already known. */
export function createCallerResolver(
  authenticators: Authenticators,
  stepUp: StepUpRule = TEN_MINUTES,
  { isAnew = false }: { readonly isAnew?: boolean } = {},
): CallerResolver {
  const { rightsOf = knowsNoRole } = authenticators;
  const anonymous = (context: RequestContext): Caller => ({ kind: 'anonymous', request: context });

  /**
   * What memory does not know may have been created at another copy a moment ago, so a refusal is confirmed first. Unknown
   * ids, disabled clients and wrong secrets all wait for the same poll and are then checked again: the time of an answer
   * does not tell which of them it was.
   */
  const confirmed = (find: () => Caller | null): Caller | Promise<Caller | null> =>
    find() ?? authenticators.confirmNewest().then(find);

  const bySecret = (
    sent: SentCredential,
    body: unknown,
    context: RequestContext,
  ): Caller | Promise<Caller | null> | undefined => {
    if (sent.kind === 'basic') return confirmed(() => authenticators.client(sent.clientId, sent.clientSecret, context));
    const form = body as { client_id?: unknown; client_secret?: unknown } | null | undefined;
    const { client_id: id, client_secret: secret } = form ?? {};
    if (typeof id === 'string' && typeof secret === 'string')
      return confirmed(() => authenticators.client(id, secret, context));
    return undefined;
  };

  const byToken = (
    sent: SentCredential & { readonly token: string },
    request: FastifyRequest,
    context: RequestContext,
  ): Caller | Promise<Caller | null | undefined> | null => {
    const find = (): Caller | null | undefined =>
      authenticators.bearer(sent.token, context, requestProof(sent, request));
    const found = find();
    if (found === null && parseApiKey(sent.token) === null) return null;
    return found ?? authenticators.confirmNewest().then(find);
  };

  /** A client that sends its id without another credential, in a form: elsewhere `client_id` may name another client. */
  const byCertificate = (
    { bodyType }: Endpoint,
    request: FastifyRequest,
    context: RequestContext,
  ): Promise<Caller | undefined> | undefined => {
    const form = request.body as Partial<Form> | null | undefined;
    if (bodyType !== 'form' || typeof form?.client_id !== 'string') return undefined;
    return authenticators.certificate(form.client_id, request.clientCertificate, context);
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
      : unauthenticated({ detail: NOT_ACCEPTED[sent.kind] });

  return {
    forEndpoint(endpoint) {
      const { auth } = endpoint;
      if (auth === 'public') return (request) => anonymous(requestContextOf(request));
      const accepts = new Set(auth.accepts);
      // Of others' resources the use-case checks it, as it does the recent sign-in.
      const isLasting = auth.stepUp !== 'of_others' && asksForOwnCredential(endpoint);
      const authenticate = async (request: FastifyRequest): Promise<Caller> => {
        const context = requestContextOf(request);
        const sent = sentCredential(request.headers);
        let caller: Caller | null | undefined;
        // A credential that memory knows costs no promise.
        if ((sent.kind === 'bearer' || sent.kind === 'dpop') && accepts.has('bearer')) {
          const found = byToken(sent, request, context);
          caller = found instanceof Promise ? await found : found;
        } else if (accepts.has('client')) {
          const assertion = sentAssertion(endpoint, request.body);
          const found =
            assertion === undefined
              ? bySecret(sent, request.body, context)
              : authenticators.assertion(assertion, context);
          caller = found instanceof Promise ? await found : found;
          if (caller === undefined && sent.kind === 'none') caller = await byCertificate(endpoint, request, context);
        }
        // A cookie counts only without another credential: a valid cookie does not make up for an invalid token.
        if (caller === undefined && sent.kind === 'none' && accepts.has('session'))
          caller = (await bySession(request, context)) ?? undefined;
        if (caller === undefined && auth.optional && sent.kind === 'none') caller = anonymous(context);
        if (!caller) throw refusal(accepts, sent);
        return caller;
      };
      return async (request) => {
        if (accepts.has('client')) assertAuthenticatesOnce(request);
        // A caller that the limiter authenticated is not authenticated again: a secret costs a hash, and a proof works once.
        const caller = (isAnew ? null : request.identified) ?? (await authenticate(request));
        request.identified = caller;
        // Anonymous only where the endpoint admits it.
        if (!isAnonymous(caller)) assertIsFor(caller, auth.for);
        if (auth.permission && !holds(caller, auth.permission))
          throw permissionMissing({ detail: `This requires the permission ${auth.permission}.` });
        if (auth.subject === 'permitted' && permissionsOf(caller).size === 0)
          throw permissionMissing({ detail: 'This requires a permission to read.' });
        if (auth.rightsOf !== undefined) assertHolds(caller, await rightsOf(auth.rightsOf));
        if (auth.stepUp === true || (auth.stepUp === 'two_factors' && hasTwoFactors(caller)))
          assertRecentSignIn(caller, stepUp, { usesPermission: auth.permission !== undefined });
        if (isLasting) assertOwnCredential(caller);
        if (auth.stepUp === true || auth.stepUp === 'two_factors') await authenticators.ownFactor(caller);
        return caller;
      };
    },
  };
}
