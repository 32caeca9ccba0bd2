import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { type Authenticators, createCallerResolver } from '../api/requests/caller.ts';
import { rejectsAll } from '../api/route-harness.ts';
import type { Caller, RequestContext } from '../core/ports.ts';
import { isAppError } from '../platform/define/error.ts';
import { type AuthenticationMiddleware, createAuthenticationMiddleware } from './authentication-middleware.ts';

const person = (userId: string, roles: readonly string[] | undefined, request: RequestContext): Caller => ({
  kind: 'user',
  userId,
  sessionId: 's',
  clientId: 'sallyport',
  permissions: new Set(userId === 'ann' ? ['audit:read'] : []),
  ...(roles ? { roles } : {}),
  by: 'bearer',
  tokenId: 't',
  familyId: 'f',
  authTime: 0,
  request,
});
const ROLES: Readonly<Record<string, readonly string[] | undefined>> = {
  ann: ['auditor', 'user'],
  root: ['admin', 'user'],
  eve: ['user'],
  old: undefined,
};
const authenticators: Authenticators = {
  ...rejectsAll,
  bearer: (token, request) => {
    if (token === 'key') return { ...person('ann', ROLES.ann, request), by: 'api_key' } as Caller;
    return token in ROLES ? person(token, ROLES[token], request) : null;
  },
  client: (clientId, _secret, request) => ({ ...clientCaller(clientId, ['audit:read']), request }),
  csrfPasses: (request) => request.headers.origin === 'https://own.test',
};

let app: FastifyInstance;
let guard: AuthenticationMiddleware;
beforeAll(async () => {
  app = Fastify();
  guard = createAuthenticationMiddleware(app, createCallerResolver(authenticators), authenticators);
  app.setErrorHandler((err, _request, reply) =>
    isAppError(err)
      ? reply.code(err.definition.status).send({ code: err.code })
      : reply.code(500).send({ code: String(err) }),
  );
  const answerCaller = (request: Parameters<typeof app.currentUser>[0]) => {
    const caller = app.currentUser(request);
    return { id: caller?.kind === 'user' ? caller.userId : caller?.kind === 'client' ? caller.clientId : null };
  };
  app.get('/open', answerCaller);
  app.get('/any', { preHandler: guard.authenticateRequest }, answerCaller);
  app.get('/role', { preHandler: guard.requireRole('auditor') }, answerCaller);
  app.get('/permission', { preHandler: guard.requirePermission('audit:read') }, answerCaller);
  app.get('/token', (request) => ({
    token: guard.extractTokenFromRequest(request),
    csrf: guard.validateCSRFToken(request),
  }));
  await app.ready();
});
afterAll(() => app.close());

const ask = async (url: string, headers: Record<string, string> = {}) => {
  const answer = await app.inject({ url, headers });
  return [answer.statusCode, answer.json()];
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const client = { authorization: `Basic ${Buffer.from('partner:secret').toString('base64')}` };

test('rejects API keys, because this middleware checks neither their signature nor their rate limit', async () => {
  for (const url of ['/any', '/role', '/permission'])
    expect(await ask(url, bearer('key'))).toEqual([403, { code: 'api_key_not_accepted' }]);
});

describe('guards for routes of an embedding application', () => {
  test('answers 401 without a valid credential; with one the route knows its caller', async () => {
    expect(await ask('/open', bearer('ann'))).toEqual([200, { id: null }]);
    for (const headers of [{}, bearer('unknown'), { authorization: 'Bearer' }, { authorization: 'Digest x' }])
      expect(await ask('/any', headers)).toEqual([401, { code: expect.stringMatching(/unauthenticated$/) }]);
    expect(await ask('/any', bearer('eve'))).toEqual([200, { id: 'eve' }]);
    expect(await ask('/any', client)).toEqual([200, { id: 'partner' }]);
  });

  test('requireRole admits users with the role and administrators, but no other user and no client', async () => {
    for (const name of ['ann', 'root']) expect(await ask('/role', bearer(name))).toEqual([200, { id: name }]);
    for (const headers of [bearer('eve'), bearer('old'), client])
      expect(await ask('/role', headers)).toEqual([403, { code: 'permission_missing' }]);
    expect((await ask('/role'))[0]).toBe(401);
  });

  test('requirePermission admits every caller with the permission, whatever its roles', async () => {
    expect(await ask('/permission', bearer('ann'))).toEqual([200, { id: 'ann' }]);
    expect(await ask('/permission', client)).toEqual([200, { id: 'partner' }]);
    expect(await ask('/permission', bearer('root'))).toEqual([403, { code: 'permission_missing' }]);
  });

  test('extractTokenFromRequest and validateCSRFToken never throw', async () => {
    expect(await ask('/token', { ...bearer('abc'), origin: 'https://own.test' })).toEqual([
      200,
      { token: 'abc', csrf: true },
    ]);
    for (const authorization of ['Bearer', 'Bearer a b', 'Basic !!!', 'x'.repeat(20_000).slice(0, 8_000)])
      expect(await ask('/token', { authorization })).toEqual([200, { token: null, csrf: false }]);
  });
});
