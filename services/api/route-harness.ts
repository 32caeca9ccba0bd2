// For tests only: routes that a test binds, called without a network; every credential is rejected.
import type { InjectOptions } from 'fastify';
import { z } from 'zod';
import { refusesAssertions } from '#tools/testing/fakes/assertions.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { defineEndpoint, type Endpoint } from '../platform/define/endpoint.ts';
import { type AppOptions, createApp } from './app.ts';
import { bind, type RouteContext } from './bind.ts';
import { createCallerResolver } from './requests/caller.ts';

/** Authenticators that reject every credential. */
export const rejectsAll = {
  bearer: () => null,
  client: () => null,
  session: async () => null,
  assertion: refusesAssertions,
  certificate: () => undefined,
  confirmNewest: async () => {},
  csrfPasses: () => false,
  ownFactor: async () => {},
};

/** A public endpoint that makes things, but for the changes. */
export const made = (endpoint: Partial<Endpoint> & Pick<Endpoint, 'operation'>): Endpoint => ({
  ...defineEndpoint({
    method: 'POST',
    path: '/things',
    operation: 'makeThing',
    summary: '',
    tag: 'Tokens',
    auth: 'public',
    responses: { 201: z.object({}).loose() },
  }),
  ...endpoint,
});

/** An app, the failures in its log, and `ask`, which sends one request to it. The return type is inferred. */
export function serve(options: Partial<AppOptions> = {}) {
  const failures: string[] = [];
  const log = { ...quietLog, error: (_about: object, message: string) => failures.push(message) };
  const app = createApp({ log, trustedProxies: [], ...options });
  const routes = { app: app.fastify, callers: createCallerResolver(rejectsAll), bound: app.bound };
  const ask = async (method: InjectOptions['method'], url: string, sent: Partial<InjectOptions> = {}) => {
    const got = await app.fastify.inject({ method, url, ...sent } as InjectOptions);
    const isJson = String(got.headers['content-type']).includes('json') && got.body !== '';
    return { status: got.statusCode, headers: got.headers, text: got.body, body: isJson ? got.json() : undefined };
  };
  return { ...app, routes, ask, failures };
}

/** Binds `POST /things`, whose work waits: `begun` when it is under way, `end` lets it answer. */
export function bindWaiting(routes: RouteContext): { readonly begun: Promise<void>; readonly end: () => void } {
  const begun = Promise.withResolvers<void>();
  const work = Promise.withResolvers<object>();
  bind(routes, made({ operation: 'waiting' }), () => {
    begun.resolve();
    return work.promise;
  });
  return { begun: begun.promise, end: () => work.resolve({}) };
}

/** A call over a socket to work that waits, and is under way: `leave` tells whether the caller was answered before. */
export async function callWaiting(served: ReturnType<typeof serve>) {
  const work = bindWaiting(served.routes);
  const url = await served.fastify.listen({ port: 0, host: '127.0.0.1' });
  const leaving = new AbortController();
  const outcome = fetch(`${url}/things`, { method: 'POST', signal: leaving.signal }).then(
    () => 'answered',
    () => 'left',
  );
  await work.begun;
  const leave = (): Promise<string> => {
    leaving.abort();
    return outcome;
  };
  return { leave, end: work.end };
}
