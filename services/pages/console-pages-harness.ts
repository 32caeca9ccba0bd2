// For tests only: the pages of the console, as they are walked in a browser.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Group } from '#console/src/fold/group.ts';
import { placeWords } from '#console/src/texts/generated/operations.ts';

type Place = {
  readonly name: string;
  readonly path: string;
  readonly fold?: { readonly group: Pick<Group, 'creates'> };
};
// Of the browser's sources, which the compiler of the server does not read.
const { places, titleOf } = (await import(
  pathToFileURL(resolve(import.meta.dirname, '../../console/src/places.ts')).href
)) as { readonly places: readonly Place[]; readonly titleOf: (place: Place, language: 'en' | 'de') => string };

type View = { readonly path: string; readonly en: string; readonly de: string };
const ownTitle = (path: string, en: string, de = en): View => ({ path, en, de });
const viewOf = (place: Place): View =>
  ownTitle(`/console${place.path === '/' ? '' : place.path}`, titleOf(place, 'en'), titleOf(place, 'de'));
/** A page of one item, which another test opens, has no view of its own. */
const lists = places.filter(({ path }) => !path.includes(':'));

/**
 * Every view of an installation in use: its address, and its title in both languages.
 * `{name}` is the id or title of a row that the test wrote. Lists follow from the pages themselves.
 */
export const PAGES: readonly View[] = [
  ...lists.filter(({ name }) => !['agents', 'handoff-signoffs', 'verifyReport'].includes(name)).map(viewOf),
  ownTitle('/console/clients/{client}', '{application}'),
  ownTitle('/console/people/{person}', '{email}'),
  ownTitle('/console/roles/auditor', 'auditor'),
  ownTitle('/console/incidents/{incident}', 'Credential stuffing', 'Durchprobieren von Zugangsdaten'),
  ownTitle('/console/alert-targets/{target}', '{target_name}'),
  ownTitle('/console/dead-letters/logout/{letter}', 'send-logout-tokens'),
  ownTitle('/console/imports/{import}', 'clerk'),
  ownTitle('/console/keys/{key}', '{key}'),
  ownTitle('/console/compliance/backups-recent', 'The newest backup is less than a day old'),
  ownTitle('/console/audit/{event}', '{event_type}'),
];

type NewPage = {
  readonly path: string;
  readonly title: string;
  readonly none?: string;
  readonly first?: { readonly command: string } | { readonly button: string };
};

/** What is special about pages of a new installation: those made by hand, and lists that are not empty. */
const SPECIAL: Readonly<Record<string, Omit<NewPage, 'path' | 'title'>>> = {
  overview: { none: 'No worker has reported yet' },
  stream: { none: 'Waiting for the next event' },
  backups: { none: 'No restore was rehearsed yet', first: { command: 'sallyport backup --out' } },
  'api-keys': { none: 'There is no API key yet', first: { command: 'sallyport api-keys create' } },
  'signal-streams': { none: 'No system receives signals', first: { command: 'sallyport clients create' } },
};
/** Lists that have rows from the start. */
const FULL = ['users', 'sessions', 'clients', 'job-queues', 'keys', 'roles', 'compliance-controls'];

/** What a list of a new installation says, and the button that makes the first item. */
function saidBy({ name, fold }: Place): Omit<NewPage, 'path' | 'title'> {
  if (fold === undefined) return {};
  const [create] = fold.group.creates;
  const button = create?.says?.en[0];
  const none = placeWords[name]?.none?.[0];
  return {
    ...(FULL.includes(name) || none === undefined ? {} : { none }),
    ...(button === undefined ? {} : { first: { button } }),
  };
}

/**
 * Every view of a new installation, which has one administrator and no worker. `none` is the title of what stands in place
 * of the content, `first` the command or button that makes the first one, if people make it.
 */
export const NEW_PAGES: readonly NewPage[] = [
  ...lists.map((place) => ({
    path: place.path === '/' ? '' : place.path,
    title: titleOf(place, 'en'),
    ...saidBy(place),
    ...SPECIAL[place.name],
  })),
  { path: '/audit?type=session.ended', title: 'Audit log', none: 'Nothing matches' },
  { path: '/signoffs?state=', title: 'Sign-offs', none: 'Nothing is here yet' },
];
