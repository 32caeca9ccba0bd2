import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export type Credentials = {
  database_url: string;
  redis_url: string;
  user: { email: string; password: string };
  client: { client_id: string; client_secret: string };
};

type Answer = { status: number; body: Record<string, unknown>; cookie?: string };

const TRIES = 10;

async function call(
  api: string,
  path: string,
  sent: {
    json?: unknown;
    form?: Record<string, string>;
    authorization?: string;
    cookie?: string;
    method?: string;
  } = {},
): Promise<Answer> {
  const answer = await fetch(api + path, {
    method: sent.method ?? (sent.json === undefined && sent.form === undefined ? 'GET' : 'POST'),
    headers: {
      ...(sent.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(sent.authorization === undefined ? {} : { authorization: sent.authorization }),
      ...(sent.cookie === undefined ? {} : { cookie: sent.cookie }),
    },
    ...(sent.json === undefined ? {} : { body: JSON.stringify(sent.json) }),
    ...(sent.form === undefined ? {} : { body: new URLSearchParams(sent.form) }),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json');
  const cookie = answer.headers.getSetCookie().map((line) => line.split(';', 1)[0]);
  return { status: answer.status, body: isJson && text !== '' ? JSON.parse(text) : {}, cookie: cookie.join('; ') };
}

/** The same; a busy copy is asked again. */
async function patiently(...asked: Parameters<typeof call>): Promise<Answer> {
  for (let tried = 1; ; tried += 1) {
    const answer = await call(...asked);
    if (answer.status !== 503 || tried === TRIES) return answer;
    await sleep(1_000);
  }
}

function expectStatus(what: string, answer: Answer, ...statuses: number[]): void {
  if (statuses.includes(answer.status)) return;
  throw new Error(`${what} answered ${answer.status}, not ${statuses.join(' or ')}: ${JSON.stringify(answer.body)}`);
}

/** Everything a dashboard shows, once or a few times: lives that go well, and everything that can be refused. */
export async function smoke(api: string, { user, client }: Credentials): Promise<void> {
  const basic = `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`;
  const email = `smoke-${randomBytes(6).toString('hex')}@example.test`;
  const password = randomBytes(18).toString('base64url');

  const signedUp = await patiently(api, '/api/auth/signup', { json: { email, password, name: 'Smoke' } });
  expectStatus('sign-up', signedUp, 201);
  expectStatus('a second sign-up', await patiently(api, '/api/auth/signup', { json: { email, password } }), 409);
  expectStatus(
    'a wrong password',
    await patiently(api, '/api/auth/signin', { json: { email, password: 'not this one' } }),
    401,
  );
  const signedIn = await patiently(api, '/api/auth/signin', { json: user });
  expectStatus('sign-in', signedIn, 200);
  const { access_token: access, refresh_token: refresh } = signedIn.body.tokens as Record<string, string>;
  for (let turn = 0; turn < 2; turn += 1)
    expectStatus('the session', await patiently(api, '/api/auth/session', { cookie: signedIn.cookie ?? '' }), 200);

  for (let turn = 0; turn < 20; turn += 1)
    expectStatus('validate', await patiently(api, '/v1/tokens/validate', { json: { token: access } }), 200);
  const forged = `${access?.slice(0, -8)}AAAAAAAA`;
  const foreign = [{ alg: 'RS256', kid: 'unknown', typ: 'at+jwt' }, { iss: 'x' }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  for (const token of [forged, `${foreign}.AAAA`, 'rubbish'])
    expectStatus('validate of a bad token', await patiently(api, '/v1/tokens/validate', { json: { token } }), 200);

  let current = refresh as string;
  for (let turn = 0; turn < 5; turn += 1) {
    const refreshed = await patiently(api, '/v1/tokens/refresh', { json: { refresh_token: current } });
    expectStatus('refresh', refreshed, 200);
    current = refreshed.body.refresh_token as string;
  }
  expectStatus('reuse', await patiently(api, '/v1/tokens/refresh', { json: { refresh_token: refresh } }), 401);
  expectStatus('rubbish to refresh', await patiently(api, '/v1/tokens/refresh', { json: { refresh_token: 'x' } }), 401);

  const form = { grant_type: 'client_credentials' };
  const machine = await patiently(api, '/oauth2/token', { form, authorization: basic });
  expectStatus('client credentials', machine, 200);
  const revoked = await patiently(api, '/v1/tokens/revoke', {
    json: { token: machine.body.access_token, reason: 'smoke' },
    authorization: basic,
  });
  expectStatus('revoke', revoked, 200);
  for (const path of ['/.well-known/jwks.json', '/readyz', '/v1/revocations?since=0'])
    expectStatus(path, await patiently(api, path, { authorization: basic }), 200);
  expectStatus('an unknown path', await patiently(api, '/wp-login.php'), 404);
  expectStatus('no credential', await patiently(api, '/v1/keys'), 401);
  const signal = await fetch(`${api}/ssf/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt' },
    body: 'no token',
  });
  expectStatus('a signal that is no token', { status: signal.status, body: {} }, 400);
  expectStatus(
    'a body that does not fit',
    await patiently(api, '/v1/tokens/validate', { json: { nothing: 1 } }),
    400,
    422,
  );
}

const PAUSE_MS = 5_000;

/** Does the work while smoke runs follow one another: rates and quantiles are of the last minute. */
export async function underSmoke<T>(api: string, credentials: Credentials, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const sending = (async () => {
    while (!over.signal.aborted) {
      await smoke(api, credentials);
      await sleep(PAUSE_MS, undefined, { signal: over.signal }).catch(() => {});
    }
  })();
  // A failure of either ends both.
  const done = Promise.race([work(), sending.then(() => new Promise<never>(() => {}))]);
  return done.finally(async () => {
    over.abort();
    await sending;
  });
}

/** A defect while it lasts: the outbox is away, so nothing that must be recorded can be done. */
export async function smokeOfDefect(api: string, { user, database_url }: Credentials): Promise<void> {
  const database = new pg.Client({ connectionString: database_url });
  await database.connect();
  await database.query('ALTER TABLE audit_outbox RENAME TO audit_outbox_away');
  try {
    expectStatus('sign-in without an outbox', await call(api, '/api/auth/signin', { json: user }), 500, 503);
  } finally {
    await database.query('ALTER TABLE audit_outbox_away RENAME TO audit_outbox');
    await database.end();
  }
  expectStatus('sign-in afterwards', await call(api, '/api/auth/signin', { json: user }), 200);
}
