// For tests only: an installation with one user and two clients that sign the user in by authorization codes.

import { expect } from 'vitest';
import { signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, challengeOf, LOOPBACK_REDIRECT, newOAuthClient } from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, type Received, send } from '#tools/testing/http-client.ts';

/** The redirect address of sites; applications use the loopback address. */
export const WEB_REDIRECT = 'https://app.example.test/cb?tenant=1';

type Members = Readonly<Record<string, string | undefined>>;

export type CodeHarness = ApiHarness & {
  readonly api: ApiCopy;
  readonly user: TestUser;
  readonly site: ClientCredentials;
  /** A public client. */
  readonly app: ClientCredentials;
  /** Another confidential client with the sites' redirect address. */
  newSite(): Promise<ClientCredentials>;
  /** An authorization request. @param members replace the defaults; undefined leaves one out */
  authorizePath(client: { readonly client_id: string }, verifier: string, members?: Members): string;
  /** A code for the user, signed in, including consent. */
  codeFor(client: { readonly client_id: string }, verifier: string, members?: Members): Promise<string>;
  /**
   * Exchanges a code at the token endpoint. @param basic the site unless given; null sends no secret, from the loopback
   * address
   */
  redeem(
    code: string,
    verifier: string,
    members?: Readonly<Record<string, string>>,
    basic?: ClientCredentials | null,
  ): Promise<Received>;
};

const GRANTS = ['authorization_code', 'refresh_token'];

/** One copy of the API, with its user and clients: one harness per test file. */
export async function openCodeHarness(): Promise<CodeHarness> {
  const harness = await openApiHarness();
  const api = await harness.startCopy();
  const user = await signUp({ api: api.url });
  const site = await newOAuthClient([api], 'client_secret_basic', GRANTS, [WEB_REDIRECT, LOOPBACK_REDIRECT]);
  const app = await newOAuthClient([api], 'none', GRANTS);

  const authorizePath: CodeHarness['authorizePath'] = (client, verifier, members = {}) => {
    const all: Members = {
      client_id: client.client_id,
      redirect_uri: client === site ? WEB_REDIRECT : LOOPBACK_REDIRECT,
      response_type: 'code',
      scope: 'openid email',
      state: 'a state &=',
      code_challenge: challengeOf(verifier),
      code_challenge_method: 'S256',
      ...members,
    };
    const pairs = Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined);
    return `/oauth2/authorize?${new URLSearchParams(pairs)}`;
  };

  return {
    ...harness,
    api,
    user,
    site,
    app,
    newSite: () => newOAuthClient([api], 'client_secret_basic', GRANTS, [WEB_REDIRECT]),
    authorizePath,
    async codeFor(client, verifier, members = {}) {
      const browser = browserOf(api, user);
      let shown = await browser.open(authorizePath(client, verifier, members));
      if (shown.leftFor === null) shown = await browser.submit(shown, ALLOW);
      const code = shown.leftFor?.searchParams.get('code') ?? '';
      expect(code, shown.text).toMatch(/^[\w-]{43}$/);
      return code;
    },
    redeem: (code, verifier, members = {}, basic = site) =>
      send(api.url, 'POST', '/oauth2/token', {
        ...(basic === null ? {} : { basic }),
        form: {
          grant_type: 'authorization_code',
          code,
          redirect_uri: basic === null ? LOOPBACK_REDIRECT : WEB_REDIRECT,
          code_verifier: verifier,
          ...members,
        },
      }),
  };
}
