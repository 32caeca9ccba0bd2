import { randomBytes, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createApp } from '#services/api/app.ts';
import { bindOperations } from '#services/api/bind-operations.ts';
import { createCallerResolver } from '#services/api/requests/caller.ts';
import { clientRoutes } from '#services/api/routes/better-auth-client.ts';
import { factorsRoutes } from '#services/api/routes/factors.ts';
import { identityRoutes } from '#services/api/routes/identity.ts';
import { factorOperations } from '#services/core/identity/factor-operations.ts';
import { csrfPasses } from '#services/core/identity/sessions/csrf.ts';
import { sessionCaller } from '#services/core/identity/sessions/read-session.ts';
import { assertOwnFactor } from '#services/core/shared/assert-own-factor.ts';
import { refusesAssertions } from '../fakes/assertions.ts';
import { cookieOf, type Received, send as sendHttp } from '../http-client.ts';
import {
  openPeopleHarness,
  type PeopleHarness,
  type PeopleHarnessOptions,
  type PeopleOptions,
  startPeopleHarness,
} from './people.ts';
import { quietLog } from './ports.ts';

/** One API copy with the routes of identity alone, on real stores, listening on a free port. */
export type IdentityHarness = PeopleHarness & { readonly url: string };

/** On stores of its own, which `close` drops, as `openPeopleHarness` says. */
export const openIdentityHarness = async (options: PeopleOptions = {}): Promise<IdentityHarness> =>
  listening(await openPeopleHarness(options), options);

/** On the stores given, which others may share. */
export const startIdentityHarness = async (options: PeopleHarnessOptions): Promise<IdentityHarness> =>
  listening(await startPeopleHarness(options), options);

async function listening(people: PeopleHarness, options: PeopleOptions): Promise<IdentityHarness> {
  const { deps } = people;
  const app = createApp({ log: options.log ?? quietLog, trustedProxies: [] });
  const callers = createCallerResolver({
    bearer: () => null,
    client: () => null,
    session: (request, context, isUse) => sessionCaller(deps, request.headers.cookie, context, isUse),
    assertion: refusesAssertions,
    certificate: () => undefined,
    confirmNewest: async () => {},
    csrfPasses: (request) => csrfPasses(deps, request.headers),
    ownFactor: (caller) => assertOwnFactor(deps.sql, caller),
  });
  const routes = { app: app.fastify, callers, bound: app.bound };
  identityRoutes(routes, deps);
  clientRoutes(routes, deps);
  factorsRoutes(routes, deps);
  bindOperations(routes, factorOperations, deps);
  await app.fastify.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.fastify.server.address() as AddressInfo;

  return {
    ...people,
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      await app.fastify.close();
      await people.close();
    },
  };
}

/** A password and an unused e-mail address. */
export const newPerson = (): { email: string; password: string; name: string } => ({
  email: `${randomUUID()}@people.test`,
  password: randomBytes(12).toString('base64url'),
  name: 'Ada',
});

export type HttpAnswer = Received & {
  /** `name=value` pairs to send back. */
  readonly cookie: string;
};

/** One request as a client without a browser sends it. */
export async function send(
  harness: { readonly url: string },
  method: string,
  path: string,
  { body, ...options }: { body?: unknown; cookie?: string; headers?: Record<string, string> } = {},
): Promise<HttpAnswer> {
  const answer = await sendHttp(harness.url, method, path, { json: body, ...options });
  return { ...answer, cookie: cookieOf(answer) };
}
