import { type Group, groupOperations, hasPage } from './fold/group.ts';
import type { Operation } from './fold/operation.ts';
import type { Resource } from './fold/resource.ts';
import { resources } from './fold/resources.ts';
import type { Parts } from './fold/sections.ts';
import { placeText } from './fold/words.ts';
import type { IconName } from './parts/icons.tsx';
import { operations } from './texts/generated/operations.ts';
import type { LanguageTag } from './texts/languages.ts';

/** A page of the console, without what shows it. The router, the navigation and the palette fold over these. */
export type Place = {
  readonly name: string;
  /** As the navigation shows it; that of a fold follows from its list. */
  readonly title?: Readonly<Record<LanguageTag, string>>;
  /** Below `/console`; `:id` is a part of the address. */
  readonly path: `/${string}`;
  /** Without it the API answers 403, and the navigation leaves the page out. */
  readonly permission?: string;
  readonly wing?: string;
  /** Its place in the navigation; without one it is reached from another page. */
  readonly at?: { readonly group: 'live' | 'access' | 'evidence'; readonly icon: IconName; readonly key?: string };
  /** The page beside which it is a view. */
  readonly beside?: string;
  /** What it is made of, where it is sections alone. */
  readonly parts?: () => Promise<{ readonly parts: Parts }>;
  /** What it is a fold over; a page made by hand has none. */
  readonly fold?: { readonly group: Group; readonly special: Resource; readonly isItem: boolean };
};

export type Fold = NonNullable<Place['fold']>;
type At = NonNullable<Place['at']>;
type Title = readonly [en: string, de: string];
const page = (name: string, path: Place['path'], [en, de]: Title, more: Partial<Place>): Place => ({
  name,
  path,
  title: { en, de },
  ...more,
});
const at = (group: At['group'], icon: IconName, key: string): { readonly at: At } => ({ at: { group, icon, key } });

/** Pages made by hand, each for a reason: what they show is no list of records with acts. */
const handMade: readonly Place[] = [
  page('overview', '/', ['Overview', 'Übersicht'], at('live', 'overview', 'o')),
  page('inspector', '/inspector', ['Token inspector', 'Token-Prüfung'], at('live', 'token', 't')),
  page('stream', '/stream', ['Live events', 'Ereignisse live'], {
    permission: 'audit:read',
    ...at('live', 'stream', 'e'),
  }),
  page('backups', '/backups', ['Backups', 'Sicherungen'], {
    permission: 'imports:read',
    wing: 'import',
    beside: 'imports',
    parts: () => import('./pages/backups-parts.ts'),
  }),
  page('verifyReport', '/compliance/verify', ['Verify a bundle', 'Ein Paket prüfen'], {
    permission: 'compliance:read',
    wing: 'compliance',
    beside: 'compliance-controls',
  }),
];

const isOf = ({ list, of }: Resource, { name, answer }: Operation): boolean =>
  list === name && (of === undefined || of === answer?.list);
const specialOf = ({ list }: Group): Resource =>
  resources.find((each) => isOf(each, list)) ?? { list: list.name, at: { group: 'live', icon: 'list' } };

/** The pages of lists and items that follow from operations. */
function foldedPlaces(groups: readonly Group[]): readonly Place[] {
  const order = ({ list }: Group): number => resources.findIndex((each) => isOf(each, list));
  return [...groups]
    .filter(({ segment }) => !handMade.some(({ name }) => name === segment))
    .sort((one, other) => order(one) - order(other))
    .flatMap((group): readonly Place[] => {
      const special = specialOf(group);
      const path = `/${special.path ?? group.segment}` as const;
      const { permission, wing } = group.list;
      const shared = { permission, ...(wing === undefined ? {} : { wing }) };
      const list = {
        ...shared,
        name: group.segment,
        path,
        ...(special.at === undefined ? {} : { at: special.at }),
        ...(special.beside === undefined ? {} : { beside: special.beside }),
        fold: { group, special, isItem: false },
      };
      const item = {
        ...shared,
        name: `${group.segment}/`,
        path: `${path}/${group.key.map((key) => `:${key}`).join('/')}` as const,
        fold: { group, special, isItem: true },
      };
      return hasPage(group, special) ? [list, item] : [list];
    });
}

const groups = groupOperations(operations);
/** Every page of the console, in the order of the navigation. */
export const places: readonly Place[] = [...handMade, ...foldedPlaces(groups)];

/** The page of a list by its part of `/v1/admin`. */
export const placeOf = (segment: string): Place | undefined => places.find(({ name }) => name === segment);
export const hrefOf = ({ path }: Place): string => `/console${path === '/' ? '' : path}`;

/** The title of a page, as the navigation shows it. */
export const titleOf = ({ name, title, fold }: Place, language: LanguageTag): string =>
  title?.[language] ?? placeText(fold?.group.segment ?? name, fold?.isItem ? 'one' : 'many', language);

export const isOpen = (
  { permission, wing }: Place,
  permissions: readonly string[],
  leftOut: readonly string[],
): boolean => (permission === undefined || permissions.includes(permission)) && !leftOut.includes(wing ?? '');

/** Views that were part of another page, and folders that were renamed: people keep their addresses. */
const FORMER: Readonly<Record<string, string>> = {
  '/console/queues?show=schedule': '/console/schedules',
  '/console/queues/dead/': '/console/dead-letters/',
  '/console/alerts?show=targets': '/console/alert-targets',
  '/console/alerts?show=silences': '/console/silences',
  '/console/alerts/targets/': '/console/alert-targets/',
  '/console/imports?show=backups': '/console/backups',
  '/console/signals?show=transmitters': '/console/signal-transmitters',
  '/console/signals?show=received': '/console/signals',
  '/console/signals?show=siem': '/console/siem',
};

/** The address of now for a former one; undefined for any other. */
export function movedTo(address: string): string | undefined {
  const folder = Object.keys(FORMER).find((each) => each.endsWith('/') && address.startsWith(each)) ?? address;
  return FORMER[folder] && FORMER[folder] + address.slice(folder.length);
}
