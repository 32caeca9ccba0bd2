// For tests only: one API that a real browser reaches, a client's site on another origin, and what to look at.

import { createServer } from 'node:http';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { ensureProgram, type SystemProgram } from '#services/platform/local/system-program.ts';
import { PATIENCE_MS } from '../eventually.ts';
import { listening } from '../listening.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from './api.ts';
import { promised } from './busy-machine.ts';

/** Below `localhost`, which browsers treat as a secure context (W3C Secure Contexts §3.1). */
export const PAGES_ORIGIN = 'http://sallyport.localhost';

export type Visit = {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Problems reported by the browser: policy violations, script errors and dialogs. */
  readonly complaints: string[];
};

export type BrowserHarness = {
  readonly harness: ApiHarness;
  readonly api: ApiCopy;
  readonly browser: Browser;
  /** Origin of another site, such as the client's. */
  readonly site: string;
  /** Serves this HTML there under a path. */
  serve(path: string, html: string): void;
  /**
   * A new browser context, without cookies or with those of a signed-in user. When the test that asks for it ends, it is
   * closed, and the browser must have had no complaints.
   */
  visit(options?: BrowserContextOptions, as?: { readonly cookie: string }): Promise<Visit>;
  close(): Promise<void>;
};

/** @param env settings of the API beside the usual ones */
export async function openBrowserHarness(env: Readonly<Record<string, string>> = {}): Promise<BrowserHarness> {
  const harness = await openApiHarness();
  const api = await harness.startCopy({ publicUrl: PAGES_ORIGIN, env: { CORS_ORIGINS: API_URL, ...env } });
  const browser = await launchChromiumFor(PAGES_ORIGIN, api.url);
  const served = new Map<string, string>();
  const server = createServer((request, reply) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site.test');
    reply.setHeader('content-type', 'text/html; charset=utf-8');
    reply.end(served.get(pathname) ?? '<!doctype html><title>The client</title><p>Welcome back.</p>');
  });
  const site = await listening(server);
  return {
    harness,
    api,
    browser,
    site: site.url,
    serve: (path, html) => void served.set(path, html),
    visit: async (options = {}, as) => {
      const visited = await visit(browser, options, as);
      onTestFinished(async () => {
        await visited.context.close();
        expect(visited.complaints).toEqual([]);
      });
      return visited;
    },
    close: async () => {
      await browser.close();
      await site.close();
      await harness.close();
    },
  };
}

export async function visit(
  browser: Browser,
  options: BrowserContextOptions,
  as?: { readonly cookie: string },
): Promise<Visit> {
  const context = await browser.newContext({ baseURL: PAGES_ORIGIN, ...options });
  for (const pair of as?.cookie.split('; ') ?? []) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
    await context.addCookies([{ name, value, url: PAGES_ORIGIN }]);
  }
  context.setDefaultTimeout(promised(PATIENCE_MS));
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    // Chromium also writes responses of 401 and 403 to the console.
    if (message.type() === 'error' && !/^Failed to load resource: .* status of 4\d\d/.test(message.text()))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(dialog.message());
    void dialog.dismiss();
  });
  return { context, page, complaints };
}

/** The second check covers what the first does not: dark mode and the narrow window. */
const LOOKS = [
  { colorScheme: 'light', width: 1_280, rules: null },
  {
    colorScheme: 'dark',
    width: 320,
    rules: ['color-contrast', 'link-in-text-block', 'scrollable-region-focusable', 'target-size'],
  },
] as const;

/** Serious and critical findings of axe-core on a page as it stands. @param rules these alone */
async function findings(page: Page, rules: readonly string[] | null): Promise<unknown[]> {
  if (!(await page.evaluate('typeof axe === "object"'))) await page.evaluate(axe.source);
  const options: axe.RunOptions = {
    resultTypes: ['violations'],
    ...(rules === null ? {} : { runOnly: { type: 'rule', values: [...rules] } }),
  };
  const { violations } = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as axe.AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => ({ id, at: nodes.slice(0, 5).map(({ html }) => html) }));
}

/** Shortens long lists of like items: axe-core needs seconds for thousands of nodes. */
const shorten = (page: Page): Promise<unknown> =>
  page.evaluate(`for (const list of document.querySelectorAll('main, main ul'))
    for (const child of [...list.children].slice(60)) child.remove()`);

/** Folder that gets four images of each page that a test looks at: light and dark, narrow and wide. */
const SCREENSHOTS = process.env.PAGE_SCREENSHOTS;

async function keepScreenshots(page: Page, state: string): Promise<void> {
  if (SCREENSHOTS === undefined) return;
  const { pathname, search } = new URL(page.url());
  const name = `${pathname} ${search} ${state} ${await page.title()}`.replaceAll(/[^\p{L}\d]+/gu, '-').slice(0, 100);
  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [320, 1_280]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}-${width}.png`), fullPage: true });
    }
  await page.setViewportSize({ width: 320, height: 800 });
}

/**
 * Expects no serious finding of axe-core (WCAG 2.2) and no horizontal scrolling, in light and dark, wide and narrow.
 * @param state tells the images of one address apart
 */
export async function expectReadable(page: Page, state = ''): Promise<void> {
  const label = `${page.url()} ${await page.title()}`;
  await page.setViewportSize({ width: 320, height: 800 });
  expect([label, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([label, 320]);
  await keepScreenshots(page, state);
  await shorten(page);
  for (const { colorScheme, width, rules } of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    expect([label, colorScheme, await findings(page, rules)]).toEqual([label, colorScheme, []]);
  }
}

export const CHROMIUM: SystemProgram = {
  names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'Google Chrome', 'Chromium'],
  folders: [
    '/Applications/Google Chrome.app/Contents/MacOS',
    '/Applications/Chromium.app/Contents/MacOS',
    '/opt/google/chrome',
  ],
  packages: { 'apt-get': ['chromium'], dnf: ['chromium'], apk: ['chromium'], brew: ['--cask google-chrome'] },
  why: 'the tests of the pages need a real browser',
  errorCode: 'no_chromium',
  orElse: 'or put a Chromium or Chrome on PATH',
};

/**
 * A browser that reaches `origin` (a host under `localhost`, where cookies may be Secure and passkeys are allowed) at
 * the server that listens on `url`. Close it.
 * @throws StartError `no_chromium` with the exact command to run
 */
export const launchChromiumFor = (origin: string, url: string): Promise<Browser> =>
  launchChromium([`--host-resolver-rules=MAP ${new URL(origin).hostname} ${new URL(url).host}`]);

/** A browser without cookies. Close it. @throws StartError `no_chromium` with the exact command to run */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  return chromium.launch({
    executablePath: await ensureProgram(CHROMIUM, say),
    args: ['--disable-gpu', ...args],
    timeout: 60_000,
  });
}
