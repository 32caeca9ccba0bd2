// For tests only: a harness with detections whose users read their mails and may sign in by the test's own provider.
import { disablePasswordSignIn } from '#services/core/identity/sign-in/sign-in-guard.ts';
import { forgetDevices } from '#services/core/identity/sign-in/sign-in-origin.ts';
import { type ProviderAccount, startOidcProvider } from '#tools/testing/fakes/oidc-provider.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { cookieOf, send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { type from, openSecurityHarness } from './security-harness.ts';

export type Place = ReturnType<typeof from>;

/** With `company` to sign in by: one harness per test file. */
export async function openSecuritySocialHarness() {
  const oidc = await startOidcProvider([`${API_URL}/api/auth/callback/company`]);
  const { issuer, clientId, clientSecret } = oidc;
  const company = { issuer, clientId, clientSecret, allowPrivateAddresses: true };
  const harness = await openSecurityHarness({ SOCIAL_PROVIDERS: JSON.stringify({ company }) });
  const { url, ports } = harness.api;
  const mails = await openMailFolder(harness.api.workerPorts);
  return {
    ...harness,
    mails,
    /** The answer to a browser that returns from the provider; `headers` are sent on the return only. */
    async byProvider(who: ProviderAccount, place: Place, cookie = '', headers: Readonly<Record<string, string>> = {}) {
      const begun = await send(url, 'POST', '/api/auth/sign-in/social', {
        json: { provider: 'company' },
        cookie,
        headers: { ...place, origin: API_URL },
      });
      const back = await oidc.signIn(begun.body.url, who);
      const cookies = [cookie, cookieOf(begun)].filter((part) => part !== '').join('; ');
      return send(url, 'GET', back.pathname + back.search, { cookie: cookies, headers: { ...place, ...headers } });
    },
    /** Locks an account as step_up does. */
    closeAccount: (userId: string, email: string) =>
      ports.transact(async (tx) => {
        await forgetDevices(tx, userId);
        await disablePasswordSignIn(tx, ports, { userId, email });
      }),
    async close() {
      await mails.close();
      await harness.close();
      await oidc.close();
    },
  };
}
