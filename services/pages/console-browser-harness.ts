// For tests only: users at the admin console in a real browser, and the log that its events are sealed into.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { seenTexts } from '#console/src/texts/detections.ts';
import { memberWords, placeWords, valueWords } from '#console/src/texts/generated/operations.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import {
  type BrowserHarness,
  expectReadable,
  openBrowserHarness,
  type Visit,
  visit,
} from '#tools/testing/harness/browser.ts';
import { sealerOf } from '#tools/testing/harness/log.ts';
import { NOT_GERMAN } from './pages-harness.ts';

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
    const visited = await visit(harness.browser, options, as);
    const refused = refusedReads(visited.page);
    const serious = (): readonly string[] => [
      ...visited.complaints.filter((text) => !/status of 503/.test(text)),
      ...[...refused].map((read) => `503 ${read}`),
    ];
    return { ...visited, serious };
  };
  return {
    ...harness,
    logDir,
    visitConsole,
    atConsole: async (role) => {
      const user = await newSignedIn(harness.api);
      await harness.harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, ${role})`;
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

/** Markup, characters that are invisible or reorder the text after them, and a word without end. */
export const HOSTILE = `<img src=x onerror=alert(1)>"'\u202egnp\u200b</script><script>alert(2)</script>${'W'.repeat(58)}`;

/**
 * Elements that text of others has made, and texts that reorder what stands beside them. A character that reorders text
 * (Unicode Bidirectional Algorithm, UAX 9) ends its effect with the block or isolate around it, so the element that it
 * is alone in must be one.
 */
const NOT_INERT = `(() => {
  const found = [...document.querySelectorAll(
    'main :is(img, script, iframe, object, embed, style, [onerror], [href^="javascript:" i])')].map((at) => at.outerHTML);
  const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { currentNode: node } = texts;
    if (!/[\\u202a-\\u202e\\u2066-\\u2069]/.test(node.data)) continue;
    let at = node.parentElement;
    const isOpen = () => getComputedStyle(at).display === 'inline' && getComputedStyle(at).unicodeBidi !== 'isolate';
    while (isOpen()) at = at.parentElement;
    if (at.textContent !== node.data) found.push(at.outerHTML);
  }
  return found;
})()`;

/** Expects that text of others is shown as text alone. */
async function expectInert(page: Page): Promise<void> {
  expect([page.url(), await page.evaluate(NOT_INERT)]).toEqual([page.url(), []]);
}

/** Boxes of a page that show nothing: no text, no picture, no field. */
const BLANK = `[...document.querySelectorAll('main .card, main .rows, main .grid, main .state, main .page > *')]
  .filter((at) => at.innerText.trim() === '' && at.querySelector('svg, input, select, button') === null)
  .map((at) => at.outerHTML)`;

/** Expects that no box of a page is empty. */
export async function expectNothingBlank(page: Page): Promise<void> {
  expect([page.url(), await page.evaluate(BLANK)]).toEqual([page.url(), []]);
}

/** Sentences of empty states and notes that a page has more than once. */
const TWICE = `[...document.querySelectorAll('main .state p, main .note')]
  .map((at) => at.innerText.trim()).filter((text, at, all) => all.indexOf(text) !== at)`;

/** Expects that a page says nothing twice. */
export async function expectNothingTwice(page: Page): Promise<void> {
  expect([page.url(), await page.evaluate(TWICE)]).toEqual([page.url(), []]);
}

const WORDS = [memberWords, valueWords, ...Object.values(placeWords)].flatMap((words) => Object.values(words));
const GERMAN_WORDS = new Set(WORDS.map(([, german]) => german));
/** Texts of a page but those that have a language of their own: names, ids, code, and what others wrote. */
const OWN_TEXTS = `[...document.querySelectorAll('.shell *')]
  .filter((at) => !at.closest('bdi, code, pre, kbd, option, .id, [lang]:not(html)'))
  .flatMap((at) => [...at.childNodes].filter(({ nodeType }) => nodeType === 3)).map(({ data }) => data.trim())`;

/** Expects no English title, time of machines, code word or name of a detection on a page in German. */
async function expectGerman(page: Page): Promise<void> {
  const texts = await page.evaluate<readonly string[]>(OWN_TEXTS);
  const isEnglish = (text: string) => !GERMAN_WORDS.has(text) && WORDS.some(([english]) => english === text);
  const names = await page.locator('main bdi').allTextContents();
  const wrong = [
    ...texts.filter((text) => NOT_GERMAN.test(text) || isEnglish(text)),
    ...names.filter((name) => name in seenTexts.de),
  ];
  expect([page.url(), wrong]).toEqual([page.url(), []]);
}

type Language = 'en' | 'de';

/** From now on the console speaks this language to a user who is at one of its pages; `null`: that of the browser. */
export const speak = (page: Page, language: Language | null): Promise<void> =>
  page.evaluate(
    language === null
      ? `localStorage.removeItem('console.language')`
      : `localStorage.setItem('console.language', '${language}')`,
  );

/**
 * Expects that a page shows text of others as text alone and can be read in both languages, in light and dark, wide and
 * narrow. @param titles of the page
 */
export async function expectReadableInEachLanguage(
  { page, serious }: ConsoleVisit,
  path: string,
  titles: Readonly<Record<Language, string>>,
): Promise<void> {
  for (const language of ['en', 'de'] as const) {
    await speak(page, language);
    await openPage(page, path, titles[language]);
    await expectInert(page);
    expect(await page.locator('html').getAttribute('lang')).toBe(language);
    if (language === 'de') await expectGerman(page);
    // The second language has other words in the same elements: what could differ is only whether they fit.
    if (language === 'en' || process.env.PAGE_SCREENSHOTS !== undefined) await expectReadable(page, language);
    else {
      await page.setViewportSize({ width: 320, height: 800 });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
    }
  }
  await speak(page, null);
  expect(serious()).toEqual([]);
}
