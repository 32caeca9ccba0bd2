import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** A page of the site: where its Markdown lies there, and its title. */
export type SitePage = { readonly path: string; readonly title: string; readonly text: string };

const SOURCES = ['{README,CHANGELOG,CONTRIBUTING,SECURITY}.md', 'docs/**/*.md', '{sdks,examples}/{,*/}*.md'];
const PICTURES = 'docs/**/*.{svg,webp}';
/** Both would otherwise be the first page. */
const MOVED: Readonly<Record<string, string>> = { 'README.md': 'overview.md', 'docs/README.md': 'contents.md' };

const placeOf = (path: string): string =>
  MOVED[path] ??
  path
    .replace(/^docs\//, '')
    .replace(/README\.md$/, 'index.md')
    .replace(/^[A-Z]+\.md$/, (name) => name.toLowerCase());

const CODE = /^( *)```[\s\S]*?^\1```|`[^`\n]+`/gm;
const LINK = /(!?)\[([^\]]*)\]\(([^)\s]+)\)/g;

/**
 * Markdown whose links lead to pages and pictures of the site.
 * @param placed where the site has files of the repository
 * @param isLeftOut whether a link is shown as its label, because it leads to a file that is no page
 */
export function withLinks(
  text: string,
  from: string,
  placed: ReadonlyMap<string, string>,
  isLeftOut: (target: string) => boolean,
): string {
  const codes: string[] = [];
  return text
    .replaceAll(CODE, (code) => `\0${codes.push(code) - 1}\0`)
    .replaceAll(/(src|srcset)="docs\/([^"]+)"/g, '$1="/$2"')
    .replaceAll(LINK, (link, picture: string, label: string, target: string) => {
      const [path = '', ...anchor] = target.split(/(?=#)/);
      const place = placed.get(join(dirname(from), path));
      if (/^(?:[a-z]+:|#)/.test(target)) return link;
      if (place === undefined) return isLeftOut(target) ? label : link;
      const address = picture ? `/${place}` : relative(dirname(placed.get(from) as string), place);
      return `${picture}[${label}](${address.replace(/^\w/, './$&')}${anchor})`;
    })
    .replaceAll(/\0(\d+)\0/g, (_, index: string) => codes[Number(index)] as string);
}

/** The first page: what it is for, two pictures, one line to start. */
function firstPage(readme: string): SitePage {
  const [, command] = /\n## Start\n+```sh\n([^#\n]+)/.exec(readme) ?? [];
  const pictures = [...readme.matchAll(/alt="([^"]+)" src="docs(\/pictures\/[^"]+)-light\.webp"/g)]
    .flatMap(([, alt, path]) => [
      `class="of-light" alt="${alt}" src="${path}-light`,
      `class="of-dark" alt="${alt}" src="${path}-dark`,
    ])
    .map((picture) => `<img ${picture}.webp" width="49%">`);
  const text = `# Sallyport

Sallyport signs in users, applications and agents, and gives them tokens that any service verifies offline and that you revoke within a second.

${pictures.join('\n')}

In a clone, with Node 20 or newer:

\`\`\`sh
${command?.trim()}
\`\`\`

Then take [the five-minute tour](./overview.md), or find [a page by what you want to do](./contents.md).
`;
  return { path: 'index.md', title: 'Sallyport', text };
}

/** The pages that the Markdown of a clone makes. @param root its folder */
export function pagesOf(root: string): SitePage[] {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  const files = globSync(SOURCES, { cwd: root, exclude: (path) => path.includes('node_modules') }).sort();
  const placed = new Map([...files, ...globSync(PICTURES, { cwd: root })].map((path) => [path, placeOf(path)]));
  const pages = files.map((from) => {
    // An address that begins with / is one of Grafana.
    const isLeftOut = (target: string): boolean =>
      target.startsWith('/') || existsSync(join(root, dirname(from), target.split('#')[0] as string));
    const text = withLinks(read(from), from, placed, isLeftOut);
    return { path: placeOf(from), title: (/^# (.+)$/m.exec(text)?.[1] ?? from).replaceAll(/[`*]/g, ''), text };
  });
  return [firstPage(read('README.md')), ...pages];
}

/** The pages of an earlier release, from its tag: in a folder of its name, and not searched. */
export function pagesOfRelease(root: string, version: string): SitePage[] {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-site-'));
  try {
    const archive = execFileSync('git', ['archive', `v${version}`], { cwd: root, maxBuffer: 2 ** 28 });
    execFileSync('tar', ['-x', '-C', folder], { input: archive });
    const unsearched = (text: string): string => `---\nsearch: false\n---\n\n${text}`;
    return pagesOf(folder).map(({ path, title, text }) => ({
      path: `${version}/${path}`,
      title,
      text: unsearched(text),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
