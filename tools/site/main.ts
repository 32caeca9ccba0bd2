import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { collectEndpoints } from '../catalog/collect.ts';
import { pagesOf, pagesOfRelease, type SitePage } from './pages.ts';
import { referencePages } from './reference.ts';

const HELP = `npm run docs:site [-- --from CLONE --to FOLDER]   builds the site of the documentation; serve FOLDER/html as it is

The pages are README.md, CHANGELOG.md, CONTRIBUTING.md, SECURITY.md and the Markdown of docs, sdks and examples, and the
reference of the API from the contract of this clone, which another CLONE does not get. The build fails at a link that
leads nowhere. From the second release on (prisma/releases.json) readers choose the release; the pages of earlier ones
come from their tags (v0.4.0). FOLDER is .sallyport/site unless given, and is emptied first.
`;

/** Folders of the site, by the word in its navigation. */
const SECTIONS = {
  Guides: 'how-to',
  API: 'api',
  Reference: 'reference',
  'How it works': 'explanation',
  Runbooks: 'runbooks',
  Packages: 'sdks',
  Examples: 'examples',
  Decisions: 'adr',
} as const;

const addressOf = (path: string): string => `/${path.replace(/index\.md$/, '').replace(/\.md$/, '.html')}`;

/** The pages of each section of a release, the index of a folder first. */
const sectionsOf = (pages: readonly SitePage[], release = '') =>
  Object.entries(SECTIONS).flatMap(([text, section]) => {
    const folder = `${release}${section}/`;
    const items = pages
      .filter(({ path }) => path.startsWith(folder))
      .map(({ path, title }) => ({ text: title, link: addressOf(path) }))
      .sort((a, b) => Number(b.link.endsWith('/')) - Number(a.link.endsWith('/')) || a.text.localeCompare(b.text));
    return items[0] === undefined ? [] : [{ text, folder: `/${folder}`, link: items[0].link, items }];
  });

/** `llms.txt`: every page with its Markdown and its first sentence, for programs that read. */
const llmsOf = (pages: readonly SitePage[]): string =>
  `# Sallyport\n\n${pages
    .map(({ path, title, text }) => {
      const [, sentence = title] = /^# .+\n+([A-Z].*?[.:])(?:\s|$)/m.exec(text) ?? [];
      return `- [${title}](/${path}): ${sentence.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')}`;
    })
    .join('\n')}\n`;

type Render = (source: string, options: Readonly<Record<string, unknown>>) => string;
const DIAGRAM_COLOURS = { light: { bg: '#ffffff', fg: '#1f2328' }, dark: { bg: '#23272f', fg: '#e6edf3' } };

/** Diagrams in Mermaid as pictures, of which the reader sees the one of the theme. The Markdown beside the page keeps the text. */
const withDiagrams = (text: string, render: Render, put: (path: string, picture: string) => void): string =>
  text.replaceAll(/```mermaid\n(.*?)```/gs, (_block, source: string, at: number) => {
    const [about] =
      text
        .slice(0, at)
        .match(/^#+ .+$/gm)
        ?.slice(-1) ?? [];
    const name = createHash('sha256').update(source).digest('hex').slice(0, 16);
    return Object.entries(DIAGRAM_COLOURS)
      .map(([theme, colours]) => {
        const path = `diagrams/${name}-${theme}.svg`;
        // It imports a font from elsewhere.
        put(path, render(source, { ...colours, transparent: true }).replace(/@import url\('.*?'\);/, ''));
        return `<a class="of-${theme}" href="/${path}"><img alt="Diagram: ${about?.replace(/^#+ /, '')}" src="/${path}"></a>`;
      })
      .join('\n');
  });

async function buildSite(from: string, to: string): Promise<void> {
  const releases = JSON.parse(readFileSync(join(from, 'prisma/releases.json'), 'utf8')) as { version: string }[];
  const [newest = '', ...earlier] = releases.map(({ version }) => version).toReversed();
  const [source, outDir] = [join(to, 'markdown'), join(to, 'html')];
  const ofApi = from === ROOT ? referencePages(await collectEndpoints()) : [];
  const pages = [...pagesOf(from), ...ofApi];
  const all = [...pages, ...earlier.flatMap((version) => pagesOfRelease(from, version))];
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  rmSync(to, { recursive: true, force: true });
  const generator = join(import.meta.dirname, 'rspress');
  const installed = (name: string): string => join(generator, 'node_modules', name, 'dist/index.js');
  if (!existsSync(installed('beautiful-mermaid')))
    execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: generator, stdio: ['ignore', 2, 2] });
  const { renderMermaidSVG } = (await import(installed('beautiful-mermaid'))) as { renderMermaidSVG: Render };
  const putPicture = (path: string, picture: string): void => write(join(source, 'public', path), picture);
  for (const { path, text } of all) write(join(source, path), withDiagrams(text, renderMermaidSVG, putPicture));
  cpSync(join(from, 'docs'), join(source, 'public'), { recursive: true, filter: (path) => !/\.(md|json)$/.test(path) });
  const choice = [newest, ...earlier].map((version) => ({
    text: version,
    link: version === newest ? '/' : `/${version}/`,
  }));
  const chooser = earlier.length > 0 ? [{ text: `Release ${newest}`, items: choice }] : [];
  const config = {
    root: source,
    outDir,
    title: 'Sallyport',
    description: 'Tokens that services verify offline and that are revoked within a second.',
    globalStyles: join(import.meta.dirname, 'style.css'),
    head: [
      ({ routePath: path }: { readonly routePath: string }) => [
        'link',
        { rel: 'alternate', type: 'text/markdown', href: `${path.replace(/\/$/, '/index')}.md` },
      ],
    ],
    themeConfig: {
      nav: [...sectionsOf(pages).map(({ text, folder, link }) => ({ text, link, activeMatch: folder })), ...chooser],
      sidebar: Object.fromEntries(
        ['', ...earlier.map((version) => `${version}/`)].flatMap((release) =>
          sectionsOf(all, release).map(({ text, folder, items }) => [folder, [{ text, items }]]),
        ),
      ),
    },
    builderConfig: { resolve: { alias: { flexsearch$: join(import.meta.dirname, 'search.ts') } } },
  };
  await (await import(installed('@rspress/core'))).build({ docDirectory: source, config });
  const built = new Map(
    globSync('**/*.html', { cwd: outDir }).map((path) => [`/${path}`, readFileSync(join(outDir, path), 'utf8')]),
  );
  // The theme leaves both asides without names.
  for (const [path, html] of built)
    write(join(outDir, path), html.replaceAll(/<aside (?=class="rp-doc-layout__(\w+))/g, '<aside aria-label="$1" '));
  // Rspress finds a heading that is missing only on the page of the link.
  const dead = [...built].flatMap(([path, html]) =>
    [...html.matchAll(/<a [^>]*?href="([^":]*)#([^"]+)"/g)]
      .filter(
        ([, to, id]) =>
          !built.get((to || path).replace(/\/$/, '/index.html'))?.includes(` id="${decodeURI(id ?? '')}"`),
      )
      .map(([link]) => `${path}: ${link}`),
  );
  if (dead.length > 0) throw new Error(`Dead anchors:\n${dead.join('\n')}`);
  for (const { path, text } of all) write(join(outDir, path), text);
  write(join(outDir, 'llms.txt'), llmsOf(pages));
}

const ROOT = resolve(import.meta.dirname, '../..');
const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { from: text, to: text, help: { type: 'boolean', short: 'h' } } });
if (values.help) process.stdout.write(HELP);
else await buildSite(resolve(values.from ?? ROOT), resolve(values.to ?? join(ROOT, '.sallyport/site')));
