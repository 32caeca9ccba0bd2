// For tests only: what people do on our pages, and clients with what comes back.
import * as oauth from 'oauth4webapi';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { createClient } from '#services/domain/access/create-client.ts';
import type { ApiCopy } from '#testing/harness/api.ts';
import { PAGES_ORIGIN } from '#testing/harness/browser.ts';
import { testCaller } from '#testing/harness/ports.ts';

export type Login = { readonly email: string; readonly password: string };

export const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });

/** The text as it is shown. */
export const textOf = (at: Locator): Promise<string> =>
  // biome-ignore lint/performance/useDomNodeTextContent: what is hidden is not seen
  at.innerText();
export const heading = (page: Page): Promise<string> => textOf(page.getByRole('heading', { level: 1 }));
/** What somebody sees of a page. */
export const seen = (page: Page): Promise<string> => textOf(page.locator('main'));

export async function signInOn(page: Page, { email, password }: Login): Promise<void> {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await button(page, 'Sign in').click();
}

/** A page of anybody's with a form that leads elsewhere. */
export const formPage = (action: string, fields: Readonly<Record<string, string>>): string => {
  const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
  return `<!doctype html><form method="post" action="${action}">${inputs.join('')}<button>Send</button></form>`;
};

/** A public client of codes and devices, known to the API when this resolves. */
export async function newPagesClient(
  { ports }: ApiCopy,
  name: string,
  redirectUri: string,
  scopes: readonly string[],
): Promise<oauth.Client> {
  const grantTypes = ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'];
  const input = { name, grantTypes, scopes, redirectUris: [redirectUri], audiences: ['*'] };
  const made = await createClient(ports, { ...input, authMethod: 'none' }, testCaller);
  await ports.access.load();
  return { client_id: made.clientId };
}

/** Requests to the issuer's name reach the API under test. */
export const viaApi = ({ url }: ApiCopy) => ({
  [oauth.customFetch]: (address: string, init: RequestInit) => fetch(address.replace(PAGES_ORIGIN, url), init),
  [oauth.allowInsecureRequests]: true,
});

export async function discoverIssuer(api: ApiCopy): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(PAGES_ORIGIN);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, viaApi(api)));
}

export type Authorization = {
  /** Where to send the browser. */
  readonly address: string;
  /** Tokens for the address that it came back to. */
  redeem(back: string): Promise<oauth.TokenEndpointResponse>;
};

/** An authorization of an outside client (oauth4webapi). */
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

/** An authenticator of the browser's own, with a finger always on it (WebDriver extension of WebAuthn §11). */
export async function addAuthenticator(page: Page): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
}

/** Makes a passkey for whoever is signed in; the status of the answer. The page must be one that may ask our origin. */
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

/** Presses Tab until the control of this name has the focus; wherever it stops on the way, that shows. */
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
