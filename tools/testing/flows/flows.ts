// For tests only: actions of users and clients on a running product, over HTTP only.

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { expect } from 'vitest';
import { eventually } from '../eventually.ts';
import { queryRows } from '../harness/ports.ts';
import { type ClientCredentials, cookieOf, type Json, type Received, send } from '../http-client.ts';

export type Pair = {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly refresh_expires_in: number;
  readonly scope: string;
};

export type TestUser = {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly sessionId: string;
  readonly cookie: string;
  readonly tokens: Pair;
};

export type Api = { readonly api: string };
/** An API, and a client that it knows. */
export type ApiOfClient = Api & { readonly credentials: { readonly client: ClientCredentials } };

export const newPassword = (): string => `correct horse ${randomBytes(9).toString('base64url')}`;
export const newEmail = (): string => `person-${randomBytes(6).toString('hex')}@example.test`;

const userOf = (answer: Received, email: string, password: string): TestUser => ({
  id: answer.body.user.id,
  email,
  password,
  sessionId: answer.body.session.id,
  cookie: cookieOf(answer),
  tokens: answer.body.tokens,
});

/** As a client that is told to come again: on a busy machine a 503 is no more than that. */
export const patiently = <T extends Received>(ask: () => Promise<T>): Promise<T> =>
  eventually('an answer other than 503', async () => {
    const answer = await ask();
    return answer.status === 503 ? undefined : answer;
  }) as Promise<T>;

/** The same request so many times in parallel, each as a client that comes again. */
export const atOnce = <T extends Received>(count: number, ask: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, () => patiently(ask)));

export async function signUp({ api }: Api, email = newEmail(), password = newPassword()): Promise<TestUser> {
  const answer = await patiently(() => send(api, 'POST', '/api/auth/signup', { json: { email, password } }));
  expect(answer.status, answer.text).toBe(201);
  return userOf(answer, email, password);
}

export async function signIn(
  { api }: Api,
  login: { readonly email: string; readonly password: string },
): Promise<TestUser> {
  const { email, password } = login;
  const answer = await patiently(() => send(api, 'POST', '/api/auth/signin', { json: { email, password } }));
  expect(answer.status, answer.text).toBe(200);
  return userOf(answer, email, password);
}

/** A pair of a login without a session, by a client that may issue: costs no password hash. */
export async function issueFor({ api, credentials }: ApiOfClient, userId: string, members: object = {}): Promise<Pair> {
  const sent = { basic: credentials.client, json: { user_id: userId, ...members } };
  const answer = await patiently(() => send(api, 'POST', '/v1/tokens', sent));
  expect(answer.status, answer.text).toBe(201);
  return answer.body;
}

export async function clientToken(
  { api, credentials }: ApiOfClient,
  form: Readonly<Record<string, string>> = {},
): Promise<string> {
  const sent = { basic: credentials.client, form: { grant_type: 'client_credentials', ...form } };
  const answer = await patiently(() => send(api, 'POST', '/oauth2/token', sent));
  expect(answer.status, answer.text).toBe(200);
  return answer.body.access_token;
}

export const refresh = ({ api }: Api, refreshToken: string): Promise<Received> =>
  send(api, 'POST', '/v1/tokens/refresh', { json: { refresh_token: refreshToken } });

/** `'active'`, a reason, or the code of an error. */
export async function verdictOn({ api }: Api, token: string, members: object = {}): Promise<string> {
  const { body, text } = await send(api, 'POST', '/v1/tokens/validate', { json: { token, ...members } });
  return body?.active === true ? 'active' : (body?.reason ?? body?.code ?? text);
}

/**
 * Waits for a verdict that comes with the next poll of the revocations, as after a replay.
 * @param withinMs where the time is what is promised
 */
export const untilVerdict = (api: Api, token: string, expected: string, withinMs?: number): Promise<true> =>
  eventually(`the verdict ${expected}`, async () => (await verdictOn(api, token)) === expected, withinMs);

export const revoke = (
  { api, credentials }: ApiOfClient,
  selector: Readonly<Record<string, string>>,
): Promise<Received> =>
  send(api, 'POST', '/v1/tokens/revoke', { basic: credentials.client, json: { ...selector, reason: 'test' } });

/** Claims of a token, believed as they stand. */
export const claimsIn = (token: string): Json => decodeJwt(token);

/** A token with this change to its last byte of signature or MAC: well-formed, and not ours. */
export function tampered(token: string): string {
  const at = token.lastIndexOf('.') + 1;
  const bytes = Buffer.from(token.slice(at), 'base64url');
  bytes[0] = bytes[0]! ^ 1;
  return token.slice(0, at) + bytes.toString('base64url');
}

export type NewClient = {
  readonly isPublic?: boolean;
  readonly grant_types?: readonly string[];
  readonly scopes?: readonly string[];
  readonly credential_scopes?: readonly string[];
  readonly redirect_uris?: readonly string[];
};

/** Another client, made by an operator; resolves when the copy knows it. */
export async function newClient(
  product: Api & { readonly credentials: { readonly database_url: string } },
  options: NewClient = {},
): Promise<ClientCredentials> {
  const client = {
    client_id: `client-${randomBytes(6).toString('hex')}`,
    client_secret: randomBytes(32).toString('base64url'),
  };
  const hash = createHash('sha256').update(client.client_secret).digest('base64url');
  await queryRows(product.credentials.database_url)`
    INSERT INTO oauth_clients (id, "clientId", secret_hash, name, auth_method, grant_types, scopes, credential_scopes,
    redirect_uris)
    VALUES (${randomUUID()}, ${client.client_id}, ${options.isPublic ? null : hash}, 'test',
      ${options.isPublic ? 'none' : 'client_secret_basic'},
      ${options.grant_types ?? ['client_credentials', 'refresh_token']},
      ${options.scopes ?? ['openid', 'profile', 'email', 'offline_access']}, ${options.credential_scopes ?? []},
      ${options.redirect_uris ?? []})`;
  await eventually('the client to be known', async () => {
    const form = { grant_type: 'refresh_token', refresh_token: 'x', client_id: client.client_id };
    const answer = await send(
      product.api,
      'POST',
      '/oauth2/token',
      options.isPublic ? { form } : { basic: client, form },
    );
    return answer.body?.error !== 'invalid_client';
  });
  return client;
}

/** Which of its login's refresh tokens this is, counted from 0. */
export const generationOf = (refreshToken: string): number => Number(refreshToken.split('.')[2]);
