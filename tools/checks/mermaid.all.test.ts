import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '#tools/testing/harness/browser.ts';
import { type Drawing, drawings, drawingsIn, ensureMermaid } from './mermaid.ts';

type Drawn = { readonly error: string } | { readonly width: number; readonly height: number; readonly words: string };

let browser: Browser;
let page: Page;
const SLOW_MS = 60_000;
beforeAll(async () => {
  browser = await launchChromium();
  page = await browser.newPage();
  await page.setContent('<!doctype html><body><div id="place"></div>');
  await page.addScriptTag({ path: ensureMermaid() });
  await page.evaluate('mermaid.initialize({ startOnLoad: false, securityLevel: "strict" })');
}, SLOW_MS);
afterAll(() => browser?.close());

/** Draws in the browser, as GitHub does. */
const draw = (text: string): Promise<Drawn> =>
  page.evaluate(`(async () => {
    try {
      const { svg } = await mermaid.render('drawing', ${JSON.stringify(text)});
      const place = document.getElementById('place');
      place.innerHTML = svg;
      const { width, height } = place.querySelector('svg').getBoundingClientRect();
      return { width, height, words: place.textContent };
    } catch (err) { return { error: String(err) } }
  })()`) as Promise<Drawn>;

/** Names that a drawing declares: participants of a sequence, boxes of a flow, tables of a data model. */
const namesIn = (text: string): string[] => [
  ...[...text.matchAll(/^ *(?:participant|actor) \w+ as (.+)$/gm)].map(([, name]) => name as string),
  ...[...text.matchAll(/\b\w+\[(?:"([^"]+)"|([\w -]+))\]/g)].map(([, quoted, plain]) => (quoted ?? plain) as string),
  ...[...text.matchAll(/^ +(\w+) \S*--\S* (\w+) :/gm)].flatMap(([, one, other]) => [one as string, other as string]),
];
const all = drawings();
const label = ({ page: file, line }: Drawing): string => `${file}:${line}`;

describe('the drawings of the documentation', () => {
  test('are there: an overview, sequences and the data model', () => {
    const kinds = all.map(({ page: file, text }) => `${file} ${/^\w+/.exec(text)?.[0]}`);
    expect(kinds).toEqual(
      expect.arrayContaining([
        'docs/explanation/system-design.md flowchart',
        'docs/explanation/system-design.md sequenceDiagram',
        'docs/reference/database.md erDiagram',
        'docs/reference/module-graph.md graph',
      ]),
    );
    expect(all.filter(({ text }) => text.startsWith('sequenceDiagram')).length).toBeGreaterThanOrEqual(4);
  });

  test.each(all.map((drawing) => [label(drawing), drawing] as const))(
    'Mermaid draws %s with every name in it',
    async (_label, { text }) => {
      const drawn = await draw(text);
      expect(drawn).toMatchObject({ width: expect.any(Number), words: expect.any(String) });
      if ('error' in drawn) return;
      expect(Math.min(drawn.width, drawn.height)).toBeGreaterThan(50);
      expect(namesIn(text).filter((name) => !drawn.words.includes(name))).toEqual([]);
    },
    SLOW_MS,
  );

  test('a drawing that Mermaid cannot read is reported', async () => {
    expect(await draw('sequenceDiagram\n  A->>\n')).toMatchObject({ error: expect.stringContaining('Parse error') });
    const text = '# A page\n\n```mermaid\ngraph LR\n  a --> b\n```\n\n```ts\nx\n```\n';
    expect(drawingsIn('p.md', text)).toEqual([{ page: 'p.md', line: 3, text: 'graph LR\n  a --> b\n' }]);
  });
});
