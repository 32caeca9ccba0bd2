import { modules } from '#services/modules.ts';
import { moduleLine } from './architecture.ts';
import { table } from './pages.ts';

const line = moduleLine();
const core = modules.filter(({ name }) => line.includes(name));
const ofWings = modules.filter(({ name }) => !line.includes(name));
const wings = [...new Set(ofWings.map(({ name }) => name.replace(/\/.*/, '')))].sort();
const sentences = (of: typeof modules): string =>
  `${table(
    ['module', 'what it does'],
    [...of].map(({ name, sentence }) => [`\`${name}\``, sentence]),
  )}\n`;

/** Pages by hand that name every module: where each list stands, and the list. */
const LISTS: readonly (readonly [page: string, place: RegExp, list: string])[] = [
  ['README.md', /(?<=in modules: ).+/, line.join(' ← ')],
  ['README.md', /(?<=an installation can do without: ).+/, wings.join(', ')],
  ['CONTRIBUTING.md', /(?<=only modules to its left:\n\n).+/, `\`${line.join(' ← ')}\``],
  ['CONTRIBUTING.md', /(?<=an installation can do without: ).+?(?=\.)/, wings.map((name) => `\`${name}\``).join(', ')],
  ['docs/explanation/features.md', /(?<=in `services\/core`:\n\n)(?:\|.*\n)+/, sentences(core)],
  ['docs/explanation/features.md', /(?<=in `services\/wings`:\n\n)(?:\|.*\n)+/, sentences(ofWings)],
];
export const LISTED_IN: readonly string[] = [...new Set(LISTS.map(([page]) => page))];

/** The page with its lists as they are. @throws if it has lost the place of one */
export const withModules = (path: string, text: string): string =>
  LISTS.filter(([page]) => page === path).reduce((written, [, place, list]) => {
    if (!place.test(written)) throw new Error(`${path} has no list of modules at ${place}`);
    return written.replace(place, () => list);
  }, text);
