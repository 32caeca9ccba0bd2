// About: observability/
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newClient, patiently, refresh, signIn, tampered } from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type Sent, send, sendBytes } from '#tools/testing/http-client.ts';
import { operationsOf } from '#tools/testing/openapi-check.ts';
import { usePrivacyRoutes } from './privacy-canary-harness.ts';
import {
  databaseContents,
  makeServerSecrets,
  redisContents,
  spellings,
  useHealthData,
} from './telemetry-canary-harness.ts';
import { ORIGIN, openTelemetryHarness, type TelemetryHarness } from './telemetry-harness.ts';

let harness: TelemetryHarness;
let stores: TelemetryHarness['stores'];
let product: TelemetryHarness['product'];
beforeAll(async () => {
  harness = await openTelemetryHarness();
  ({ stores, product } = harness);
});
afterAll(() => harness?.close());

/** The paths that Bull Board requests below its page, with places for a client's text. */
const BOARD_PATHS = `{} api/queues api/queues/{} api/queues/{}/{} api/queues/audit-seal/{} api/queues/audit-seal/{}/{}
  api/queues/audit-seal/{}/retry api/queues/audit-seal/{}/logs queue/{} static/{}`.split(/\s+/);

describe('redaction', () => {
  const canary = (kind: string): string => `canary${kind}${randomBytes(12).toString('hex')}`;

  test('no secret sent through any route, errors included, appears in logs, metrics, spans, error reports, Redis, job data or a dump; addresses are only in their tables', async () => {
    const email = `${canary('email')}@example.test`;
    const secrets = new Map<string, string>();
    const plant = (kind: string, value = canary(kind)): string => {
      secrets.set(kind, value);
      return value;
    };
    const personal = new Map<string, string>([
      ['email', email.split('@')[0]!],
      ['name', canary('name')],
      ['agent', canary('agent')],
    ]);
    const headers = { 'user-agent': personal.get('agent')! };
    const password = plant('password', `${canary('password')} and more`);

    // Credentials that work.
    const made = await eventually('a sign-up, which a busy machine may refuse at first', async () => {
      const json = { email, password, name: personal.get('name') };
      const answer = await send(product.api, 'POST', '/api/auth/signup', { json, headers });
      return answer.status !== 503 && answer;
    });
    expect(made.status, made.text).toBe(201);
    const person = await signIn(product, { email, password });
    plant('access token', person.tokens.access_token);
    plant('access token signature', person.tokens.access_token.split('.')[2]);
    plant('refresh token', person.tokens.refresh_token);
    plant('refresh nonce', person.tokens.refresh_token.split('.')[3]);
    plant('refresh mac', person.tokens.refresh_token.split('.')[4]);
    const signedCookie = decodeURIComponent(/session_token=([^;]+)/.exec(person.cookie)![1]!);
    const [sessionToken = '', cookieSignature = ''] = signedCookie.split('.');
    plant('cookie signature', cookieSignature.replace(/=+$/, ''));
    plant('csrf token', /sallyport\.csrf=([^;]+)/.exec(person.cookie)![1]!.split('.')[1]);
    const client = await newClient(product, { credential_scopes: ['tokens:issue'] });
    plant('client secret', client.client_secret);
    plant('demo client secret', product.credentials.client.client_secret);
    plant('demo password', product.credentials.user.password);
    const machine = await send(product.api, 'POST', '/oauth2/token', {
      basic: client,
      form: { grant_type: 'client_credentials' },
    });
    plant('client token', machine.body.access_token);
    const idempotencyKey = plant('idempotency key');
    const issued = await send(product.api, 'POST', '/v1/tokens', {
      basic: client,
      json: { user_id: person.id },
      headers: { 'idempotency-key': idempotencyKey },
    });
    plant('issued refresh token', issued.body.refresh_token);
    const rotated = await refresh(product, issued.body.refresh_token);
    plant('successor', rotated.body.refresh_token);

    // Secrets that the server creates and shows once.
    for (const [kind, value] of await makeServerSecrets(product, ORIGIN)) plant(kind, value);
    const admin = await signIn(product, product.credentials.admin);

    // Every route, with a canary wherever it takes text.
    const wrong = plant('wrong password');
    const loose = plant('loose token');
    const code = plant('code');
    // The audit log names what an operator changed; nothing else does.
    const job = canary('job');
    const sents = (): Sent[] => [
      { bearer: loose, headers },
      { bearer: person.tokens.access_token, headers },
      { basic: { client_id: client.client_id, client_secret: wrong }, headers },
      { cookie: `better-auth.session_token=${loose}.${loose}`, headers: { ...headers, origin: ORIGIN } },
      { cookie: person.cookie, headers: { ...headers, origin: 'https://evil.example', 'x-csrf-token': loose } },
      {
        headers: {
          ...headers,
          authorization: `Digest ${loose}`,
          'x-api-key': loose,
          'x-forwarded-for': loose,
          traceparent: loose,
          baggage: `token=${loose}`,
          tracestate: `t=${loose}`,
        },
      },
    ];
    const bodies: object[] = [
      { email, password: wrong },
      { email: `${loose}@example.test`, password: wrong },
      { email, password: 'short' },
      { token: loose, reason: 'x' },
      {
        token: person.tokens.access_token,
        audience: 'other',
        context: { ip: '203.0.113.77', user_agent: personal.get('agent') },
      },
      { refresh_token: loose },
      { refresh_token: tampered(person.tokens.refresh_token) },
      { tokens: [loose, person.tokens.access_token] },
      { [loose]: loose },
      // Larger than any body may be.
      { email, password: loose.repeat(2_000), token: loose.repeat(2_000) },
      { password: { secret: loose }, email: [email], token: { value: loose }, refresh_token: [loose] },
    ];
    const forms: Record<string, string>[] = [
      { grant_type: 'authorization_code', code, code_verifier: code, redirect_uri: `https://${loose}.example` },
      { grant_type: 'password', username: email, password: wrong },
      { grant_type: 'refresh_token', refresh_token: loose, client_id: client.client_id, client_secret: wrong },
      { grant_type: loose, client_secret: wrong, client_id: loose },
      { token: person.tokens.refresh_token },
      { token: loose, client_assertion: loose },
    ];
    const operations = operationsOf((await send(product.api, 'GET', '/openapi.json')).body);
    const everywhere = async (): Promise<void> => {
      for (const { method, path, bodyType } of operations) {
        const target = path.replaceAll(/\{\w+\}/g, loose);
        // Signing out comes later.
        const isSafe = ({ bearer }: Sent): boolean => bearer !== person.tokens.access_token || !path.includes('revoke');
        // Each sign-in costs a hash: one way of sending it is enough.
        const ways = sents()
          .filter(isSafe)
          .slice(0, /sign-?(in|up)/.test(path) ? 1 : undefined);
        // Every body is sent the way that is processed furthest; the other ways test their headers, whatever the body.
        const furthest = ways.find(({ bearer }) => bearer === person.tokens.access_token) ?? ways[0];
        const sendIn = async (sent: Sent): Promise<void> => {
          await send(product.api, method, `${target}?token=${loose}&code=${code}`, sent);
          if (bodyType === 'application/json')
            await Promise.all(
              (sent === furthest ? bodies : bodies.slice(0, 1)).map((json) =>
                send(product.api, method, target, { ...sent, json }),
              ),
            );
          else if (bodyType)
            await Promise.all(forms.map((form) => send(product.api, method, target, { ...sent, form })));
          else await send(product.api, method, target, sent);
        };
        await Promise.all(ways.map(sendIn));
      }
      // As a caller with every permission, so that the values of path and body are processed as far as possible.
      const allowed = { cookie: admin.cookie, headers: { ...headers, origin: ORIGIN } };
      for (const path of BOARD_PATHS.map((path) => path.replaceAll('{}', job)))
        for (const [method, sent] of [
          ['GET', allowed],
          ['PUT', { ...allowed, json: {} }],
          ['PUT', { ...allowed, json: { [loose]: loose, token: loose } }],
          ['GET', { bearer: loose, headers }],
        ] as const)
          await send(product.api, method, `/v1/admin/queues/${path}?token=${loose}&activeQueue=${loose}`, sent);
      await send(product.api, 'GET', `/${loose}/${code}?password=${wrong}`, { headers });
      await sendBytes(
        product.api,
        `GET /${loose} HTTP/1.1\r\nAuthorization: Bearer ${loose}\r\nbroken ${loose}\r\n\r\n`,
      );
      await Promise.all(
        Array.from({ length: 3 }, () =>
          send(product.api, 'POST', '/api/auth/signup', { json: { email, password }, headers }),
        ),
      );
    };
    await everywhere();
    const diagnosis = plant('health data');
    const officer = { cookie: admin.cookie, headers: { ...headers, origin: ORIGIN } };
    await useHealthData(product, officer, diagnosis);
    await usePrivacyRoutes(product, officer, diagnosis, operations);

    // The same while the database is down: refusals are logged with their causes.
    const thaw = stores.freezePostgres();
    try {
      await Promise.all([
        send(product.api, 'POST', '/api/auth/signin', { json: { email, password }, headers }),
        send(product.api, 'POST', '/api/auth/signup', {
          json: { email, password, name: personal.get('name') },
          headers,
        }),
        refresh(product, person.tokens.refresh_token),
        send(product.api, 'POST', '/oauth2/token', {
          basic: client,
          form: { grant_type: 'refresh_token', refresh_token: person.tokens.refresh_token },
        }),
        send(product.api, 'POST', '/v1/tokens', {
          basic: client,
          json: { user_id: person.id },
          headers: { 'idempotency-key': idempotencyKey },
        }),
        send(product.api, 'POST', '/v1/tokens/revoke', {
          basic: product.credentials.client,
          json: { token: person.tokens.access_token, reason: 'x' },
        }),
        send(product.api, 'GET', '/api/auth/session', { cookie: person.cookie }),
      ]);
    } finally {
      thaw();
    }
    await eventually('readiness', harness.isReady);
    expect(product.output()).toMatch(/"level":"warn".*store_unavailable/);

    // And during a defect: defects are logged and reported, in the API and in the worker.
    // The table stays: a connection that is opened anew, as after the freeze, needs its right to insert there.
    await queryRows(stores.databaseUrl)`ALTER TABLE audit_outbox RENAME detail TO detail_gone`;
    try {
      await send(product.api, 'POST', '/api/auth/signin', { json: { email, password }, headers });
      await refresh(product, person.tokens.refresh_token);
      await send(product.api, 'POST', '/v1/tokens', { basic: client, json: { user_id: person.id } });
      // Refused with a 500, after the value was encrypted.
      const sent = {
        cookie: admin.cookie,
        headers: { ...headers, origin: ORIGIN },
        json: { subject_id: 'canary', purpose: 'treatment', data: diagnosis },
      };
      const failed = await patiently(() => send(product.api, 'POST', '/v1/privacy/phi/encrypt', sent));
      expect(failed.status).toBe(500);
      for (const service of ['api', 'worker'])
        await eventually(`a report of the ${service}`, () =>
          harness.sentryText().includes(`"service":"sallyport-${service}"`),
        );
    } finally {
      await queryRows(stores.databaseUrl)`ALTER TABLE audit_outbox RENAME detail_gone TO detail`;
    }
    await send(product.api, 'POST', '/api/auth/signout', { cookie: person.cookie, headers: { origin: ORIGIN } });
    const spansBefore = harness.collector.requests.length;
    await eventually('the last spans', () => harness.collector.requests.length > spansBefore + 3);
    await eventually('a span of sealing', () => harness.exported('traces').includes('INSERT INTO audit_events'));

    // Each place contains what belongs there, which shows that the search reads it.
    const places = new Map<string, string>([
      ['logs', product.output()],
      ['metrics', await harness.metricsText()],
      ['spans', harness.exported('traces').toString('latin1')],
      ['exported metrics', harness.exported('metrics').toString('latin1')],
      ['Redis and job data', await redisContents(stores.redisUrl)],
      ['error reports', harness.sentryText()],
    ]);
    expect(places.get('logs')).toContain('request failed');
    expect(places.get('metrics')).toContain('/v1/tokens/refresh');
    expect(places.get('spans')).toContain('/api/auth/signin');
    expect(places.get('spans')).toContain('/v1/privacy/phi/decrypt');
    expect(places.get('spans')).toContain('INSERT INTO audit_events');
    expect(places.get('Redis and job data')).toContain('auth:{');
    expect(places.get('Redis and job data')).toContain('seal-audit-events');
    expect(places.get('error reports')).toContain('42703');
    const tables = await databaseContents(stores.databaseUrl);
    expect(tables.get('users')).toContain(email);

    const hits: string[] = [];
    const search = (place: string, content: string, kind: string, value: string): void => {
      for (const spelling of spellings(value)) if (content.includes(spelling)) hits.push(`${kind} in ${place}`);
    };
    for (const [place, content] of places) {
      for (const [kind, value] of secrets) search(place, content, kind, value);
      search(place, content, 'session token', sessionToken);
      search(place, content, 'job that an operator named', job);
      for (const [kind, value] of personal) search(place, content, kind, value);
      search(place, content, 'client address given', '203.0.113.77');
    }
    for (const [table, content] of tables) {
      for (const [kind, value] of secrets) search(`table ${table}`, content, kind, value);
      if (!['users', 'sessions', 'accounts', 'one_time_codes'].includes(table))
        for (const [kind, value] of personal) search(`table ${table}`, content, kind, value);
      // Better Auth looks sessions up by it; without its signature it is no credential.
      if (table !== 'sessions') search(`table ${table}`, content, 'session token', sessionToken);
      // The demo client’s pages are on the same machine.
      const beside = content.replaceAll(/https?:\/\/127\.0\.0\.1/g, '');
      if (table !== 'sessions') search(`table ${table}`, beside, 'client address', '127.0.0.1');
    }
    expect(hits).toEqual([]);
  });
});
