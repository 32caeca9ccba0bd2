import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { ALLOW, browserOf, LOOPBACK_REDIRECT } from '#tools/testing/harness/oauth.ts';
import { send } from '#tools/testing/http-client.ts';

type Installation = { readonly api: ApiCopy; readonly as: oauth.AuthorizationServer; readonly via: object };

/** Sends requests for the issuer's host name to the copy. */
const viaCopy = ({ url }: ApiCopy) => ({
  [oauth.customFetch]: (address: string, init: RequestInit) => fetch(address.replace(API_URL, url), init),
  [oauth.allowInsecureRequests]: true,
});

/** A new installation with this default algorithm and one additional one, as an outside client discovers it. */
async function install(algorithm: string, additional: string) {
  const harness = await openApiHarness();
  onTestFinished(() => harness.close());
  const env = { JWT_ALGORITHM: algorithm, JWT_ADDITIONAL_ALGORITHMS: additional, CLIENT_REGISTRATION: 'open' };
  const api = await harness.startCopy({ hashes: false, env });
  const issuer = new URL(API_URL);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, viaCopy(api)));
  return { harness, api, as, via: viaCopy(api) };
}

/** Signs a new user in at the client; the answer of the token endpoint, unread. */
async function answerTo({ api, as, via }: Installation, client: oauth.Client, secret: string): Promise<Response> {
  const verifier = oauth.generateRandomCodeVerifier();
  const query = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: LOOPBACK_REDIRECT,
    response_type: 'code',
    scope: 'openid',
    state: 's',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const browser = browserOf(api, await newSignedIn(api));
  const consent = await browser.open(`${new URL(as.authorization_endpoint as string).pathname}?${query}`);
  const { leftFor } = await browser.submit(consent, ALLOW);
  const parameters = oauth.validateAuthResponse(as, client, leftFor as URL, 's');
  const auth = oauth.ClientSecretBasic(secret);
  return oauth.authorizationCodeGrantRequest(as, client, auth, parameters, LOOPBACK_REDIRECT, verifier, via);
}

/** Reads the answer as a client that takes ID tokens of its own algorithm only, and checks the ID token's signature. */
async function idTokenIn({ as, via }: Installation, client: oauth.Client, answer: Response): Promise<string> {
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { requireIdToken: true });
  await oauth.validateApplicationLevelSignature(as, answer, via);
  return tokens.id_token as string;
}
const algOf = (token: string): string | undefined => decodeProtectedHeader(token).alg;

describe.each([
  ['ES256', 'RS256'],
  ['RS256', 'ES256'],
  ['EdDSA', 'RS256'],
])('an outside client (oauth4webapi) at an installation with %s as default and %s beside it', (main, other) => {
  test('discovers both, gets ID tokens of the algorithm it is registered for, and takes no other', async () => {
    const at = await install(main, other);
    expect(at.as.id_token_signing_alg_values_supported?.toSorted()).toEqual([main, other].toSorted());
    const operator = await at.harness.newClient(['clients:manage']);
    const newClient = async (algorithm: string | null) => {
      const { body } = await send(at.api.url, 'POST', '/v1/admin/clients', {
        basic: operator,
        json: {
          name: 'App',
          grant_types: ['authorization_code'],
          scopes: ['openid'],
          redirect_uris: [LOOPBACK_REDIRECT],
          id_token_signed_response_alg: algorithm,
          reason: 'test',
        },
      });
      return body as { readonly client_id: string; readonly client_secret: string };
    };
    const registered = [
      [null, main],
      [main, main],
      [other, other],
    ] as const;
    for (const [asked, expected] of registered) {
      const { client_id, client_secret } = await newClient(asked);
      const client = { client_id, id_token_signed_response_alg: expected };
      const idToken = await idTokenIn(at, client, await answerTo(at, client, client_secret));
      expect(algOf(idToken)).toBe(expected);
      const keySet = createRemoteJWKSet(new URL('/.well-known/jwks.json', at.api.url));
      await jwtVerify(idToken, keySet, { issuer: API_URL, audience: client_id, algorithms: [expected] });
      const wrong = { client_id, id_token_signed_response_alg: expected === main ? other : main };
      await expect(idTokenIn(at, wrong, await answerTo(at, client, client_secret))).rejects.toThrow('"alg"');
    }
  });
});
