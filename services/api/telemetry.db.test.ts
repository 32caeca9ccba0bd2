import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../../observability/testing.ts';
import {
  claimsIn,
  clientToken,
  issueFor,
  newClient,
  newPassword,
  refresh,
  revoke,
  signIn,
  signUp,
  tampered,
} from '../platform/testing/flows.ts';
import {
  expectProblem,
  type Received,
  requestText,
  type Sent,
  send,
  sendBytes,
} from '../platform/testing/http-client.ts';
import { operationsOf } from '../platform/testing/openapi-check.ts';
import { type OwnStores, startOwnStores } from '../platform/testing/own-stores.ts';
import { eventually, type Product, queryRows, startProduct } from '../platform/testing/product.ts';
import { databaseContents, redisContents, spellings } from '../platform/testing/store-contents.ts';

/** Names no address, so that an address found anywhere is a client's. */
const ORIGIN = 'http://auth.sallyport.test';

let stores: OwnStores;
let collector: OtlpReceiver;
/** Keeps what it is sent, as Sentry would. */
let sentry: OtlpReceiver;
let product: Product;

beforeAll(async () => {
  [stores, collector, sentry] = await Promise.all([startOwnStores(), startOtlpReceiver(), startOtlpReceiver()]);
  product = await startProduct({
    stores,
    env: {
      BETTER_AUTH_URL: ORIGIN,
      LOG_LEVEL: 'debug',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '1',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      SENTRY_DSN: sentry.endpoint.replace('://', '://publickey@').concat('/1'),
    },
  });
});
afterAll(async () => {
  await product?.dispose();
  await stores?.dispose();
  await Promise.all([collector?.close(), sentry?.close()]);
});

const exported = (signal: 'traces' | 'metrics'): Buffer =>
  Buffer.concat(collector.requests.filter(({ path }) => path.endsWith(signal)).map(({ body }) => body));
const metricsText = async (): Promise<string> => (await send(product.metrics, 'GET', '')).text;
const series = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const sumOf = (text: string, name: string, labels: Record<string, string>): number =>
  series(text)
    .filter(
      (line) =>
        line.startsWith(`${name}{`) &&
        Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)),
    )
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
const isReady = async (): Promise<boolean> => (await send(product.api, 'GET', '/readyz')).status === 200;

describe('one trace from the request to its audit row', () => {
  const traced = () => {
    const traceId = randomBytes(16).toString('hex');
    return {
      traceId,
      headers: {
        traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
        tracestate: 'evil=1',
        baggage: 'user=canary-baggage',
      },
    };
  };
  const auditTraces = async (where: string): Promise<string[]> =>
    (
      await queryRows<{ traceparent: string }>(
        stores.databaseUrl,
        `SELECT traceparent FROM audit_outbox WHERE ${where} ORDER BY id DESC LIMIT 5`,
      )
    ).map(({ traceparent }) => traceparent.split('-')[1]!);

  test('an incoming traceparent keeps its id: in the answer, in the audit row and in the exported span', async () => {
    const one = traced();
    const answer = await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: 'nobody@example.test', password: newPassword() },
      headers: one.headers,
    });
    expectProblem(answer, 401, 'login_refused');
    expect(answer.body.trace_id).toBe(one.traceId);
    expect(await auditTraces(`traceparent LIKE '00-${one.traceId}-%'`)).toEqual([one.traceId]);
    await eventually('a span', () => exported('traces').includes(Buffer.from(one.traceId, 'hex')));
    // Its children may be exported first.
    await eventually('the span under the caller’s', () =>
      exported('traces').includes(Buffer.from('00f067aa0ba902b7', 'hex')),
    );
  });

  test('without one, the trace id of the answer is the one in its audit event', async () => {
    const answer = await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: 'other@example.test', password: newPassword() },
    });
    expect(await auditTraces(`type = 'user.login'`)).toContain(answer.body.trace_id);
    const { tokens } = await signUp(product);
    const denied = await send(product.api, 'POST', '/v1/tokens', {
      bearer: tokens.access_token,
      json: { user_id: 'x' },
    });
    expect(await auditTraces(`type = 'token.issued' AND outcome = 'refused'`)).toEqual([denied.body.trace_id]);
  });

  test('group commit keeps the members apart: each refresh has its own trace in its own row', async () => {
    const person = await signUp(product);
    const logins = await Promise.all(
      Array.from({ length: 12 }, async () => ({ pair: await issueFor(product, person.id), ...traced() })),
    );
    await Promise.all(
      logins.map(({ pair, headers }) =>
        send(product.api, 'POST', '/v1/tokens/refresh', { json: { refresh_token: pair.refresh_token }, headers }),
      ),
    );
    for (const { pair, traceId } of logins)
      expect(
        await auditTraces(`type = 'token.refreshed' AND target_id = '${claimsIn(pair.access_token).fid}'`),
      ).toEqual([traceId]);
  });
});

describe('metrics', () => {
  test('count what a scripted run did, by route and by cause', async () => {
    const person = await signUp(product);
    const before = await metricsText();
    const pair = await issueFor(product, person.id);
    const validate = (token: string): Promise<Received> =>
      send(product.api, 'POST', '/v1/tokens/validate', { json: { token } });
    for (let count = 0; count < 4; count += 1) await validate(pair.access_token);
    await validate(tampered(pair.access_token));
    const second = (await refresh(product, pair.refresh_token)).body;
    await refresh(product, pair.refresh_token);
    await refresh(product, second.refresh_token);
    await refresh(product, pair.refresh_token);
    await refresh(product, 'rubbish');
    await clientToken(product);
    await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: person.email, password: 'not the right one' },
    });
    const after = await metricsText();
    const moved = (name: string, labels: Record<string, string>): number =>
      sumOf(after, name, labels) - sumOf(before, name, labels);
    expect(moved('sallyport_token_validations_total', { result: 'active', reason: 'none' })).toBe(4);
    expect(moved('sallyport_token_validations_total', { reason: 'bad_signature' })).toBe(1);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'rotated' })).toBe(2);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'grace' })).toBe(1);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'replay' })).toBe(1);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'malformed' })).toBe(1);
    expect(moved('sallyport_tokens_issued_total', { grant: 'client_credentials', outcome: 'ok' })).toBe(1);
    expect(moved('sallyport_logins_total', { outcome: 'refused' })).toBe(1);
    const route = { method: 'POST', route: '/v1/tokens/validate', status: '200' };
    expect(moved('http_server_request_duration_seconds_count', route)).toBe(5);
    expect(
      moved('http_server_request_duration_seconds_count', {
        route: '/v1/tokens/refresh',
        status: '401',
      }),
    ).toBe(2);
    expect(sumOf(after, 'http_server_active_requests', {})).toBe(0);
  });

  test('grow by no series with strangers’ paths, methods, users and tokens', async () => {
    const noise = async (): Promise<void> => {
      await Promise.all(
        Array.from({ length: 60 }, () => send(product.api, 'GET', `/${randomBytes(6).toString('hex')}`)),
      );
      await Promise.all(
        Array.from({ length: 60 }, () =>
          send(product.api, 'GET', `/v1/tokens/${randomBytes(6).toString('hex')}`, {
            basic: product.credentials.client,
          }),
        ),
      );
      await sendBytes(product.api, requestText('PROPFIND', `/${randomBytes(6).toString('hex')}`));
      await sendBytes(product.api, requestText('PURGE', '/v1/keys'));
      await refresh(product, (await issueFor(product, (await signUp(product)).id)).refresh_token);
    };
    const keys = async (): Promise<string[]> =>
      series(await metricsText())
        .map((line) => line.slice(0, line.lastIndexOf(' ')))
        .sort();
    await noise();
    let known = await keys();
    // The first of a kind may be counted late, by a worker; strangers’ words would be new in every round.
    await eventually('a round without a new series', async () => {
      await noise();
      const before = known;
      known = await keys();
      return known.join('\n') === before.join('\n');
    });
    expect(known.length).toBeLessThan(2_000);
  });

  test('count what could not be judged', async () => {
    const { tokens } = await signIn(product, product.credentials.user);
    const unavailable = async (): Promise<number> =>
      sumOf(await metricsText(), 'sallyport_token_validations_total', { result: 'unavailable' });
    const before = await unavailable();
    const thaw = stores.freezePostgres();
    try {
      await eventually('a refusal', async () => {
        const { status } = await send(product.api, 'POST', '/v1/tokens/validate', {
          json: { token: tokens.access_token },
        });
        return status === 503;
      });
    } finally {
      thaw();
    }
    expect(await unavailable()).toBe(before + 1);
    await eventually('readiness', isReady);
  });

  test('leave by OTLP too', async () => {
    await eventually('metrics at the collector', () => exported('metrics').includes('sallyport_token_validations'));
    expect(exported('metrics').includes('http.server.request.duration')).toBe(true);
  });
});

describe('L3, L4: what breaks inside', () => {
  test('a defect is a 500 with a code and a trace id, without stack or SQL; its log line has the same trace id; nothing was issued', async () => {
    const person = await signUp(product);
    const families = (): Promise<unknown[]> => queryRows(stores.databaseUrl, 'SELECT id FROM refresh_families');
    const before = await families();
    await queryRows(stores.databaseUrl, 'ALTER TABLE audit_outbox RENAME TO audit_outbox_gone');
    let broken: Received[];
    try {
      broken = [
        await send(product.api, 'POST', '/v1/tokens', {
          basic: product.credentials.client,
          json: { user_id: person.id },
        }),
        await send(product.api, 'POST', '/api/auth/signin', { json: person }),
        await send(product.api, 'POST', '/oauth2/token', {
          basic: product.credentials.client,
          form: { grant_type: 'client_credentials' },
        }),
        await refresh(product, person.tokens.refresh_token),
        await revoke(product, { token: person.tokens.access_token }),
        await send(product.api, 'POST', '/api/auth/signout', {
          cookie: person.cookie,
          headers: { origin: ORIGIN },
        }),
      ].filter(({ status }) => status !== 400);
    } finally {
      await queryRows(stores.databaseUrl, 'ALTER TABLE audit_outbox_gone RENAME TO audit_outbox');
    }
    for (const answer of broken) {
      expect([500, 503]).toContain(answer.status);
      expect(answer.text).not.toMatch(/audit_outbox|relation|INSERT|SELECT|\bat \/|node_modules|\.ts:/);
      if (answer.status === 500) {
        expect(answer.body.code).toBe('internal_error');
        await eventually('its log line', () =>
          product
            .output()
            .split('\n')
            .some((line) => line.includes('"level":"error"') && line.includes(answer.body.trace_id)),
        );
      }
    }
    expect(broken.some(({ status }) => status === 500)).toBe(true);
    expect(await families()).toEqual(before);
    // The login of before is untouched.
    expect((await refresh(product, person.tokens.refresh_token)).status).toBe(200);
    expect((await send(product.api, 'GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(200);
  });
});

describe('redaction', () => {
  const canary = (kind: string): string => `canary${kind}${randomBytes(12).toString('hex')}`;

  const sentryText = (): string => sentry.requests.map(({ body }) => body.toString()).join('\n');

  test('no secret planted through any route, errors included, is in logs, metrics, spans, error reports, Redis, job data or a dump; addresses are in their tables alone', async () => {
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

    // Lives that work.
    const made = await send(product.api, 'POST', '/api/auth/signup', {
      json: { email, password, name: personal.get('name') },
      headers,
    });
    expect(made.status).toBe(201);
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
    const client = await newClient(product, { credentialScopes: ['tokens:issue'] });
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

    // Every route, with a canary wherever something can be put.
    const wrong = plant('wrong password');
    const loose = plant('loose token');
    const code = plant('code');
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
    const operations = operationsOf((await send(product.api, 'GET', '/openapi.json')).body).filter(
      ({ path }) => !path.endsWith('/stream') && !path.endsWith('/rotate'),
    );
    const everywhere = async (): Promise<void> => {
      for (const { method, path, bodyType } of operations) {
        const target = path.replaceAll(/\{\w+\}/g, loose);
        // Each login costs a hash: one way of sending it is enough.
        for (const sent of /sign-?(in|up)/.test(path) ? sents().slice(0, 1) : sents()) {
          // Signing out is for later.
          if (sent.bearer === person.tokens.access_token && path.includes('revoke')) continue;
          await send(product.api, method, `${target}?token=${loose}&code=${code}`, sent);
          if (bodyType === 'application/json')
            await Promise.all(bodies.map((json) => send(product.api, method, target, { ...sent, json })));
          else if (bodyType)
            await Promise.all(forms.map((form) => send(product.api, method, target, { ...sent, form })));
          else await send(product.api, method, target, sent);
        }
      }
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

    // The same while the database does not answer: refusals are logged with their causes.
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
    await eventually('readiness', isReady);
    expect(product.output()).toMatch(/"level":"warn".*store_unavailable/);

    // And while something is broken: defects are logged and reported, in the API and in the worker.
    await queryRows(stores.databaseUrl, 'ALTER TABLE audit_outbox RENAME TO audit_outbox_gone');
    try {
      await send(product.api, 'POST', '/api/auth/signin', { json: { email, password }, headers });
      await refresh(product, person.tokens.refresh_token);
      await send(product.api, 'POST', '/v1/tokens', { basic: client, json: { user_id: person.id } });
      for (const service of ['api', 'worker'])
        await eventually(`a report of the ${service}`, () => sentryText().includes(`"service":"sallyport-${service}"`));
    } finally {
      await queryRows(stores.databaseUrl, 'ALTER TABLE audit_outbox_gone RENAME TO audit_outbox');
    }
    await send(product.api, 'POST', '/api/auth/signout', { cookie: person.cookie, headers: { origin: ORIGIN } });
    const spansBefore = collector.requests.length;
    await eventually('the last spans', () => collector.requests.length > spansBefore + 3);
    await eventually('a span of sealing', () => exported('traces').includes('INSERT INTO audit_events'));

    // Each place holds what belongs there, so a search that finds nothing has looked.
    const places = new Map<string, string>([
      ['logs', product.output()],
      ['metrics', await metricsText()],
      ['spans', exported('traces').toString('latin1')],
      ['exported metrics', exported('metrics').toString('latin1')],
      ['Redis and job data', await redisContents(stores.redisUrl)],
      ['error reports', sentryText()],
    ]);
    expect(places.get('logs')).toContain('request failed');
    expect(places.get('metrics')).toContain('/v1/tokens/refresh');
    expect(places.get('spans')).toContain('/api/auth/signin');
    expect(places.get('spans')).toContain('INSERT INTO audit_events');
    expect(places.get('Redis and job data')).toContain('auth:{');
    expect(places.get('Redis and job data')).toContain('seal-audit-events');
    expect(places.get('error reports')).toContain('42P01');
    const tables = await databaseContents(stores.databaseUrl);
    expect(tables.get('users')).toContain(email);

    const hits: string[] = [];
    const search = (place: string, content: string, kind: string, value: string): void => {
      for (const spelling of spellings(value)) if (content.includes(spelling)) hits.push(`${kind} in ${place}`);
    };
    for (const [place, content] of places) {
      for (const [kind, value] of secrets) search(place, content, kind, value);
      search(place, content, 'session token', sessionToken);
      for (const [kind, value] of personal) search(place, content, kind, value);
      search(place, content, 'client address given', '203.0.113.77');
    }
    for (const [table, content] of tables) {
      for (const [kind, value] of secrets) search(`table ${table}`, content, kind, value);
      if (!['users', 'sessions', 'accounts', 'one_time_codes'].includes(table))
        for (const [kind, value] of personal) search(`table ${table}`, content, kind, value);
      // Better Auth looks sessions up by it; without its signature it opens nothing.
      if (table !== 'sessions') search(`table ${table}`, content, 'session token', sessionToken);
      // The demo client’s pages are on the same machine.
      if (!['sessions', 'oauth_clients'].includes(table))
        search(`table ${table}`, content, 'client address', '127.0.0.1');
    }
    expect(hits).toEqual([]);
  }, 180_000);
});
