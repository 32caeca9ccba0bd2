import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerHookHandler } from 'fastify';
import { rateLimitCheckDuration } from '#observability/metrics/limits.ts';
import { rateLimitHeaders } from '#services/core/limits/limit-headers.ts';
import type { ArrivedRequest, RequestAdmission, RequestLimits } from '#services/core/limits/request-limits.ts';
import type { Caller } from '#services/core/ports.ts';
import { type Credential, type Endpoint, type RateClass, rateClassOf } from '#services/platform/define/endpoint.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { type Authenticators, type CallerResolver, requestContextOf, requestProof } from './caller.ts';
import { sentCredential } from './credentials.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyRequest {
    /** The limits that counted this request; null if none did. */
    admission: { held: RequestAdmission; readonly rateClass: RateClass; readonly reply: FastifyReply } | null;
    /** The caller, once authenticated for a limit or a route. Permissions are not checked yet. */
    identified: Caller | null;
  }
}

export type RequestLimiting = {
  readonly limits: RequestLimits;
  /** The caller that the headers authenticate, from memory; null if there is none. */
  readonly identify: (request: FastifyRequest, accepts: readonly Credential[]) => Caller | null;
};

const atRequest = rateLimitCheckDuration.at({ stage: 'request' });
const atCaller = rateLimitCheckDuration.at({ stage: 'caller' });

/** Requests without a route count as reads, so that scanning addresses is limited too. */
const NOWHERE = { method: 'GET', path: '/' } as const satisfies Pick<Endpoint, 'method' | 'path'>;

const acceptsOf = (endpoint: Endpoint | undefined): readonly Credential[] =>
  endpoint === undefined || endpoint.auth === 'public' ? [] : endpoint.auth.accepts;

const isBasic = ({ headers }: FastifyRequest): boolean => /^basic /i.test(headers.authorization ?? '');

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1_000;

/** Limits every request before its body is read, whether or not a route matches. After the span, before the routes. */
export function limitRequests(app: FastifyInstance, { limits, identify }: RequestLimiting): void {
  app.decorateRequest('admission', null);
  app.decorateRequest('identified', null);
  app.addHook('onRoute', (route) => {
    const { limitItems } = route.config?.endpoint ?? {};
    if (limitItems !== undefined) route.preHandler = limitBatch(limits, limitItems);
  });
  app.addHook('onRequest', (request, reply, done) => {
    const startMs = performance.now();
    const { endpoint } = request.routeOptions.config;
    const accepts = acceptsOf(endpoint);
    const arrived: ArrivedRequest = {
      rateClass: rateClassOf(endpoint ?? NOWHERE),
      isProbe: endpoint?.answersWhileDraining ?? false,
      ip: request.ip ?? '',
      namesClient: accepts.includes('client') && isBasic(request),
      identify: () => {
        request.identified = identify(request, accepts);
        return request.identified;
      },
    };
    const admit = (held: RequestAdmission): void => {
      request.admission = { held, rateClass: arrived.rateClass, reply };
      reply.headers(rateLimitHeaders(held.counted));
      atRequest.record(secondsSince(startMs));
      done();
    };
    const refuse = (refusal: Error): void => {
      atRequest.record(secondsSince(startMs));
      done(refusal);
    };
    try {
      const admitted = limits.admitRequest(arrived);
      if (admitted instanceof Promise) admitted.then(admit, refuse);
      else admit(admitted);
    } catch (refusal) {
      refuse(refusal as Error);
    }
  });
}

/**
 * Counts by address requests that reach no route and no hook, such as unreadable addresses. Throws `rate_limited`
 * (429).
 */
export async function admitUnrouted({ limits }: RequestLimiting, { ip }: Pick<FastifyRequest, 'ip'>): Promise<void> {
  const rateClass = rateClassOf(NOWHERE);
  await limits.admitRequest({ rateClass, isProbe: false, ip: ip ?? '', namesClient: false, identify: () => null });
}

/** Counts each item of a batch before any is processed. */
const limitBatch =
  (limits: RequestLimits, lists: readonly string[]): preHandlerHookHandler =>
  (request, reply, done) => {
    const { admission, body } = request;
    const items = lists.map((name) => (body as Record<string, readonly unknown[]>)[name]?.length ?? 0);
    const furtherItems = items.reduce((sum, length) => sum + length, 0) - 1;
    if (admission !== null && furtherItems > 0)
      try {
        admission.held = limits.admitItems(furtherItems, admission.rateClass, admission.held);
        reply.headers(rateLimitHeaders(admission.held.counted));
      } catch (refusal) {
        return done(refusal as Error);
      }
    done();
  };

/** The caller from the headers alone, synchronously: a client by its secret, or a bearer token's owner. */
export const identifyBy =
  (authenticators: Pick<Authenticators, 'bearer' | 'client'>): RequestLimiting['identify'] =>
  (request, accepts) => {
    const sent = sentCredential(request.headers);
    const context = requestContextOf(request);
    try {
      if (sent.kind === 'basic' && accepts.includes('client'))
        return authenticators.client(sent.clientId, sent.clientSecret, context);
      if ((sent.kind !== 'bearer' && sent.kind !== 'dpop') || !accepts.includes('bearer')) return null;
      return authenticators.bearer(sent.token, context, requestProof(sent, request)) ?? null;
    } catch {
      // The validity of the credential is unknown now, so it authenticates no caller.
      return null;
    }
  };

/**
 * Counts callers as soon as they are known, on every route that resolves one, including those that refuse them (403). With
 * `onlyRefused` it counts no others: they are asked for again, and counted then.
 */
export const limitCallers = (callers: CallerResolver, limits: RequestLimits, onlyRefused = false): CallerResolver => ({
  forEndpoint(endpoint) {
    const resolve = callers.forEndpoint(endpoint);
    if (endpoint.auth === 'public') return resolve;
    return async (request) => {
      try {
        const caller = await resolve(request);
        if (!onlyRefused) await countCaller(limits, request, caller);
        return caller;
      } catch (refusal) {
        const { identified } = request;
        // A request that the limit itself refused has been counted.
        if (identified && statusOf(refusal) === FORBIDDEN) await countCaller(limits, request, identified);
        throw refusal;
      }
    };
  },
});

const FORBIDDEN = 403;
const statusOf = (refusal: unknown): number | undefined =>
  isAppError(refusal) ? refusal.definition.status : undefined;

/** Throws `rate_limited` (429). */
async function countCaller(limits: RequestLimits, { admission }: FastifyRequest, caller: Caller): Promise<void> {
  if (!admission) return;
  const startMs = performance.now();
  const held = await limits.admitCaller(caller, admission.rateClass, admission.held);
  if (held !== null) {
    admission.held = held;
    admission.reply.headers(rateLimitHeaders(held.counted));
  }
  atCaller.record(secondsSince(startMs));
}
