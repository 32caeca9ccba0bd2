// For tests only: an installation with one user and two clients that sign the user in by authorization codes.

import { expect } from 'vitest';
import { signUp } from '#tools/testing/flows/flows.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, challengeOf, LOOPBACK_REDIRECT, newOAuthClient } from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, send } from '#tools/testing/http-client.ts';

/** The redirect address of sites; applications use the loopback address. */
export const WEB_REDIRECT = 'https://app.example.test/cb?tenant=1';

type Members = Readonly<Record<string, string | undefined>>;

const GRANTS = ['authorization_code', 'refresh_token'];

export type CodeHarness = Awaited<ReturnType<typeof openCodeHarness>>;

/** One copy of the API, with its user and clients: one harness per test file. */
export async function openCodeHarness() {
  const harness = await openApiHarness();
  const api = await harness.startCopy();
  const user = await signUp({ api: api.url });
  const site = await newOAuthClient([api], 'client_secret_basic', GRANTS, [WEB_REDIRECT, LOOPBACK_REDIRECT]);
  /** A public client. */
  const app = await newOAuthClient([api], 'none', GRANTS);

  /** An authorization request. @param members replace the defaults; undefined leaves one out */
  const authorizePath = (client: Pick<ClientCredentials, 'client_id'>, verifier: string, members: Members = {}) => {
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
    /** Another confidential client with the sites' redirect address. */
    newSite: () => newOAuthClient([api], 'client_secret_basic', GRANTS, [WEB_REDIRECT]),
    authorizePath,
    /** A code for the user, signed in, including consent. */
    async codeFor(client: Pick<ClientCredentials, 'client_id'>, verifier: string, members: Members = {}) {
      const browser = browserOf(api, user);
      let shown = await browser.open(authorizePath(client, verifier, members));
      if (shown.leftFor === null) shown = await browser.submit(shown, ALLOW);
      const code = shown.leftFor?.searchParams.get('code') ?? '';
      expect(code, shown.text).toMatch(/^[\w-]{43}$/);
      return code;
    },
    /** Exchanges a code at the token endpoint. @param basic null sends no secret, from the loopback address */
    redeem: (
      code: string,
      verifier: string,
      members: Readonly<Record<string, string>> = {},
      basic: ClientCredentials | null = site,
    ) =>
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
