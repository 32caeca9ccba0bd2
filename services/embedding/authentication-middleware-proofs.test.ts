import { randomBytes } from 'node:crypto';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { userCaller } from '#tools/testing/harness/ports.ts';
import { type Authenticators, createCallerResolver } from '../api/requests/caller.ts';
import { type ProofPorts, useProofsOnce } from '../api/requests/use-proofs-once.ts';
import { rejectsAll } from '../api/route-harness.ts';
import { createProofKeyCache } from '../core/tokens/dpop/dpop-proof.ts';
import { verifyProof } from '../core/tokens/dpop/use-dpop-proof.ts';
import { systemClock } from '../platform/crypto/system.ts';
import { isAppError } from '../platform/define/error.ts';
import { createAuthenticationMiddleware } from './authentication-middleware.ts';

const PUBLIC_URL = 'https://auth.test';
const TOKEN = 'token';
const maker = newProofMaker();
const used = new Set<string>();
const ports = {
  clock: systemClock,
  tokenSettings: { leewaySeconds: 5, requireDpopNonce: false },
  proofKeys: createProofKeyCache(),
  keyRing: { secret: () => ({ version: 1, key: randomBytes(32) }), secretVersion: () => undefined },
  publicUrl: PUBLIC_URL,
  // One row for each hash, like the primary key of the table.
  hotSql: {
    query: async (_statement: unknown, [hash]: readonly [Buffer]) => {
      const rows = used.has(hash.toString('hex')) ? [] : [{}];
      used.add(hash.toString('hex'));
      return rows;
    },
  },
} as unknown as ProofPorts;

const authenticators: Authenticators = {
  ...rejectsAll,
  bearer: (token, _request, proof) => {
    if (proof !== undefined) verifyProof(ports, { ...proof, htu: PUBLIC_URL + proof.path }, token);
    return userCaller('ann', { permissions: new Set(['reports:write']) });
  },
  csrfPasses: () => true,
};

let app: FastifyInstance;
beforeAll(async () => {
  app = Fastify();
  app.setErrorHandler((err, _request, reply) =>
    reply.code(isAppError(err) ? err.definition.status : 500).send({ code: isAppError(err) ? err.code : String(err) }),
  );
  const callers = useProofsOnce(ports, createCallerResolver(authenticators));
  const guard = createAuthenticationMiddleware(app, callers, authenticators);
  const twice = [guard.authenticateRequest, guard.requirePermission('reports:write')];
  for (const method of ['GET', 'POST', 'DELETE'] as const)
    app.route({ method, url: '/reports', preHandler: twice, handler: async () => 'done' });
  await app.ready();
});
afterAll(() => app.close());

const send = async (method: 'GET' | 'HEAD' | 'POST' | 'DELETE', proof: string) => {
  const headers = { authorization: `DPoP ${TOKEN}`, dpop: proof };
  return (await app.inject({ method, url: '/reports', headers })).statusCode;
};
const proofFor = (method: string) => maker.proof(method, `${PUBLIC_URL}/reports`, { accessToken: TOKEN });

test.each(['POST', 'DELETE'] as const)(
  'a recorded %s of an embedding application cannot be repeated, though its two guards share one proof',
  async (method) => {
    const recorded = proofFor(method);
    expect([await send(method, recorded), await send(method, recorded)]).toEqual([200, 401]);
    expect(await send(method, proofFor(method))).toBe(200);
  },
);

test.each(['GET', 'HEAD'] as const)('a %s may repeat its proof', async (method) => {
  const proof = proofFor(method);
  expect([await send(method, proof), await send(method, proof)]).toEqual([200, 200]);
});
