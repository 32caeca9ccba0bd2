// For tests only: an installation with one user and clients that push their authorization requests (RFC 9126).
import { expect } from 'vitest';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import type { Shown } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { challengeOf, LOOPBACK_REDIRECT, newOAuthClient, newVerifier } from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, type Received, send } from '#tools/testing/http-client.ts';

/** Another redirect address of the clients with a secret. */
export const OTHER_REDIRECT = 'https://app.example.test/cb';

type Members = Readonly<Record<string, string>>;

export type PushHarness = ApiHarness & {
  readonly api: ApiCopy;
  readonly user: TestUser;
  readonly site: ClientCredentials;
  /** Another client with a secret. */
  readonly rival: ClientCredentials;
  /** A public client. */
  readonly app: ClientCredentials;
  /** Pushes a form unchanged. @param dpop a proof sent with it */
  push(client: ClientCredentials, form: Members, dpop?: string): Promise<Received>;
  /** A request's `request_uri`. @param members replace the defaults */
  pushed(client: ClientCredentials, members?: Members): Promise<string>;
};

/** The redirect address and verifier with which every code here is redeemed. */
export const verifier = newVerifier();

export const request = (members: Members = {}): Record<string, string> => ({
  redirect_uri: LOOPBACK_REDIRECT,
  response_type: 'code',
  scope: 'openid email',
  state: 's',
  code_challenge: challengeOf(verifier),
  code_challenge_method: 'S256',
  ...members,
});

/** The authorization address for a pushed request. */
export const pushedPath = ({ client_id }: ClientCredentials, request_uri: string): string =>
  `/oauth2/authorize?${new URLSearchParams({ client_id, request_uri })}`;

/** The code that a browser was sent back with, or ''. */
export const codeIn = (shown: Shown): string => shown.leftFor?.searchParams.get('code') ?? '';

/**
 * One copy of the API, with its user and clients: one harness per test file.
 * @param newUser creates a user with a password, which costs a hash
 */
export async function openPushHarness(
  newUser: (copy: ApiCopy) => Promise<TestUser> = newSignedIn,
): Promise<PushHarness> {
  const harness = await openApiHarness();
  const api = await harness.startCopy({ hashes: false });
  const grants = ['authorization_code', 'refresh_token'];
  const push: PushHarness['push'] = (client, form, dpop) => {
    const headers: Members = dpop === undefined ? {} : { dpop };
    return client.client_secret === ''
      ? send(api.url, 'POST', '/oauth2/par', { headers, form: { ...form, client_id: client.client_id } })
      : send(api.url, 'POST', '/oauth2/par', { headers, basic: client, form });
  };
  return {
    ...harness,
    api,
    user: await newUser(api),
    site: await newOAuthClient([api], 'client_secret_basic', grants, [LOOPBACK_REDIRECT, OTHER_REDIRECT]),
    rival: await newOAuthClient([api], 'client_secret_basic', grants, [LOOPBACK_REDIRECT, OTHER_REDIRECT]),
    app: await newOAuthClient([api], 'none', grants),
    push,
    pushed: async (client, members = {}) => {
      const answer = await push(client, request(members));
      expect(answer.status, answer.text).toBe(201);
      return answer.body.request_uri;
    },
  };
}
