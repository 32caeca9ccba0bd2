// For tests only: what tests of the authorization server share: clients, people in browsers, codes.
import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import type { TestUser } from '../flows/flows.ts';
import { type Browser, openBrowser } from '../flows/oauth-browser.ts';
import { type ClientCredentials, type Received, send } from '../http-client.ts';
import { API_URL, type ApiCopy } from './api.ts';
import { testCaller } from './ports.ts';

export const LOOPBACK_REDIRECT = 'http://127.0.0.1/callback';
const OAUTH_SCOPES = ['openid', 'profile', 'email', 'offline_access', 'tasks:read'];

export const newVerifier = (): string => randomBytes(32).toString('base64url');
export const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/** A client that every copy knows when this resolves; `client_secret` is '' for a public one. */
export async function newOAuthClient(
  copies: readonly ApiCopy[],
  authMethod: 'client_secret_basic' | 'none',
  grantTypes: readonly string[],
  redirectUris: readonly string[] = [LOOPBACK_REDIRECT],
): Promise<ClientCredentials> {
  const [first] = copies;
  const input = {
    name: 'Tasks <b>',
    auth_method: authMethod,
    grant_types: grantTypes,
    scopes: OAUTH_SCOPES,
    redirect_uris: redirectUris,
    audiences: ['*'],
  };
  const made = await createClient((first as ApiCopy).ports, input, testCaller);
  await Promise.all(copies.map(({ ports }) => ports.access.load()));
  return { client_id: made.clientId, client_secret: made.clientSecret ?? '' };
}

/** A browser with a signed-in session. */
export function browserOf(api: { readonly url: string }, user?: TestUser): Browser {
  const browser = openBrowser(api.url, API_URL);
  for (const pair of user?.cookie.split('; ') ?? []) {
    const equals = pair.indexOf('=');
    browser.cookies.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  return browser;
}

export const ALLOW = { decision: 'allow', scope: OAUTH_SCOPES };

/** A code for a signed-in user at the loopback address, consent given on the way. */
export async function codeOf(
  api: { readonly url: string },
  user: TestUser,
  clientId: string,
  verifier: string,
  members: Readonly<Record<string, string>> = {},
): Promise<string> {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: LOOPBACK_REDIRECT,
    response_type: 'code',
    scope: 'openid',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...members,
  });
  const browser = browserOf(api, user);
  let shown = await browser.open(`/oauth2/authorize?${query}`);
  if (shown.leftFor === null) shown = await browser.submit(shown, ALLOW);
  const code = shown.leftFor?.searchParams.get('code') ?? '';
  expect(code, shown.text).toMatch(/^[\w-]{43}$/);
  return code;
}

/** A request to the token endpoint; with a secret by Basic, else by name. */
export const askToken = (
  api: { readonly url: string },
  { client_id, client_secret }: ClientCredentials,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Received> =>
  send(api.url, 'POST', '/oauth2/token', {
    headers,
    ...(client_secret === '' ? {} : { basic: { client_id, client_secret } }),
    form: client_secret === '' ? { ...form, client_id } : form,
  });

export const codeForm = (code: string, verifier: string): Record<string, string> => ({
  grant_type: 'authorization_code',
  code,
  redirect_uri: LOOPBACK_REDIRECT,
  code_verifier: verifier,
});
