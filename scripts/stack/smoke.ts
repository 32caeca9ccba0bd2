import { randomBytes } from 'node:crypto';
import pg from 'pg';

export type Credentials = {
  database_url: string;
  redis_url: string;
  user: { email: string; password: string };
  client: { client_id: string; client_secret: string };
};

type Answer = { status: number; body: Record<string, unknown> };

async function call(
  api: string,
  path: string,
  sent: { json?: unknown; form?: Record<string, string>; authorization?: string; method?: string } = {},
): Promise<Answer> {
  const answer = await fetch(api + path, {
    method: sent.method ?? (sent.json === undefined && sent.form === undefined ? 'GET' : 'POST'),
    headers: {
      ...(sent.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(sent.authorization === undefined ? {} : { authorization: sent.authorization }),
    },
    ...(sent.json === undefined ? {} : { body: JSON.stringify(sent.json) }),
    ...(sent.form === undefined ? {} : { body: new URLSearchParams(sent.form) }),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json');
  return { status: answer.status, body: isJson && text !== '' ? JSON.parse(text) : {} };
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

  const signedUp = await call(api, '/api/auth/signup', { json: { email, password, name: 'Smoke' } });
  expectStatus('sign-up', signedUp, 201);
  expectStatus('a second sign-up', await call(api, '/api/auth/signup', { json: { email, password } }), 409);
  expectStatus(
    'a wrong password',
    await call(api, '/api/auth/signin', { json: { email, password: 'not this one' } }),
    401,
  );
  const signedIn = await call(api, '/api/auth/signin', { json: user });
  expectStatus('sign-in', signedIn, 200);
  const { access_token: access, refresh_token: refresh } = signedIn.body.tokens as Record<string, string>;

  for (let turn = 0; turn < 20; turn += 1)
    expectStatus('validate', await call(api, '/v1/tokens/validate', { json: { token: access } }), 200);
  const forged = `${access?.slice(0, -8)}AAAAAAAA`;
  const foreign = [{ alg: 'RS256', kid: 'unknown', typ: 'at+jwt' }, { iss: 'x' }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  for (const token of [forged, `${foreign}.AAAA`, 'rubbish'])
    expectStatus('validate of a bad token', await call(api, '/v1/tokens/validate', { json: { token } }), 200);

  let current = refresh as string;
  for (let turn = 0; turn < 5; turn += 1) {
    const refreshed = await call(api, '/v1/tokens/refresh', { json: { refresh_token: current } });
    expectStatus('refresh', refreshed, 200);
    current = refreshed.body.refresh_token as string;
  }
  expectStatus('reuse', await call(api, '/v1/tokens/refresh', { json: { refresh_token: refresh } }), 401);
  expectStatus('rubbish to refresh', await call(api, '/v1/tokens/refresh', { json: { refresh_token: 'x' } }), 401);

  const form = { grant_type: 'client_credentials' };
  const machine = await call(api, '/oauth2/token', { form, authorization: basic });
  expectStatus('client credentials', machine, 200);
  const revoked = await call(api, '/v1/tokens/revoke', {
    json: { token: machine.body.access_token, reason: 'smoke' },
    authorization: basic,
  });
  expectStatus('revoke', revoked, 200);
  for (const path of ['/.well-known/jwks.json', '/readyz', '/v1/revocations?since=0'])
    expectStatus(path, await call(api, path, { authorization: basic }), 200);
  expectStatus('an unknown path', await call(api, '/wp-login.php'), 404);
  expectStatus('no credential', await call(api, '/v1/keys'), 401);
  expectStatus('a body that does not fit', await call(api, '/v1/tokens/validate', { json: { nothing: 1 } }), 400, 422);
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
