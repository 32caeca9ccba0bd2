import type { Module } from '#services/core/module.ts';
import { modules } from '#services/modules.ts';
import { moduleLine } from './architecture.ts';

const line = moduleLine();
const isOfCore = ({ name }: Module): boolean => line.includes(name);
const ofWings = modules.filter((module) => !isOfCore(module)).sort((a, b) => (a.name < b.name ? -1 : 1));
const wings = [...new Set(ofWings.map(({ name }) => name.replace(/\/.*/, '')))];

/** As the formatter of pages by hand aligns a table. */
function sentences(of: readonly Module[]): string {
  const rows = [['module', 'what it does'], ...of.map(({ name, sentence }) => [`\`${name}\``, sentence])];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const [head = '', ...lines] = rows.map(
    (row) => `| ${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [head, rule, ...lines].join('\n');
}

/** @throws if the page no longer has the words around the list */
const within = (before: string, list: string, after: string) => (page: string) => {
  const start = page.indexOf(before) + before.length;
  const end = page.indexOf(after, start);
  if (!page.includes(before) || end < 0) throw new Error(`no list of modules between "${before}" and "${after}"`);
  return page.slice(0, start) + list + page.slice(end);
};

/** Pages by hand that name every module: each with the function that writes the list anew. */
export const MODULE_LISTS: Readonly<Record<string, (page: string) => string>> = {
  'README.md': (page) =>
    within(
      'an installation can do without: ',
      wings.join(', '),
      '\n',
    )(within('in modules: ', line.join(' ← '), '\n')(page)),
  'CONTRIBUTING.md': (page) =>
    within(
      'an installation can do without: ',
      wings.map((name) => `\`${name}\``).join(', '),
      '. A wing',
    )(within('only modules to its left:\n\n', `\`${line.join(' ← ')}\``, '\n')(page)),
  'docs/explanation/features.md': (page) =>
    within(
      'in `services/wings`:\n\n',
      `${sentences(ofWings)}\n`,
      '\nThe [module graph]',
    )(within('in `services/core`:\n\n', `${sentences(modules.filter(isOfCore))}\n`, '\nAnd in')(page)),
};
