import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, resolve } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import { launchChromium } from '#tools/testing/harness/browser.ts';
import { listening } from '#tools/testing/listening.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { pagesOf, withLinks } from './pages.ts';
import { referencePages } from './reference.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = testFolder();
const SLOW_MS = 300_000;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
}, SLOW_MS);
afterAll(() => browser?.close());

/** Builds the site of a clone as the command does. @returns its folder */
function built(from: string, name: string): string {
  const to = join(FOLDER, name);
  const env = { ...process.env, NODE_ENV: 'production' };
  const args = [join(import.meta.dirname, 'main.ts'), '--from', from, '--to', to];
  execFileSync(process.execPath, args, { env, encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 26 });
  return join(to, 'html');
}

/** Serves a folder as any web server does. */
async function served(folder: string): Promise<string> {
  const server = createServer((request, reply) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site.test');
    const path = decodeURIComponent(pathname).replace(/\/$/, '/index.html');
    try {
      const body = readFileSync(join(folder, path));
      reply.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'image/webp' }).end(body);
    } catch {
      reply.writeHead(404).end();
    }
  });
  const site = await listening(server);
  onTestFinished(() => site.close());
  return site.url;
}

/** A tab that must ask no host but its own, and whose scripts must not fail. */
async function opened(folder: string, colorScheme: 'light' | 'dark'): Promise<Page> {
  const baseURL = await served(folder);
  const context = await browser.newContext({ colorScheme, baseURL });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (err) => complaints.push(String(err)));
  page.on('request', (request) => {
    if (!request.url().startsWith(baseURL) && !request.url().startsWith('data:')) complaints.push(request.url());
  });
  onTestFinished(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });
  return page;
}

describe('the site of a small clone', () => {
  const clone = join(FOLDER, 'clone');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t.test', ...args], { cwd: clone });
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    writeFileSync(join(clone, path), text);
  };
  beforeAll(() => {
    cpSync(join(ROOT, 'docs/pictures'), join(clone, 'docs/pictures'), { recursive: true });
    put('README.md', '# Sallyport\n\n## Start\n\n```sh\nnpm start\n```\n');
    put('docs/README.md', '# Documentation\n\n[A guide](how-to/guide.md#part).\n');
    put('docs/how-to/guide.md', '# A guide\n\nHow to do it.\n\n## Part\n\n```mermaid\nflowchart LR\n  a --> b\n```\n');
    put('prisma/releases.json', '[{ "version": "1.0.0" }]');
  });

  test(
    'lets readers choose the release from the second release on',
    async () => {
      const first = await opened(built(clone, 'first'), 'light');
      await first.goto('/contents.html');
      await first.getByRole('link', { name: 'A guide' }).first().waitFor();
      expect(await first.getByText('1.0.0').count()).toBe(0);
      await first.goto('/how-to/guide.html');
      const drawn = first.getByAltText('Diagram: Part').and(first.locator(':visible'));
      await drawn.evaluate((picture) => (picture as unknown as { decode(): Promise<void> }).decode());

      for (const args of [
        ['init', '-q'],
        ['add', '.'],
        ['commit', '-qm', 'x'],
        ['tag', 'v1.0.0'],
      ])
        git(...args);
      put('docs/how-to/added.md', '# Added\n\nIn 1.1.0.\n');
      put('prisma/releases.json', '[{ "version": "1.0.0" }, { "version": "1.1.0" }]');
      const second = await opened(built(clone, 'second'), 'light');
      await second.goto('/how-to/guide.html');
      await second.getByRole('link', { name: 'Added' }).first().waitFor();
      await second.getByText('Release 1.1.0').hover();
      await second.getByRole('link', { name: '1.0.0' }).first().click();
      await second.waitForURL('**/1.0.0/**');
      await second.goto('/1.0.0/how-to/guide.html');
      await second.getByRole('link', { name: 'A guide' }).first().waitFor();
      expect(await second.getByRole('link', { name: 'Added' }).count()).toBe(0);
    },
    SLOW_MS,
  );

  test.each([
    ['a page', '../gone.md', 'Dead links'],
    ['a heading', '../README.md#gone', 'Dead anchors'],
  ])(
    'is not built while a link leads to %s that is missing',
    (_what, target, complaint) => {
      put('docs/how-to/dead.md', `# Dead\n\n[Here](./guide.md) and [there](${target}).\n`);
      expect(() => built(clone, 'dead')).toThrow(complaint);
    },
    SLOW_MS,
  );
});

test('a link to a file that is no page is shown as its label, and code is left as it is', () => {
  const placed = new Map([
    ['docs/how-to/a.md', 'how-to/a.md'],
    ['README.md', 'overview.md'],
  ]);
  const text = '[Start](../../README.md#start) [`x.ts`](../../services/x.ts) `[y](../z.md)` [RFC](https://rfc.test/)';
  const shown = '[Start](../overview.md#start) `x.ts` `[y](../z.md)` [RFC](https://rfc.test/)';
  expect(withLinks(text, 'docs/how-to/a.md', placed, () => true)).toBe(shown);
});

describe('the site of the documentation', () => {
  let folder: string;
  beforeAll(() => {
    folder = built(ROOT, 'site');
  }, SLOW_MS);

  test('has each page as HTML and as Markdown, and llms.txt names them all', async () => {
    const pages = [...pagesOf(ROOT), ...referencePages(await collectEndpoints())];
    expect(pages.length).toBeGreaterThan(270);
    const list = readFileSync(join(folder, 'llms.txt'), 'utf8');
    for (const { path, title, text } of pages) {
      expect(list).toContain(`- [${title}](/${path}): `);
      expect(readFileSync(join(folder, path), 'utf8')).toBe(text);
      expect(readFileSync(join(folder, path.replace(/md$/, 'html')), 'utf8')).toContain(` href="/${path}"`);
    }
  });

  test.each(['light', 'dark'] as const)(
    'has no finding of axe in %s',
    async (scheme) => {
      const site = await opened(folder, scheme);
      const looked = [
        '',
        'overview.html',
        'contents.html',
        'how-to/check-tokens.html',
        'explanation/architecture.html',
      ];
      for (const path of [
        ...looked,
        'api/',
        'api/tokens.html',
        'api/incidents.html',
        'adr/',
        'sdks/go/',
        'reference/configuration.html',
        'changelog.html',
      ]) {
        await site.goto(`/${path}`, { waitUntil: 'networkidle' });
        await site.evaluate(axe.source);
        const { violations } = (await site.evaluate('axe.run(document)')) as axe.AxeResults;
        expect([path, violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])]).toEqual([path, []]);
      }
    },
    SLOW_MS,
  );

  test(
    'begins with two pictures in the theme of the reader and one line to start, and its search finds pages',
    async () => {
      const site = await opened(folder, 'light');
      await site.goto('/');
      await site.getByText('npm start').waitFor();
      const pictures = () =>
        site.locator('.rp-doc img:visible').evaluateAll((all) => all.map((each) => each.getAttribute('src')));
      expect(await pictures()).toEqual(['/pictures/console-light.webp', '/pictures/account-light.webp']);
      await site.emulateMedia({ colorScheme: 'dark' });
      await expect.poll(pictures).toEqual(['/pictures/console-dark.webp', '/pictures/account-dark.webp']);
      await site.getByRole('button', { name: 'Search' }).click();
      await site.locator('.rp-search-panel__input').fill('second factors');
      await site.locator('.rp-search-panel__results').getByRole('link').first().click();
      await site.waitForURL((url) => url.pathname !== '/', { waitUntil: 'commit' });
      await expect.poll(() => site.locator('h1').textContent()).toMatch(/second factors/i);
      await site.locator('header').getByRole('link', { name: 'API' }).click();
      await expect.poll(() => site.locator('h1').textContent()).toMatch(/API/);
      await site.getByRole('button', { name: 'Search' }).click();
      await site.locator('.rp-search-panel__input').fill('issue a token pair for the session');
      await site.locator('.rp-search-panel__results').getByRole('link').first().click();
      await expect.poll(() => site.locator('h1').textContent()).toMatch(/Tokens/);
    },
    SLOW_MS,
  );
});
