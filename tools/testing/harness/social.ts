// For tests only: an installation whose people may sign in by providers of the test's own.
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type ProviderAccount, startOidcProvider, type TestProvider } from '../fakes/oidc-provider.ts';
import { cookieOf, type Received, type Sent, send } from '../http-client.ts';
import { type MailFolder, openMailFolder } from '../mail-folder.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from './api.ts';

/** A redirect to a provider: its address and the cookies set with it. */
type Begun = { readonly url: string; readonly cookie: string };

type BeginAt = { readonly provider?: string; readonly cookie?: string; readonly path?: string };

export type SocialHarness = ApiHarness & {
  readonly copy: ApiCopy;
  readonly mails: MailFolder;
  /** `company` and `other`; `guarded` without leave for private addresses, `impostor` under another name. */
  readonly oidc: TestProvider;
  /** `leaving`: the one that a test may close. */
  readonly leaving: TestProvider;
  ask(method: string, path: string, sent?: Sent): Promise<Received>;
  /** Starts a sign-in and returns the redirect to the provider. */
  begin(at?: BeginAt, members?: object): Promise<Begun>;
  /** What the provider sends the browser back with, as a path of ours. */
  comeBack(begun: Begun, who: ProviderAccount, at?: TestProvider): Promise<string>;
  signInAs(who: ProviderAccount, members?: object): Promise<Received>;
};

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
export async function openSocialHarness(env: Readonly<Record<string, string>> = {}): Promise<SocialHarness> {
  const oidc = await startOidcProvider([callbackOf('company'), callbackOf('other')]);
  const leaving = await startOidcProvider([callbackOf('leaving')]);
  const harness = await openApiHarness();
  const copy = await harness.startCopy({ env: { ...settingsOf(oidc, leaving), ...env }, hashes: false });
  const mails = await openMailFolder(copy.workerPorts);
  const ask: SocialHarness['ask'] = (method, path, sent = {}) => send(copy.url, method, path, sent);

  const begin: SocialHarness['begin'] = async (
    { provider = 'company', cookie = '', path = '/api/auth/sign-in/social' } = {},
    members = {},
  ) => {
    const headers = { origin: API_URL };
    const answer = await ask('POST', path, { json: { provider, ...members }, cookie, headers });
    expect(answer.status, answer.text).toBe(200);
    return { url: answer.body.url, cookie: [cookie, cookieOf(answer)].filter((part) => part !== '').join('; ') };
  };

  const comeBack: SocialHarness['comeBack'] = async ({ url }, who, at = oidc) => {
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
    async signInAs(who, members = {}) {
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
