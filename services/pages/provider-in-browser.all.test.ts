// About: services/pages/ services/core/identity/social/
import { expect, test } from 'vitest';
import { startOidcProvider } from '#tools/testing/fakes/oidc-provider.ts';
import { expectReadable, openBrowserHarness, PAGES_ORIGIN, type Visit } from '#tools/testing/harness/browser.ts';
import { providerAccount } from '#tools/testing/harness/social.ts';
import { opened } from '#tools/testing/opened.ts';
import { button, heading, newAuthorization, newPagesClient, userInfoOf } from './pages-harness.ts';

const SCOPES = ['openid', 'email'];

const provider = opened(() => startOidcProvider([`${PAGES_ORIGIN}/api/auth/callback/company`]));
const harness = opened(() => {
  const { issuer, clientId, clientSecret } = provider;
  const company = { issuer, clientId, clientSecret, allowPrivateAddresses: true };
  return openBrowserHarness({ SOCIAL_PROVIDERS: JSON.stringify({ company }) });
});

/** Makes the provider ask nothing: every visitor is signed in as this account. */
async function visitAs(account: ReturnType<typeof providerAccount>, javaScriptEnabled: boolean): Promise<Visit> {
  const visit = await harness.visit({ javaScriptEnabled });
  await visit.context.route(`${provider.issuer}/**`, async (route) => {
    const back = await provider.signIn(route.request().url(), account);
    await route.fulfill({ status: 303, headers: { location: back.href } });
  });
  return visit;
}

test.each([true, false])(
  'a client’s user without a password signs in by a provider button of the sign-in page (script: %s)',
  async (hasScript) => {
    const account = providerAccount();
    const redirectUri = `${harness.site}/callback`;
    const client = await newPagesClient(harness.api, 'Tasks', redirectUri, SCOPES);
    const { address, redeem } = await newAuthorization(harness.api, client, redirectUri, SCOPES);
    const { page } = await visitAs(account, hasScript);
    await page.goto(address);
    if (hasScript) await expectReadable(page);
    await button(page, 'Continue with Company').click();
    await page.getByRole('button', { name: 'Allow' }).waitFor();
    expect(await heading(page)).toBe('Sign in to Tasks?');
    await button(page, 'Allow').click();
    await page.waitForURL(`${redirectUri}?*`);
    const info = await userInfoOf(harness.api, client, await redeem(page.url()));
    expect(info).toMatchObject({ email: account.email });
  },
);
