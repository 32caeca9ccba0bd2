// For tests only: user actions on our pages, and the clients that receive the result.
import * as oauth from 'oauth4webapi';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import type { ApiCopy } from '#tools/testing/harness/api.ts';
import { type BrowserHarness, PAGES_ORIGIN } from '#tools/testing/harness/browser.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';

export type Credentials = { readonly email: string; readonly password: string };

export const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });

/** The text as shown. */
export const textOf = (at: Locator): Promise<string> =>
  // biome-ignore lint/performance/useDomNodeTextContent: innerText leaves out hidden text
  at.innerText();
export const heading = (page: Page): Promise<string> => textOf(page.getByRole('heading', { level: 1 }));
/** The visible text of a page. */
export const seen = (page: Page): Promise<string> => textOf(page.locator('main'));

export async function signInOn(page: Page, { email, password }: Credentials): Promise<void> {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await button(page, 'Sign in').click();
}

/** A page of another site with a form that leads to ours. */
export const formPage = (action: string, fields: Readonly<Record<string, string>>): string => {
  const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
  return `<!doctype html><form method="post" action="${action}">${inputs.join('')}<button>Send</button></form>`;
};

/** A public client for authorization codes and devices, known to the API when this resolves. */
export async function newPagesClient(
  { ports }: ApiCopy,
  name: string,
  redirectUri: string,
  scopes: readonly string[],
  logo?: string,
): Promise<oauth.Client> {
  const grantTypes = ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'];
  const input = { name, grant_types: grantTypes, scopes, redirect_uris: [redirectUri], audiences: ['*'] };
  const made = await createClient(ports, { ...input, auth_method: 'none', logo }, testCaller);
  await ports.access.load();
  return { client_id: made.clientId };
}

/** An agent of a user, known to the API when this resolves. @param owner the id, or the address of a new one */
export async function newPagesAgent({ api, harness }: BrowserHarness, name = 'Deployer', owner = newEmail()) {
  const ownerId = owner.includes('@') ? await insertPerson(api, owner) : owner;
  const { clientId } = await createClient(api.ports, { name, grant_types: ['client_credentials'] }, testCaller);
  await harness.rows`INSERT INTO agents (client_id, owner_id, expires_at)
    VALUES (${clientId}, ${ownerId}, now() + interval '1 day')`;
  await api.ports.access.load();
  return { id: clientId, ownerId };
}

/** Sends requests for the issuer's host name to the API under test. */
export const viaApi = ({ url }: ApiCopy) => ({
  [oauth.customFetch]: (address: string, init: RequestInit) => fetch(address.replace(PAGES_ORIGIN, url), init),
  [oauth.allowInsecureRequests]: true,
});

export async function discoverIssuer(api: ApiCopy): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(PAGES_ORIGIN);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, viaApi(api)));
}

export type Authorization = {
  /** The address to open in the browser. */
  readonly address: string;
  /** Exchanges the address that the browser came back to for tokens. */
  redeem(back: string): Promise<oauth.TokenEndpointResponse>;
};

/** An authorization request of an outside client (oauth4webapi). */
export async function newAuthorization(
  api: ApiCopy,
  client: oauth.Client,
  redirectUri: string,
  scopes: readonly string[],
): Promise<Authorization> {
  const as = await discoverIssuer(api);
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const query = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: scopes.join(' '),
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  return {
    address: `${as.authorization_endpoint}?${query}`,
    redeem: async (back) => {
      const answer = oauth.validateAuthResponse(as, client, new URL(back), state);
      const request = [as, client, oauth.None(), answer, redirectUri, verifier, viaApi(api)] as const;
      const sent = await oauth.authorizationCodeGrantRequest(...request);
      return oauth.processAuthorizationCodeResponse(as, client, sent, { expectedNonce: nonce });
    },
  };
}

/** Returns what UserInfo says of the token's user (OpenID Connect Core §5.3). */
export async function userInfoOf(
  api: ApiCopy,
  client: oauth.Client,
  tokens: oauth.TokenEndpointResponse,
): Promise<oauth.UserInfoResponse> {
  const as = await discoverIssuer(api);
  const sent = await oauth.userInfoRequest(as, client, tokens.access_token, viaApi(api));
  return oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, sent);
}

/**
 * The browser's virtual authenticator, which always confirms presence (WebDriver extension of WebAuthn §11). Returns how
 * many passkeys it has.
 */
export async function addAuthenticator(page: Page): Promise<() => Promise<number>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return async () => (await devtools.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length;
}

/** Creates a passkey for the signed-in user and returns the status. The page must be allowed to call our origin. */
export const registerPasskey = (page: Page): Promise<unknown> =>
  page.evaluate(`(async () => {
    const post = (path, body) => fetch('/api/auth/passkey/register/' + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const { options, challenge } = await (await post('options', {})).json();
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    return (await post('verify', { challenge, name: 'my key', response: credential.toJSON() })).status;
  })()`);

/** Presses Tab until the control of this name has the focus, and checks that each focused control is visible. */
export async function reachByTab(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 12; presses++) {
    await page.keyboard.press('Tab');
    const [at, outline] = (await page.evaluate(`(() => {
      const at = document.activeElement;
      return [at.labels?.[0]?.innerText ?? at.innerText, getComputedStyle(at).outlineStyle];
    })()`)) as [string, string];
    expect([at, outline]).toEqual([at, 'solid']);
    if (at.trim() === name) return;
  }
  throw new Error(`the keyboard does not reach ${name}`);
}

/** What no German reads on a page: words of English sentences, times of machines, and code words. */
export const NOT_GERMAN =
  /\b(?:the|and|of|is|are|with|has|been|this|that|for|your|not)\b|\d{4}-\d\d-\d\dT|\b[a-z]+_[a-z_]+\b/;
