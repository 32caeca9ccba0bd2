import type { FastifyRequest } from 'fastify';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Caller, RequestContext } from '#services/core/ports.ts';
import { defineEndpoint, type Endpoint } from '#services/platform/define/endpoint.ts';
import { clientUnauthenticated, storeUnavailable } from '#services/platform/errors.ts';
import { refusesAssertions } from '#tools/testing/fakes/assertions.ts';
import { clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { type Authenticators, createCallerResolver } from './caller.ts';
import { createCallerRecheck } from './recheck-caller.ts';

const client = (permissions: readonly string[], request: RequestContext): Caller => ({
  ...clientCaller('c', permissions),
  request,
});
const person = (by: 'bearer' | 'session', request: RequestContext): Caller =>
  userCaller('u', { sessionId: 's', permissions: new Set(['tokens:read']), by, authTime: 1_000, acr, request });

let csrf = true;
let needsSecondFactor = false;
let acr: 'aal1' | 'aal2' = 'aal1';
const authenticators: Authenticators = {
  bearer: (token, request) => (token === 'good' ? person('bearer', request) : null),
  client: (id, secret, request) => (id === 'c' && secret === 's' ? client(['keys:read'], request) : null),
  session: async (request, context) => (request.headers.cookie === 'good' ? person('session', context) : null),
  assertion: refusesAssertions,
  certificate: async (id, certificate, request) => {
    if (id !== 'tls') return undefined;
    if (certificate?.thumbprint !== 'its') throw clientUnauthenticated();
    return client(['keys:read'], request);
  },
  confirmNewest: async () => {},
  csrfPasses: () => csrf,
  ownFactor: async () => {},
  rightsOf: async (role) => (role === 'reader' ? ['keys:read'] : ['keys:read', 'keys:manage']),
};
const endpoint = (auth: Endpoint['auth']): Endpoint =>
  defineEndpoint({
    method: 'POST',
    path: '/x',
    operation: 'x',
    summary: '',
    tag: 'Tokens',
    auth,
    responses: { 200: z.object({}) },
  }) as unknown as Endpoint;

type Sent = { authorization?: string; cookie?: string; 'user-agent'?: string };
const resolve = async (
  auth: Endpoint['auth'],
  headers: Sent = {},
  body?: unknown,
  method = 'POST',
  nowSeconds = 1_000,
): Promise<Caller> => {
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: false };
  const request = { headers, body, method, url: '/x?y', ip: '192.0.2.1', trace } as unknown as FastifyRequest;
  return createCallerResolver(authenticators, {
    maxAgeSeconds: 600,
    needsSecondFactor,
    clock: { now: () => nowSeconds * 1_000 },
  }).forEndpoint(endpoint(auth))(request);
};
const codeOf = (work: Promise<Caller>): Promise<string> =>
  work.then(
    (caller) => caller.kind,
    (err: { code: string }) => err.code,
  );
const basic = `Basic ${Buffer.from('c:s').toString('base64')}`;
const everything = { accepts: ['bearer', 'client', 'session'], for: 'anyone', subject: 'none' } as const;

describe('the caller of a request', () => {
  test('a public endpoint needs no credential, and its caller has the facts of the request', async () => {
    const caller = await resolve('public', { authorization: 'Bearer bad', 'user-agent': 'x'.repeat(600) });
    expect(caller.kind).toBe('anonymous');
    expect(caller.request).toMatchObject({ ip: '192.0.2.1', traceId: 'a'.repeat(32) });
    expect(caller.request.userAgent).toHaveLength(512);
    expect(caller.request.traceparent).toBe(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`);
    expect((await resolve('public')).request.userAgent).toBe('');
  });

  test('each kind of credential authenticates its caller', async () => {
    expect(await resolve(everything, { authorization: 'Bearer good' })).toMatchObject({ kind: 'user', by: 'bearer' });
    expect(await resolve(everything, { authorization: 'DPoP good' })).toMatchObject({ kind: 'user', by: 'bearer' });
    expect(await resolve(everything, { authorization: basic })).toMatchObject({ kind: 'client' });
    expect(await resolve(everything, {}, { client_id: 'c', client_secret: 's' })).toMatchObject({ kind: 'client' });
    expect(await resolve(everything, { cookie: 'good' })).toMatchObject({ kind: 'user', by: 'session' });
  });

  test('a caller that the limiter authenticated by the same headers is not authenticated again, and still needs the permission', async () => {
    const known = client(['keys:read'], {} as RequestContext);
    const request = { headers: { authorization: basic }, identified: known } as unknown as FastifyRequest;
    const none = { ...authenticators, client: () => expect.unreachable() };
    const callers = createCallerResolver(none);
    expect(await callers.forEndpoint(endpoint(everything))(request)).toBe(known);
    const forbidden = callers.forEndpoint(endpoint({ ...everything, permission: 'keys:rotate' }));
    expect(await codeOf(Promise.resolve(forbidden(request)))).toBe('permission_missing');
  });

  test('an invalid credential is refused, even with a valid cookie or if authentication is optional', async () => {
    expect(await codeOf(resolve(everything, { authorization: 'Bearer bad', cookie: 'good' }))).toBe('unauthenticated');
    expect(await codeOf(resolve(everything, { authorization: 'Digest x', cookie: 'good' }))).toBe('unauthenticated');
    expect(await codeOf(resolve({ ...everything, optional: true }, { authorization: 'Bearer bad' }))).toBe(
      'unauthenticated',
    );
    expect(await codeOf(resolve(everything, {}, { client_id: 'c', client_secret: 'x' }))).toBe('unauthenticated');
  });

  test('a client that authenticates twice in one request is refused, whichever of its secrets is right (RFC 6749 §2.3)', async () => {
    const form = { client_id: 'c', client_secret: 's' };
    for (const authorization of [basic, `Basic ${Buffer.from('c:x').toString('base64')}`])
      for (const body of [form, { client_secret: 'x' }, { ...form, client_secret: '' }])
        expect(
          await codeOf(resolve({ accepts: ['client'], for: 'anyone', subject: 'none' }, { authorization }, body)),
        ).toBe('request_invalid');
    expect(
      await codeOf(
        resolve({ accepts: ['client'], for: 'anyone', subject: 'none' }, { authorization: basic }, { client_id: 'c' }),
      ),
    ).toBe('client');
    expect(
      await codeOf(
        resolve({ accepts: ['bearer'], for: 'anyone', subject: 'none' }, { authorization: 'Bearer good' }, form),
      ),
    ).toBe('user');
  });

  test('a client is authenticated by the certificate of its connection only by a form, and without another credential', async () => {
    const by = async (body: unknown, { thumbprint = 'its', headers = {}, form = true } = {}) => {
      const trace = { traceId: '', spanId: '', sampled: false };
      const request = { headers, body, method: 'POST', url: '/x', trace, clientCertificate: { thumbprint } };
      const auth = { accepts: ['client', 'session'], optional: true, for: 'anyone', subject: 'none' } as const;
      const resolver = createCallerResolver(authenticators).forEndpoint({
        ...endpoint(auth),
        bodyType: form ? 'form' : 'json',
      });
      return codeOf(Promise.resolve(resolver(request as unknown as FastifyRequest)));
    };
    expect(await by({ client_id: 'tls' })).toBe('client');
    expect(await by({ client_id: 'tls' }, { thumbprint: 'another' })).toBe('client_unauthenticated');
    expect(await by({ client_id: 'tls', client_secret: 'x' })).toBe('client_unauthenticated');
    expect(await by({ client_id: 'tls' }, { headers: { authorization: basic } })).toBe('client');
    // In JSON the id may name the client that the request is about.
    for (const thumbprint of ['its', 'another'])
      expect(await by({ client_id: 'tls' }, { form: false, thumbprint })).toBe('anonymous');
    for (const body of [{ client_id: 'public' }, {}, null]) expect(await by(body)).toBe('anonymous');
  });

  test.each([
    [{}, /^The request has no Authorization header/],
    [{ authorization: 'Bearer bad' }, /^The token or API key is invalid/],
    [{ authorization: 'DPoP bad' }, /DPoP proof/],
    [{ authorization: 'Digest x' }, /is unreadable/],
    [{ authorization: basic }, /does not accept a client id/],
  ] as const)('a refusal of %j says what was sent', async (headers, detail) => {
    const refused = resolve({ accepts: ['bearer', 'session'], for: 'anyone', subject: 'none' }, headers);
    await expect(refused).rejects.toMatchObject({
      code: 'unauthenticated',
      options: { detail: expect.stringMatching(detail) },
    });
  });

  test('an anonymous caller is accepted only where the endpoint allows one', async () => {
    expect(await codeOf(resolve({ ...everything, optional: true }))).toBe('anonymous');
    expect(await codeOf(resolve(everything))).toBe('unauthenticated');
    expect(await codeOf(resolve(everything, { cookie: 'bad' }))).toBe('unauthenticated');
    expect(await codeOf(resolve({ accepts: ['client'], for: 'anyone', subject: 'none' }))).toBe(
      'client_unauthenticated',
    );
    expect(await codeOf(resolve({ accepts: ['client'], for: 'anyone', subject: 'none' }, {}, { client_id: 'c' }))).toBe(
      'client_unauthenticated',
    );
    expect(await codeOf(resolve(everything, { authorization: `Basic ${Buffer.from('c:x').toString('base64')}` }))).toBe(
      'client_unauthenticated',
    );
    expect(
      await codeOf(resolve({ accepts: ['bearer'], for: 'anyone', subject: 'none' }, { authorization: basic })),
    ).toBe('unauthenticated');
    expect(
      await codeOf(resolve({ accepts: ['client'], for: 'anyone', subject: 'none' }, { authorization: 'Bearer good' })),
    ).toBe('client_unauthenticated');
  });

  test('a write with a cookie from a page of another origin is refused, a read is not', async () => {
    csrf = false;
    expect(await codeOf(resolve({ accepts: ['session'], for: 'anyone', subject: 'none' }, { cookie: 'good' }))).toBe(
      'origin_refused',
    );
    expect(
      await codeOf(
        resolve({ accepts: ['session'], for: 'anyone', subject: 'none' }, { cookie: 'good' }, undefined, 'GET'),
      ),
    ).toBe('user');
    csrf = true;
  });

  test('a caller without every right of the role that is asked for is 403; a server that knows no roles admits no caller', async () => {
    const asking = (rightsOf: string) => ({ ...everything, permission: 'keys:read', rightsOf });
    expect(await codeOf(resolve(asking('reader'), { authorization: basic }))).toBe('client');
    expect(await codeOf(resolve(asking('admin'), { authorization: basic }))).toBe('rights_exceeded');
    const { rightsOf: _roles, ...others } = authenticators;
    const known = { headers: { authorization: basic }, identified: client(['keys:read'], {} as RequestContext) };
    const alone = createCallerResolver(others).forEndpoint(endpoint(asking('reader')));
    await expect((async () => alone(known as unknown as FastifyRequest))()).rejects.toThrow('the role reader');
  });

  test('an authenticated caller without the permission is 403', async () => {
    expect(await codeOf(resolve({ ...everything, permission: 'keys:read' }, { authorization: basic }))).toBe('client');
    expect(await codeOf(resolve({ ...everything, permission: 'keys:manage' }, { authorization: basic }))).toBe(
      'permission_missing',
    );
    expect(await codeOf(resolve({ ...everything, permission: 'keys:read' }, { authorization: 'Bearer good' }))).toBe(
      'permission_missing',
    );
    expect(await codeOf(resolve({ ...everything, permission: 'keys:read', optional: true }))).toBe(
      'permission_missing',
    );
  });

  test('an endpoint with step-up requires users to have signed in within ten minutes (RFC 9470), and nothing more of clients', async () => {
    const dangerous = { ...everything, stepUp: true } as const;
    const bearer = { authorization: 'Bearer good' };
    expect(await codeOf(resolve(dangerous, { authorization: basic }))).toBe('client');
    expect(await codeOf(resolve(everything, bearer, undefined, 'POST', 1_601))).toBe('user');
    expect(await codeOf(resolve(dangerous, bearer, undefined, 'POST', 1_600))).toBe('user');
    expect(await codeOf(resolve(dangerous, { cookie: 'good' }, undefined, 'POST', 1_601))).toBe('step_up_required');
    await expect(resolve(dangerous, bearer, undefined, 'POST', 1_601)).rejects.toMatchObject({
      code: 'step_up_required',
      options: {
        headers: {
          'www-authenticate': expect.stringMatching(/^Bearer .*error="insufficient_user_authentication".*max_age=600$/),
        },
      },
    });
    expect(await codeOf(resolve({ ...dangerous, permission: 'keys:read' }, bearer, undefined, 'POST', 1_601))).toBe(
      'permission_missing',
    );
  });

  test('where second factors are required, using a permission needs two factors; changing the caller’s account needs a recent sign-in', async () => {
    needsSecondFactor = true;
    const dangerous = { ...everything, permission: 'tokens:read', stepUp: true } as const;
    const bearer = { authorization: 'Bearer good' };
    await expect(resolve(dangerous, bearer)).rejects.toMatchObject({
      options: { headers: { 'www-authenticate': expect.stringContaining('acr_values="aal2", max_age=600') } },
    });
    expect(await codeOf(resolve({ ...everything, stepUp: true }, bearer))).toBe('user');
    acr = 'aal2';
    expect(await codeOf(resolve(dangerous, bearer))).toBe('user');
    expect(await codeOf(resolve(dangerous, bearer, undefined, 'POST', 1_601))).toBe('step_up_required');
    needsSecondFactor = false;
    acr = 'aal1';
  });
});

describe('a long-lived answer', () => {
  test('continues while its credential is valid, with the proof of its request; if validity is unknown the check fails', async () => {
    let told: 'good' | 'over' | 'unknown' = 'good';
    const proofs: unknown[] = [];
    const recheckCaller = createCallerRecheck({
      ...authenticators,
      bearer: (_token, request, proof) => {
        proofs.push(proof);
        if (told === 'unknown') throw storeUnavailable();
        return told === 'good' ? person('bearer', request) : null;
      },
    });
    const request = {
      headers: { authorization: 'DPoP good', dpop: 'p' },
      method: 'GET',
      url: '/x',
      identified: person('bearer', {} as RequestContext),
    } as unknown as FastifyRequest;
    const asks = (permission: string) =>
      recheckCaller(endpoint({ accepts: ['bearer'], for: 'anyone', permission, subject: 'any' }))(request);
    expect(await asks('tokens:read')).toBe(true);
    expect(proofs).toEqual([{ proof: 'p', htm: 'GET', path: '/x', isChecked: true }]);
    expect(await asks('keys:manage')).toBe(false);
    told = 'over';
    expect(await asks('tokens:read')).toBe(false);
    told = 'unknown';
    await expect(asks('tokens:read')).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});
