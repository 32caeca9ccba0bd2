import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sealAuditEventsJob } from '#jobs/contracts/audit.ts';
import { pushHandoffsJob } from '#jobs/contracts/handoff.ts';
import { sendLogoutTokensJob } from '#jobs/contracts/oauth.ts';
import { createClient } from '#services/core/access/create-client.ts';
import { eventually } from '#tools/testing/eventually.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { composeJobs } from '#tools/testing/harness/job.ts';
import { askToken, codeForm, codeOf, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type ClientCredentials, type Json, send } from '#tools/testing/http-client.ts';
import type { Composed } from './compose.ts';

type Arrived = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };

/** Everything that arrived at the receivers, and at the host to which one of them redirects. */
const arrived: Arrived[] = [];
const leaked: Arrived[] = [];
const noting =
  (into: Arrived[], then: RequestListener): RequestListener =>
  (request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => {
      body += part.toString();
    });
    request.on('end', () => {
      into.push({ path: request.url ?? '', headers: request.headers, body });
      then(request, response);
    });
  };

const elsewhere = createServer(noting(leaked, (_request, response) => response.writeHead(204).end()));
const originOf = (server: { address(): unknown }) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
/** How each hostile receiver answers, and the failure that is recorded of it. */
const HOSTILE: Record<string, { readonly answer: RequestListener; readonly failure: RegExp }> = {
  redirects: {
    answer: (_request, response) => response.writeHead(307, { location: `${originOf(elsewhere)}/stolen` }).end(),
    failure: /^redirected$/,
  },
  floods: { answer: (_request, response) => response.end(Buffer.alloc(20_000_000)), failure: /^answer_too_large$/ },
  bombs: {
    answer: (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(20_000_000))),
    failure: /^answer_compressed$/,
  },
  drips: {
    answer: (_request, response) => {
      const dripping = setInterval(() => response.write('x'), 200);
      response.on('close', () => clearInterval(dripping));
    },
    failure: /^(ECONNRESET|TimeoutError)$/,
  },
  'hangs-up': { answer: (_request, response) => void response.destroy(), failure: /^(ECONNRESET|not_answered)$/ },
};
const NAMES = ['honest', ...Object.keys(HOSTILE)];
const receivers = createServer(
  noting(arrived, (request, response) => {
    const name = request.url?.split('/')[2] ?? '';
    const hostile = HOSTILE[name];
    if (hostile === undefined) response.writeHead(204).end();
    else hostile.answer(request, response);
  }),
);

let folder: string;
let harness: ApiHarness;
let api: ApiCopy;
const workers: Composed[] = [];
const clients: Record<string, ClientCredentials> = {};
let user: TestUser;

async function startWorker(env: Readonly<Record<string, string>>, jobs: readonly unknown[]): Promise<Composed> {
  const worker = await composeJobs(harness, jobs, { env: { BETTER_AUTH_URL: API_URL, ...env }, dataDir: folder });
  await worker.start();
  workers.push(worker);
  return worker;
}

/** A client whose users are signed out by posts to this path. */
async function newSite(path: string): Promise<ClientCredentials> {
  const made = await createClient(
    api.ports,
    {
      name: path,
      grant_types: ['authorization_code'],
      scopes: ['openid'],
      redirect_uris: [LOOPBACK_REDIRECT],
      backchannel_logout_uri: originOf(receivers) + path,
    },
    testCaller,
  );
  await api.ports.access.load();
  return { client_id: made.clientId, client_secret: made.clientSecret as string };
}

async function signInAt(site: ClientCredentials, by: TestUser): Promise<void> {
  const verifier = newVerifier();
  const answered = await askToken(api, site, codeForm(await codeOf(api, by, site.client_id, verifier), verifier));
  expect(answered.status, answered.text).toBe(200);
}
const leave = async ({ cookie }: TestUser): Promise<void> => {
  const left = await send(api.url, 'POST', '/api/auth/signout', { cookie, headers: { origin: API_URL } });
  expect(left.status).toBe(200);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-hostile-'));
  for (const server of [receivers, elsewhere]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  harness = await openApiHarness();
  api = await harness.startCopy({ hashes: false });
  for (const name of NAMES) clients[name] = await newSite(`/logout/${name}`);
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.drain(5_000)));
  await harness?.close();
  for (const server of [receivers, elsewhere]) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

const at = (path: string): Arrived[] => arrived.filter((one) => one.path === path);
const failuresOf = async (table: string, name: string): Promise<Json[]> =>
  harness.rows(`SELECT failure FROM ${table} WHERE ${name} AND failure IS NOT NULL`);

describe('logout tokens to hostile receivers', () => {
  const tokenIn = ({ body }: Arrived): string => new URLSearchParams(body).get('logout_token') ?? '';

  beforeAll(async () => {
    user = await newSignedIn(api);
    for (const name of NAMES) await signInAt(clients[name] as ClientCredentials, user);
    await leave(user);
    await startWorker({ BACKCHANNEL_LOGOUT_PRIVATE: 'true' }, [sendLogoutTokensJob]);
    for (const name of NAMES) await eventually(`a token for ${name}`, () => at(`/logout/${name}`).length > 0);
  });

  test('each receiver gets the tokens of its client and of no other, each with its own jti', () => {
    for (const name of NAMES)
      for (const one of at(`/logout/${name}`)) {
        expect(decodeJwt(tokenIn(one))).toMatchObject({
          iss: API_URL,
          aud: clients[name]?.client_id,
          sub: user.id,
          sid: user.sessionId,
        });
        expect(decodeJwt(tokenIn(one))).not.toHaveProperty('nonce');
        expect(decodeProtectedHeader(tokenIn(one)).typ).toBe('logout+jwt');
      }
    const jtis = NAMES.map((name) => decodeJwt(tokenIn(at(`/logout/${name}`)[0] as Arrived)).jti);
    expect(new Set(jtis).size).toBe(NAMES.length);
  });

  test.each(Object.entries(HOSTILE))(
    'a receiver that %s fails, and is tried again later',
    async (name, { failure }) => {
      const mine = `client_id = '${clients[name]?.client_id}'`;
      const [row] = await eventually('the failure', async () => {
        const rows = await failuresOf('logout_tokens', mine);
        return rows.length > 0 && rows;
      });
      expect(row.failure).toMatch(failure);
    },
  );

  test('SSRF: a redirect takes the token to no other host', () => expect(leaked).toEqual([]));
});

test('SSRF: unless private addresses are allowed, no logout token is sent to one, however it is written', async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.drain(5_000)));
  await harness.rows`DELETE FROM logout_tokens`;
  arrived.length = 0;
  const { port } = new URL(originOf(receivers));
  const sites = [];
  for (const [n, host] of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433', '127.1'].entries()) {
    const site = await newSite(`/logout/inside-${n}`);
    // As a row that was written before the setting, or past the API.
    await harness.rows`UPDATE oauth_clients
      SET backchannel_logout_uri = ${`${n % 2 ? 'https' : 'http'}://${host}:${port}/logout/inside-${n}`}
      WHERE "clientId" = ${site.client_id}`;
    sites.push(site);
  }
  const person = await newSignedIn(api);
  for (const site of sites) await signInAt(site, person);
  await leave(person);
  await startWorker({}, [sendLogoutTokensJob]);
  await eventually(
    'every attempt to fail',
    async () => (await failuresOf('logout_tokens', 'true')).length === sites.length,
  );
  expect(new Set((await failuresOf('logout_tokens', 'true')).map(({ failure }) => failure))).toEqual(
    new Set(['not_https', 'private_address']),
  );
  expect(arrived).toEqual([]);
});

describe('hand-offs to hostile endpoints', () => {
  const eventsAt = (name: string) =>
    at(`/events/${name}`).filter(({ body }) => JSON.parse(body).subject === `user:${user.id}`);
  const eventAt = (name: string) => eventsAt(name)[0];

  beforeAll(async () => {
    arrived.length = 0;
    const endpoints = NAMES.map((name) => `${name}=${originOf(receivers)}/events/${name}`);
    await startWorker(
      { HANDOFF_ENDPOINTS: endpoints.join(','), HANDOFF_PRIVATE: 'true', HANDOFF_TYPES: 'session.ended' },
      [pushHandoffsJob, sealAuditEventsJob],
    );
    await eventually('the endpoints to be followed', async () => {
      return (await harness.rows`SELECT 1 FROM handoff_endpoints`).length === NAMES.length;
    });
    user = await newSignedIn(api);
    await leave(user);
    for (const name of NAMES) await eventually(`an event at ${name}`, () => eventAt(name) !== undefined);
  });

  test.each(Object.entries(HOSTILE))('an endpoint that %s fails, and keeps its events', async (name, { failure }) => {
    const [row] = await eventually('the failure', async () => {
      const rows = await failuresOf('handoff_deliveries', `endpoint = '${name}'`);
      return rows.length > 0 && rows;
    });
    expect(row.failure).toMatch(failure);
  });

  test('the honest one gets its event once, signed for its own address', async () => {
    const [one, ...more] = eventsAt('honest');
    expect(more).toEqual([]);
    expect(one?.headers['signature-input']).toContain('"@target-uri"');
    // Any other endpoint has a signature of its own: one of them cannot replay it at the honest one.
    const signatures = NAMES.map((name) => eventAt(name)?.headers.signature);
    expect(new Set(signatures).size).toBe(NAMES.length);
  });

  test('SSRF: a redirect takes neither event nor signature to another host', () => expect(leaked).toEqual([]));

  test('no credential of the installation is sent to an endpoint', () => {
    for (const { headers, body } of arrived) {
      expect(Object.keys(headers)).not.toContain('authorization');
      expect(Object.keys(headers)).not.toContain('cookie');
      expect(body).not.toContain(harness.authSecret);
    }
  });
});
