// For tests only: an installation whose people may sign in by providers of the test's own.
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type ProviderAccount, startOidcProvider, type TestProvider } from '../fakes/oidc-provider.ts';
import { cookieOf, type Received, type Sent, send } from '../http-client.ts';
import { openMailFolder } from '../mail-folder.ts';
import { API_URL, openApiHarness } from './api.ts';

/** A redirect to a provider: its address and the cookies set with it. */
type Begun = { readonly url: string; readonly cookie: string };

type BeginAt = { readonly provider?: string; readonly cookie?: string; readonly path?: string };

/** An account of the provider with a verified e-mail address. */
export const providerAccount = (members: Partial<ProviderAccount> = {}): ProviderAccount => ({
  sub: randomUUID(),
  email: `${randomUUID()}@people.test`,
  email_verified: true,
  name: 'Ada',
  ...members,
});

/** Expects a refusal with this status and code, and no session. */
export function expectRefusedSignIn(answer: Received, status: number, code: string): void {
  expect([answer.status, answer.body?.code]).toEqual([status, code]);
  expect(answer.headers.getSetCookie()).toEqual([]);
}

const callbackOf = (name: string): string => `${API_URL}/api/auth/callback/${name}`;

function settingsOf(oidc: TestProvider, leaving: TestProvider): Record<string, string> {
  const provider = { issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: oidc.clientSecret };
  return {
    RATE_LIMIT_PROFILE: 'load',
    GITHUB_CLIENT_ID: 'x',
    GITHUB_CLIENT_SECRET: 'y',
    SOCIAL_PROVIDERS: JSON.stringify({
      company: { ...provider, allowPrivateAddresses: true },
      other: { ...provider, allowPrivateAddresses: true },
      leaving: { ...provider, issuer: leaving.issuer, allowPrivateAddresses: true },
      guarded: provider,
      impostor: { ...provider, issuer: `${oidc.issuer}/`, allowPrivateAddresses: true },
    }),
  };
}

/** One copy of the API beside two providers: one harness per test file. */
export async function openSocialHarness(env: Readonly<Record<string, string>> = {}) {
  /** `company` and `other`; `guarded` without leave for private addresses, `impostor` under another name. */
  const oidc = await startOidcProvider([callbackOf('company'), callbackOf('other')]);
  /** The one that a test may close. */
  const leaving = await startOidcProvider([callbackOf('leaving')]);
  const harness = await openApiHarness();
  const copy = await harness.startCopy({ env: { ...settingsOf(oidc, leaving), ...env }, hashes: false });
  const mails = await openMailFolder(copy.workerPorts);
  const ask = (method: string, path: string, sent: Sent = {}) => send(copy.url, method, path, sent);

  /** Starts a sign-in and returns the redirect to the provider. */
  const begin = async (
    { provider = 'company', cookie = '', path = '/api/auth/sign-in/social' }: BeginAt = {},
    members: object = {},
  ): Promise<Begun> => {
    const headers = { origin: API_URL };
    const answer = await ask('POST', path, { json: { provider, ...members }, cookie, headers });
    expect(answer.status, answer.text).toBe(200);
    return { url: answer.body.url, cookie: [cookie, cookieOf(answer)].filter((part) => part !== '').join('; ') };
  };

  /** What the provider sends the browser back with, as a path of ours. */
  const comeBack = async ({ url }: Begun, who: ProviderAccount, at = oidc): Promise<string> => {
    const back = await at.signIn(url, who);
    expect(back.href.startsWith(`${API_URL}/api/auth/callback/`)).toBe(true);
    return back.pathname + back.search;
  };

  return {
    ...harness,
    copy,
    mails,
    oidc,
    leaving,
    ask,
    begin,
    comeBack,
    async signInAs(who: ProviderAccount, members: object = {}) {
      const begun = await begin({}, members);
      return ask('GET', await comeBack(begun, who), { cookie: begun.cookie });
    },
    async close() {
      await mails.close();
      await harness.close();
      await Promise.all([oidc.close(), leaving.close()]);
    },
  };
}
