// For tests only: what users do on the account page.
import type { Locator, Page } from 'playwright-core';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { type BrowserHarness, PAGES_ORIGIN } from '#tools/testing/harness/browser.ts';
import { textOf } from './pages-harness.ts';

export const status = (page: Page): Promise<string> => textOf(page.getByRole('status').first());

/** Opens a form that is folded. */
export const unfold = (page: Page, name: string): Promise<void> =>
  page.locator('summary', { hasText: name }).first().click();

export const section = (page: Page, name: string): Promise<void> =>
  page.getByRole('navigation').getByRole('link', { name }).click();

/** Whether an element is in the window as it stands. */
export const isInSight = (at: Locator): Promise<boolean> =>
  at.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= element.ownerDocument.documentElement.clientHeight;
  });

/** Signs a user in without script, and sends forms of the account page. */
export async function signedInWithout(harness: BrowserHarness, user: TestUser) {
  const browser = openBrowser(harness.api.url, PAGES_ORIGIN);
  const login = await browser.open('/login?next=/account');
  const account = await browser.submit(login, { email: user.email, password: user.password });
  const formToken = /name="form_token" value="([^"]+)"/.exec(account.text)?.[1] ?? '';
  const act = (fields: Record<string, string>) =>
    browser.submit(
      {
        ...account,
        text: `<form method="post" action="/account"><input type="hidden" name="form_token" value="${formToken}"></form>`,
      },
      fields,
    );
  return { browser, account, act };
}

/** As if the user had signed in an hour ago. */
export async function ageSessions({ harness, api }: BrowserHarness, user: TestUser): Promise<void> {
  const aged =
    await harness.rows`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE "userId" = ${user.id}
      RETURNING token`;
  for (const { token } of aged) await api.ports.auth.forget(token);
}
