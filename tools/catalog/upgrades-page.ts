import type { Migration, Release } from '#services/platform/postgres/migration-files.ts';
import { page, table } from './pages.ts';

/** The part of CHANGELOG.md between two headings of a level, without the headings; '' without the first. */
function sectionOf(text: string, level: '##' | '###', isHeading: (title: string) => boolean): string {
  const parts = text.split(new RegExp(`^${level} `, 'm'));
  const found = parts.slice(1).find((part) => isHeading(part.split('\n', 1)[0] as string));
  return found === undefined ? '' : found.slice(found.indexOf('\n') + 1).trim();
}

/** Links of a page at the root, as a page of docs/reference has them. */
const fromHere = (text: string): string =>
  text.replaceAll(/\]\((?!\w+:|#)(docs\/)?/g, (_link, docs?: string) => (docs ? '](../' : '](../../'));

const backOf = ({ down, holds }: Migration): string =>
  'because' in down
    ? `stays: ${down.because}`
    : ['taken back', ...holds.map(({ because }) => `not if ${because}`)].join('; ');

function upgradeTo(
  release: Release,
  before: Release | undefined,
  migrations: readonly Migration[],
  changelog: string,
): string {
  const { version, migration } = release;
  const own = migrations.filter(({ name }) => name <= migration && (before === undefined || name > before.migration));
  const isNamed = (title: string): boolean => title.startsWith(`[${version}]`);
  const changes =
    sectionOf(changelog, '##', isNamed) || sectionOf(changelog, '##', (title) => title === '[Unreleased]');
  const acts = (['Changed', 'Removed'] as const)
    .map((name) => [name, sectionOf(changes, '###', (title) => title === name)])
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `### ${version}: ${name?.toLowerCase()}\n\n${fromHere(text as string)}`);
  const from = before
    ? `From ${before.version}: try it with \`npx sallyport upgrade check ${version}\`, then [upgrade](../how-to/upgrade-and-roll-back.md#upgrade).`
    : 'The first release. [A database from before it](../how-to/upgrade-and-roll-back.md#a-database-from-before-the-first-release) is adopted, or refused with the reason.';
  const rows = own.map((one) => [`\`${one.name}\``, one.phase, one.isTransactional ? 'yes' : 'no', backOf(one)]);
  return [`## ${version}`, from, table(['migration', 'phase', 'in one transaction', 'way back'], rows), ...acts].join(
    '\n\n',
  );
}

/** What each version changes in the database and for those who use it, the newest first. */
export const upgradesPage = (
  releases: readonly Release[],
  migrations: readonly Migration[],
  changelog: string,
): string =>
  page(
    'Upgrades',
    'What each version changes in the database, and what those who use it must look at. Versions come from `prisma/releases.json`, the rest from the migrations and from [the changelog](../../CHANGELOG.md). [How to upgrade, and go back](../how-to/upgrade-and-roll-back.md).',
    releases
      .map((release, at) => upgradeTo(release, releases[at - 1], migrations, changelog))
      .toReversed()
      .join('\n\n'),
  );
