import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { protect as protectExpress } from '../src/express.ts';
import { protect as protectFastify } from '../src/fastify.ts';
import { LIMITS } from '../src/generated/contract.ts';
import { protect as protectHono } from '../src/hono.ts';
import { authenticate, authOf, createVerifier, type Verifier } from '../src/index.ts';
import { guard, withAuth } from '../src/next.ts';
import { createFakeIssuer, type FakeIssuer } from '../src/testing.ts';
import { createUsedProofs } from '../src/used-proofs.ts';

const ORIGIN = 'https://tasks.test';
// The slash at the end is a usual mistake.
const route = { scopes: ['tasks'], permissions: ['tasks:read'], origin: `${ORIGIN}/` };

let issuer: FakeIssuer;
let verifier: Verifier;
const closing: (() => unknown)[] = [];
type Send = (headers: Readonly<Record<string, string>>) => Promise<Response>;
const servers: Record<string, Send> = {};

beforeAll(async () => {
  issuer = await createFakeIssuer();
  verifier = createVerifier({ ...issuer.options, feedInterval: 60 });
  await verifier.ready();

  const app = fastify();
  app.get('/tasks', { onRequest: protectFastify(verifier, route) }, async (request) => ({
    sub: authOf(request).claims.sub,
  }));
  const address = await app.listen({ port: 0, host: '127.0.0.1' });
  closing.push(() => app.close());
  servers.fastify = (headers) => fetch(`${address}/tasks?page=1`, { headers });

  // A router that is mounted below another: its own `request.url` is not the path of the request.
  const router = express.Router();
  router.get('/', protectExpress(verifier, route), (request, response) => {
    response.json({ sub: authOf(request).claims.sub });
  });
  const mounted = express().use('/tasks', router);
  const server = mounted.listen(0, '127.0.0.1');
  await new Promise<void>((done) => server.once('listening', done));
  closing.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  servers.express = (headers) =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/tasks?page=1`, { headers });

  const handler = withAuth(verifier, (_request, { auth }) => Response.json({ sub: auth.claims.sub }), route);
  const web = (headers: Readonly<Record<string, string>>) =>
    new Request('http://10.0.0.7:3000/tasks?page=1', { headers });
  servers.next = (headers) => handler(web(headers), {});
  const proxy = guard(verifier, route);
  servers['next proxy'] = async (headers) => (await proxy(web(headers))) ?? Response.json({ sub: 'ada' });
  const hono = new Hono().get('/tasks', protectHono(verifier, route), (context) =>
    context.json({ sub: authOf(context).claims.sub }),
  );
  servers.hono = async (headers) => hono.request(web(headers));
});
afterAll(async () => {
  verifier.close();
  for (const close of closing) await close();
});

const good = { sub: 'ada', scope: 'openid tasks', permissions: ['tasks:read'] };

describe.each(['fastify', 'express', 'next', 'next proxy', 'hono'])('%s', (name) => {
  const send: Send = (headers) => (servers[name] as Send)(headers);
  const refusal = async (headers: Readonly<Record<string, string>>) => {
    const response = await send(headers);
    const body = (await response.json()) as { code: string; status: number };
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(body.status).toBe(response.status);
    return [response.status, body.code, response.headers.get('www-authenticate')];
  };

  test('a request with a good token reaches the handler, which knows who sent it', async () => {
    const response = await send({ authorization: `Bearer ${await issuer.mint(good)}` });
    expect([response.status, await response.json()]).toEqual([200, { sub: 'ada' }]);
    expect((await send({ authorization: `bearer  ${await issuer.mint(good)}` })).status).toBe(200);
  });

  test('a request without a token, or of another scheme, is challenged without an error', async () => {
    for (const headers of [{}, { authorization: 'Basic YTpi' }, { authorization: 'Bearerx' }])
      expect(await refusal(headers as Record<string, string>)).toEqual([401, 'unauthenticated', 'Bearer']);
  });

  test('an Authorization header that is none is a 400', async () => {
    for (const authorization of ['Bearer', 'Bearer a b', 'Bearer a, Bearer b'])
      expect(await refusal({ authorization })).toEqual([400, 'request_invalid', null]);
  });

  test('a token that is not accepted, a missing scope and a missing permission have their status and challenge', async () => {
    const bearer = async (claims: object) =>
      refusal({ authorization: `Bearer ${await issuer.mint({ ...good, ...claims })}` });
    expect(await bearer({ exp: 1 })).toEqual([
      401,
      'expired',
      'Bearer error="invalid_token", error_description="Token expired"',
    ]);
    expect(await bearer({ scope: 'openid' })).toEqual([
      403,
      'insufficient_scope',
      'Bearer error="insufficient_scope", error_description="Scope missing", scope="tasks"',
    ]);
    expect(await bearer({ permissions: ['tasks:write'] })).toEqual([403, 'permission_missing', null]);
  });

  test('a bound token is accepted once under the scheme DPoP with its proof, and never under Bearer', async () => {
    const client = await issuer.newDpopClient();
    const token = await issuer.mint({ ...good, cnf: { jkt: client.jkt } });
    const dpop = await client.proof('GET', `${ORIGIN}/tasks`, token);
    const challenge =
      'DPoP algs="ES256 RS256 EdDSA", error="invalid_dpop_proof", error_description="Proof of possession missing or wrong"';
    expect((await send({ authorization: `DPoP ${token}`, dpop })).status).toBe(200);
    expect(await refusal({ authorization: `DPoP ${token}`, dpop })).toEqual([401, 'binding_mismatch', challenge]);
    expect(await refusal({ authorization: `DPoP ${token}` })).toEqual([401, 'binding_mismatch', challenge]);
    expect((await refusal({ authorization: `Bearer ${token}`, dpop }))[1]).toBe('binding_mismatch');
    const elsewhere = await client.proof('GET', 'https://other.test/tasks', token);
    expect((await refusal({ authorization: `DPoP ${token}`, dpop: elsewhere }))[1]).toBe('binding_mismatch');
    const free = await issuer.mint(good);
    const proof = await client.proof('GET', `${ORIGIN}/tasks`, free);
    expect((await refusal({ authorization: `DPoP ${free}`, dpop: proof }))[1]).toBe('binding_mismatch');
  });
});

test('a response repeats no part of a token, and a stale verifier answers 503 with Retry-After', async () => {
  const stale = await createFakeIssuer();
  const own = createVerifier({ ...stale.options, feedInterval: 60 });
  stale.goStale();
  const token = await stale.mint();
  const result = await authenticate(own, { method: 'GET', url: ORIGIN, authorization: `Bearer ${token}` });
  own.close();
  expect(result).toMatchObject({ ok: false, response: { status: 503, headers: { 'retry-after': '1' } } });
  expect(JSON.stringify(result)).not.toContain(token.slice(-20));
});

test('a used proof is refused for as long as it could be accepted', async () => {
  const client = await issuer.newDpopClient();
  const token = await issuer.mint({ cnf: { jkt: client.jkt } });
  const facts = { method: 'GET', url: `${ORIGIN}/x`, authorization: `DPoP ${token}` };
  // Used proofs are kept in two generations: the first proof begins one, and the second is used shortly before its end.
  await authenticate(verifier, { ...facts, dpop: await client.proof('GET', facts.url, token) });
  issuer.advance(50);
  await verifier.refresh();
  const dpop = await client.proof('GET', facts.url, token);
  const codes: string[] = [];
  for (let second = 0; second < 80; second += 5) {
    codes.push((await authenticate(verifier, { ...facts, dpop })).code);
    issuer.advance(5);
    await verifier.refresh();
  }
  expect(codes[0]).toBe('active');
  expect(new Set(codes.slice(1))).toEqual(new Set(['binding_mismatch']));
});

test('too many proofs are answered with 503 to retry, and no replay is accepted', async () => {
  const limits = LIMITS as { proofsRemembered: number };
  const most = limits.proofsRemembered;
  limits.proofsRemembered = 3;
  const own = await createFakeIssuer();
  const limited = createVerifier({ ...own.options, feed: 'off' });
  try {
    const client = await own.newDpopClient();
    const token = await own.mint({ cnf: { jkt: client.jkt } });
    const url = `${ORIGIN}/x`;
    const send = async (dpop: string) =>
      authenticate(limited, { method: 'GET', url, authorization: `DPoP ${token}`, dpop });
    const proof = () => client.proof('GET', url, token);
    const used = await Promise.all([proof(), proof(), proof()]);
    for (const dpop of used) expect((await send(dpop)).code).toBe('active');
    expect(await send(await proof())).toMatchObject({
      code: 'too_many_proofs',
      response: { status: 503, headers: { 'retry-after': '1' } },
    });
    for (const dpop of used) expect((await send(dpop)).code).toBe('binding_mismatch');
    // A window has 81 seconds; a proof is too old after 60.
    own.advance(82);
    expect((await send(await proof())).code).toBe('active');
    for (const dpop of used) expect((await send(dpop)).code).toBe('binding_mismatch');
  } finally {
    limits.proofsRemembered = most;
    limited.close();
  }
});

test('remembered proofs take 50 MB at most', async () => {
  // A tenth, because digests take time: the number is what grows.
  const count = LIMITS.proofsRemembered / 10;
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const use = createUsedProofs({ now: Date.now, clockSkew: 5 });
  const padding = 'x'.repeat(LIMITS.proofClaimCharacters - 6);
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < count; at += 1) await use({ jkt: 'key', jti: `${String(at).padStart(6, '0')}${padding}` });
  gc();
  const taken = process.memoryUsage().heapUsed - before;
  expect(taken).toBeLessThan(50_000_000 / 20);
  expect(await use({ jkt: 'key', jti: `000000${padding}` })).toBe('binding_mismatch');
});

test('authOf throws for a request that no protect has seen', () => expect(() => authOf({})).toThrow('authOf'));

test('a client certificate of the TLS connection is the proof of a token that is bound to it', async () => {
  const der = new Uint8Array([48, 1, 2]);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', der));
  const thumbprint = Buffer.from(digest).toString('base64url');
  const authorization = `Bearer ${await issuer.mint({ cnf: { 'x5t#S256': thumbprint } })}`;
  const statusOver = async (socket: unknown, options = {}): Promise<number> =>
    new Promise((done) => {
      const response = { writeHead: (status: number) => done(status), end: () => {} };
      const request = { method: 'GET', url: '/', headers: { authorization, host: 'tasks.test' }, socket };
      protectExpress(verifier, options)(request, response, () => done(200));
    });
  const tls = (raw?: Uint8Array) => ({ encrypted: true, getPeerCertificate: () => ({ raw }) });
  expect(await statusOver(tls(der))).toBe(200);
  expect(await statusOver(tls(new Uint8Array([1])))).toBe(401);
  expect(await statusOver(tls())).toBe(401);
  expect(await statusOver({})).toBe(401);
  expect(await statusOver({}, { certificate: () => thumbprint })).toBe(200);
});
