// For tests only: a world with detections whose people read their mails and may sign in by a provider of the test's own.
import { spendLoginFailures } from '../../../domain/identity/guard/forgive-login.ts';
import { forgetDevices } from '../../../domain/identity/guard/login-sighting.ts';
import { API_URL } from '../api-copy.ts';
import { type ProviderAccount, startOidcProvider } from '../counterparts/oidc-provider.ts';
import { cookieOf, type Received, send } from '../http-client.ts';
import { type MailFolder, openMailFolder } from '../mail-folder.ts';
import { type from, openSecurityWorld, type SecurityWorld } from './security-world.ts';

export type Place = ReturnType<typeof from>;

export type SecuritySocialWorld = SecurityWorld & {
  readonly mails: MailFolder;
  /** What the browser is answered that comes back from the provider; `headers` are sent on the way back alone. */
  byProvider(
    who: ProviderAccount,
    place: Place,
    cookie?: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Received>;
  /** What step_up does to an account. */
  closeAccount(userId: string, email: string): Promise<void>;
};

/** With `company` to sign in by: one world per test file. */
export async function openSecuritySocialWorld(): Promise<SecuritySocialWorld> {
  const oidc = await startOidcProvider([`${API_URL}/api/auth/callback/company`]);
  const { issuer, clientId, clientSecret } = oidc;
  const company = { issuer, clientId, clientSecret, allowPrivateAddresses: true };
  const world = await openSecurityWorld({ SOCIAL_PROVIDERS: JSON.stringify({ company }) });
  const { url, ports } = world.api;
  const mails = await openMailFolder(ports);
  return {
    ...world,
    mails,
    async byProvider(who, place, cookie = '', headers = {}) {
      const begun = await send(url, 'POST', '/api/auth/sign-in/social', {
        json: { provider: 'company' },
        cookie,
        headers: { ...place, origin: API_URL },
      });
      const back = await oidc.signIn(begun.body.url, who);
      const cookies = [cookie, cookieOf(begun)].filter((part) => part !== '').join('; ');
      return send(url, 'GET', back.pathname + back.search, { cookie: cookies, headers: { ...place, ...headers } });
    },
    closeAccount: (userId, email) =>
      ports.transact(async (tx) => {
        await forgetDevices(tx, userId);
        await spendLoginFailures(tx, ports, { userId, email });
      }),
    async close() {
      await mails.close();
      await world.close();
      await oidc.close();
    },
  };
}
