// For tests only: users at the admin console in a real browser, and the log that its events are sealed into.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { TestUser } from '#testing/flows/flows.ts';
import { newSignedIn } from '#testing/flows/signed-in.ts';
import { type BrowserHarness, openBrowserHarness, type Visit } from '#testing/harness/browser.ts';
import { sealerOf } from '#testing/harness/log.ts';

export type ConsoleVisit = Visit & {
  /**
   * What the browser complained of. A read that a busy copy refused with 503 is no complaint once the same read has
   * succeeded: the console repeats it. One that was never made good is.
   */
  serious(): readonly string[];
};

export type ConsoleHarness = BrowserHarness & {
  /** A browser, without a user or with one who is signed in at the account pages. */
  visitConsole(options?: BrowserContextOptions, as?: TestUser): Promise<ConsoleVisit>;
  /** A new user with this role, at the console. */
  atConsole(role: string): Promise<ConsoleVisit & { readonly user: TestUser }>;
  /** Folder of the log's high-water mark. */
  readonly logDir: string;
  /** Seals what the outbox holds, as the worker does. */
  seal(): Promise<unknown>;
};

/** Reads of the page whose last answer was 503. */
function refusedReads(page: Page): ReadonlySet<string> {
  const refused = new Set<string>();
  page.on('response', (response) => {
    const read = `${response.request().method()} ${response.url()}`;
    if (response.status() === 503) refused.add(read);
    else refused.delete(read);
  });
  // A page that is left repeats nothing; `openPage` has seen that no part of it had failed.
  page.on('framenavigated', (frame) => {
    if (frame === page.mainFrame()) refused.clear();
  });
  return refused;
}

export async function openConsoleHarness(env: Readonly<Record<string, string>> = {}): Promise<ConsoleHarness> {
  const harness = await openBrowserHarness(env);
  const logDir = mkdtempSync(join(tmpdir(), 'sallyport-console-'));
  const visitConsole: ConsoleHarness['visitConsole'] = async (options = {}, as) => {
    const visit = await harness.visit(options, as);
    const refused = refusedReads(visit.page);
    const serious = (): readonly string[] => [
      ...visit.complaints.filter((text) => !/status of 503/.test(text)),
      ...[...refused].map((read) => `503 ${read}`),
    ];
    return { ...visit, serious };
  };
  return {
    ...harness,
    logDir,
    visitConsole,
    atConsole: async (role) => {
      const user = await newSignedIn(harness.api);
      await harness.harness.rows('INSERT INTO user_roles (user_id, role) VALUES ($1, $2)', [user.id, role]);
      const visit = await visitConsole({}, user);
      await visit.page.goto('/console/sign-in?return=/console');
      await visit.page.getByRole('heading', { level: 1 }).waitFor();
      return { ...visit, user };
    },
    seal: sealerOf(harness.api.ports, harness.harness.owner, logDir),
    close: async () => {
      await harness.close();
      rmSync(logDir, { recursive: true, force: true });
    },
  };
}

/**
 * Opens a page of the console, and waits until it has loaded all that it shows. What a busy copy refused twice is asked for
 * again, as a person does.
 */
export async function openPage(page: Page, path: string, title: string): Promise<void> {
  await page.goto(path);
  await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
  const again = page.getByRole('button', { name: /^(Try again|Erneut versuchen)$/ });
  for (let tries = 0; tries < 3; tries += 1) {
    await page.locator('.loading').first().waitFor({ state: 'detached' });
    if ((await again.count()) === 0) return;
    await again.first().click();
  }
  await page.locator('.loading').first().waitFor({ state: 'detached' });
}
