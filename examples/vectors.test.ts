import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createFakeIssuer } from '#sdks/typescript/src/testing.ts';
import { file, verifierOf } from '#sdks/typescript/test/vector-verifier.ts';
import { createApp } from './tasks-fastify/app.ts';
import { createVerifier, type Verifier } from './tasks-fastify/sallyport.ts';
import { settingsOf } from './tasks-fastify/settings.ts';
import type { TaskStore } from './tasks-fastify/tasks.store.ts';

/** RFC 6750 §2.1: anything else is no token. */
const B64TOKEN = /^[\w.~+/-]+=*$/;
/** What the vectors have in place of certificates (conformance/README.md), by thumbprint. */
const certificates = new Map(
  ['the client certificate of the vectors', 'another'].map((text) => [
    createHash('sha256').update(text).digest('base64url'),
    Buffer.from(text),
  ]),
);

/** White space at an end is no part of a header, and the thumbprint of a key is not that of a certificate. */
const vectors = file.vectors.filter(
  ({ token, options: { certificate } }) =>
    token === token.trim() && (certificate === undefined || certificates.has(certificate)),
);

type Sent = { readonly method: 'GET'; readonly url: string; readonly headers: Readonly<Record<string, string>> };
type Connection = { readonly encrypted: boolean; getPeerCertificate(): { readonly raw: Uint8Array | undefined } };

/** The service. An accepted token gets no further than the path of another user. */
const appOf = (verifier: Verifier, publicUrl?: string): ReturnType<typeof createApp> =>
  createApp({ verifier, tasks: {} as TaskStore, publicUrl });

/** The code of the answer to a request on a connection that has, as far as the service sees, these properties. */
async function codeOver(connection: Connection, app: ReturnType<typeof createApp>, { method, url, headers }: Sent) {
  await app.ready();
  const server = createServer((request, response) => {
    Object.assign(request.socket, connection);
    app.routing(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const asking = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }).end();
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    return (JSON.parse(await text(answer)) as { code: string }).code;
  } finally {
    server.close();
  }
}

/** Method, address, headers and connection of the request that a vector describes. */
function requestOf({ token, options: { dpop, certificate } }: (typeof vectors)[number]) {
  const [, scheme, host = 'tasks.example', url = ''] = /^(\w+):\/\/([^/]+)([^#]+)/.exec(dpop?.url ?? '') ?? [];
  const isTls = certificate !== undefined || scheme === 'https';
  return {
    connection: { encrypted: isTls, getPeerCertificate: () => ({ raw: certificates.get(certificate ?? '') }) },
    sent: {
      method: (dpop?.method ?? 'GET') as 'GET',
      url: url || '/api/other/tasks',
      headers: { host, authorization: `${dpop ? 'DPoP' : 'Bearer'} ${token}`, ...(dpop ? { dpop: dpop.proof } : {}) },
    },
  };
}

test('the tasks API answers the code of every conformance vector, and accepts no token but the active ones', async () => {
  const wrong: string[] = [];
  let verifier: Verifier | undefined;
  const settings = { now: Date.now, clockSkew: 5, requiredScopes: [] };
  const forBearer = appOf({
    start: () => {},
    verify: (...asked) => (verifier as Verifier).verify(...asked),
    settings,
  } as Partial<Verifier> as Verifier);
  for (const vector of vectors) {
    verifier = await verifierOf(vector);
    const { connection, sent } = requestOf(vector);
    const isBound = vector.options.dpop !== undefined || vector.options.certificate !== undefined;
    // An application remembers used proofs, and the vectors repeat them.
    const code = isBound
      ? await codeOver(connection, appOf(verifier), sent)
      : (await forBearer.inject(sent)).json<{ code: string }>().code;
    const refusal = B64TOKEN.test(vector.token) ? vector.code : 'request_invalid';
    const expected = refusal === 'active' ? 'user_mismatch' : refusal;
    if (code !== expected) wrong.push(`${vector.name}: ${code}, not ${expected}`);
    verifier.close();
  }
  expect(wrong).toEqual([]);
  expect(vectors.length).toBeGreaterThan(600);
  expect(vectors.filter(({ options }) => options.dpop ?? options.certificate).length).toBeGreaterThan(60);
});

test('replay: with PUBLIC_URL, a proof for another service is refused whatever the Host', async () => {
  const issuer = await createFakeIssuer();
  const verifier = createVerifier(issuer.options);
  const env = { CLIENT_ID: 'a', CLIENT_SECRET: 'b', DATABASE_URL: 'c', PUBLIC_URL: 'https://tasks.example' };
  const app = appOf(verifier, settingsOf(env).publicUrl);
  const client = await issuer.newDpopClient();
  const token = await issuer.mint({ cnf: { jkt: client.jkt } });
  const codeOf = async (origin: string): Promise<string> => {
    const url = '/api/other/tasks';
    const dpop = await client.proof('GET', `${origin}${url}`, token);
    const headers = { host: 'attacker.example', authorization: `DPoP ${token}`, dpop };
    return (await app.inject({ url, headers })).json<{ code: string }>().code;
  };
  expect(await codeOf('http://attacker.example')).toBe('binding_mismatch');
  expect(await codeOf('https://tasks.example')).toBe('user_mismatch');
  await app.close();
  verifier.close();
});
