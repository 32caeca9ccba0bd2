// For tests only: an installation whose tokens are bound to keys and client certificates (RFC 9449, RFC 8705).
import { TOKEN_EXCHANGE } from '#services/core/access/grant-shapes.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { newOAuthClient } from '#tools/testing/harness/oauth.ts';
import type { ClientCredentials } from '#tools/testing/http-client.ts';

/** The address that key proofs are made for. */
export const TOKEN_URL = `${API_URL}/oauth2/token`;
export const USERINFO_URL = `${API_URL}/oauth2/userinfo`;

export type BindingHarness = ApiHarness & {
  /** Trusts the proxy in front of it, which passes on client certificates. */
  readonly api: ApiCopy;
  /** Trusts another proxy than its own, and requires nonces. */
  readonly other: ApiCopy;
  readonly user: TestUser;
  /** A public client. */
  readonly app: ClientCredentials;
  /** A client with a secret. */
  readonly site: ClientCredentials;
};

/** Two copies of the API: one harness per test file. */
export async function openBindingHarness(): Promise<BindingHarness> {
  const harness = await openApiHarness();
  const env = { CLIENT_CERT_HEADER: 'Client-Cert', TRUSTED_PROXIES: '127.0.0.1' };
  const api = await harness.startCopy({ hashes: false, env });
  const elsewhere = { ...env, TRUSTED_PROXIES: '192.0.2.1', DPOP_REQUIRE_NONCE: 'true' };
  const other = await harness.startCopy({ hashes: false, env: elsewhere });
  const grants = ['authorization_code', 'refresh_token', 'client_credentials', TOKEN_EXCHANGE];
  return {
    ...harness,
    api,
    other,
    user: await newSignedIn(api),
    app: await newOAuthClient([api, other], 'none', grants),
    site: await newOAuthClient([api, other], 'client_secret_basic', grants),
  };
}
