import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dashboards } from '#observability/dashboards/all.ts';
import { sections } from '#services/platform/config/load.ts';
import { catalogue } from '#tools/catalog/metrics.ts';

const root = resolve(import.meta.dirname, '../..');
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const pages = globSync(['{.,docs,examples}/README.md', 'docs/{runbooks,how-to,explanation,adr,reference}/*.md'], {
  cwd: root,
}).sort();
/** Pages that an operator follows step by step. */
const guides = pages.filter((page) => /^docs\/(runbooks|how-to)\//.test(page));

type Mention = { readonly uid: string; readonly title: string };

/** Panels that a text names: `_Title_ … on [name](/d/uid)`, several of one dashboard before one link. */
const panelsIn = (text: string): Mention[] =>
  text.split('\n').flatMap((line) => {
    const links = [...line.matchAll(/\]\([^)\s]*\/d\/([\w-]+)\)/g)];
    return links.flatMap((link, at) => {
      const before = line.slice(at === 0 ? 0 : (links[at - 1]?.index as number), link.index);
      return [...before.matchAll(/(?<![\w`])_([A-Z][^_`]+)_(?!\w)/g)].map(([, title]) => ({
        uid: link[1] as string,
        title: title as string,
      }));
    });
  });

const titlesOf = new Map(
  dashboards.map(({ uid, rows }) => [uid, rows.flatMap(({ panels }) => panels.map(({ title }) => title))]),
);

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

function brokenLinks(page: string): string[] {
  const prose = textOf(page).replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/\]\(((?!https?:|mailto:|\/d\/)[^)\s]+)\)/g)].flatMap(([, target = '']) => {
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(root, file))) return [target];
    if (anchor === undefined || !file.endsWith('.md')) return [];
    const text = textOf(file);
    const anchors = [
      ...[...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading as string)),
      ...[...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id),
    ];
    return anchors.includes(anchor) ? [] : [target];
  });
}

/** Variables that are not ours, or that are made of a name the operator chooses. */
const FOREIGN =
  /^(NODE_|OTEL_|XDG_|PG|OIDC_|GOOGLE_|GITHUB_|CLIENT_(ID|SECRET)$|SALLYPORT_TOKEN$|ON_ERROR_STOP$|HAPROXY_|POSTGRES_BIND$|OLD_SESSION_COOKIE$|SELF_SIGNED_CERT_|UNABLE_TO_VERIFY_)/;
/** Secrets that a container reads from files, by the list of its entry point. */
const fromFiles = [...textOf('deploy/container/entry.mjs').matchAll(/'([A-Z_]+)'/g)].map(([, name]) => `${name}_FILE`);
const settings = new Set([
  ...Object.values(sections).flatMap((section) => Object.values(section).map(({ env }: { env: string }) => env)),
  ...fromFiles,
]);
/** Database roles, by the migration or the page that creates them, and example logins: no metrics. */
const rolesIn = (text: string) =>
  [...text.matchAll(/CREATE ROLE (\w+)|'(sallyport_\w+)'|\b(sallyport_\w+_login)\b/g)].map(
    ([, created, listed, login]) => (created ?? listed ?? login) as string,
  );
const migratedRoles = globSync('prisma/migrations/*/migration.sql', { cwd: root }).flatMap((file) =>
  rolesIn(textOf(file)),
);
const metricNames = catalogue().flatMap(({ name }) => name);

describe('pages for operators', () => {
  test.each(guides)('%s names panels, settings and metrics that exist', (page) => {
    const text = textOf(page);
    for (const { uid, title } of panelsIn(text)) expect(titlesOf.get(uid), `${title} on ${uid}`).toContain(title);
    const named = [...text.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g)].map(([, name]) => name as string);
    expect(named.filter((name) => !settings.has(name) && !FOREIGN.test(name))).toEqual([]);
    const roles = new Set([...migratedRoles, ...rolesIn(text)]);
    const metrics = [...text.matchAll(/\b(sallyport_[a-z_]+|http_server_[a-z_]+)/g)].map(([, name]) => name as string);
    expect(
      metrics
        .filter((name) => !roles.has(name))
        .filter((name) => !metricNames.some((known) => name.startsWith(known) || known.startsWith(name))),
    ).toEqual([]);
  });

  test('the check finds panels, and reports one that does not exist', () => {
    expect(guides.flatMap((page) => panelsIn(textOf(page))).length).toBeGreaterThan(40);
    expect(panelsIn('_One_ and _Two_ on [a](/d/sallyport-a), _Three_ on [b](/d/sallyport-b)')).toEqual([
      { uid: 'sallyport-a', title: 'One' },
      { uid: 'sallyport-a', title: 'Two' },
      { uid: 'sallyport-b', title: 'Three' },
    ]);
  });
});

test.each(pages)('every link of %s leads to a page, and to a heading of it', (page) => {
  expect(brokenLinks(page)).toEqual([]);
});

test('the index of the documentation leads to every page', () => {
  const index = textOf('docs/README.md');
  const all = globSync(['docs/*.md', 'docs/{how-to,explanation,reference}/*.md'], { cwd: root });
  const missing = all.map((page) => page.replace('docs/', '')).filter((page) => !index.includes(`(${page})`));
  expect(missing).toEqual(['README.md']);
});

/** The text that `docker compose logs … | grep '…'` searches for, without the JSON around it: what failed; what comes next. */
const searchesIn = (page: string): string[] =>
  [...textOf(page).matchAll(/docker compose logs[^\n|]*\| grep (?:-\w+ )?'([^'<]+)'/g)].map(([, text = '']) =>
    text.replace(/^"msg":"/, '').replace(/"$/, ''),
  );

test('the product writes every log line that a runbook searches for', () => {
  const sources = globSync('{services,cli,jobs}/**/*.ts', { cwd: root, exclude: (path) => path.endsWith('.test.ts') });
  const product = sources.map(textOf).join('\n');
  const searches = guides.flatMap((page) => searchesIn(page).map((text) => ({ page, text })));
  expect(searches.length).toBeGreaterThan(5);
  expect(searches.filter(({ text }) => text.split('; ').some((part) => !product.includes(part)))).toEqual([]);
});

const folder = resolve(import.meta.dirname, '../../docs/adr');

test('the index has each decision once, with its number', () => {
  const index = readFileSync(resolve(folder, 'README.md'), 'utf8');
  const linked = [...index.matchAll(/\[(\d+)\]\((0[^)]+\.md)\)/g)].map(([, number, file]) => [Number(number), file]);
  const decisions = globSync('0*.md', { cwd: folder }).sort();
  expect(decisions.length).toBeGreaterThan(20);
  expect(linked.sort(([a], [b]) => Number(a) - Number(b))).toEqual(decisions.map((file) => [+file.slice(0, 4), file]));
});
