import type { ComponentType } from 'preact';
import type { IconName } from './parts/icons.tsx';
import { inLanguages } from './texts/languages.ts';

/** Titles of the pages, as the navigation shows them. */
export const titles = inLanguages({
  en: {
    overview: 'Overview',
    people: 'People',
    person: 'Person',
  },
  de: {
    overview: 'Übersicht',
    people: 'Personen',
    person: 'Person',
  },
});
type PageName = keyof typeof titles.en;

export type Page = {
  readonly name: PageName;
  /** Below `/console`; `:id` is a part of the address. */
  readonly path: `/${string}`;
  /** Without it the API answers 403, and the navigation leaves the page out. */
  readonly permission?: string;
  /** The wing that the page belongs to. */
  readonly wing?: string;
  /** Its place in the navigation; without one it is reached from another page. */
  readonly at?: { readonly group: 'live' | 'access' | 'evidence'; readonly icon: IconName; readonly key: string };
  /** A chunk of its own, loaded when the page is opened. */
  readonly load: () => Promise<{ readonly Page: ComponentType<PageProps> }>;
};
export type PageProps = { readonly params: Readonly<Record<string, string>> };

/** Every page of the console, in the order of the navigation. The router, the navigation and the palette fold over it. */
export const pages: readonly Page[] = [
  {
    name: 'overview',
    path: '/',
    at: { group: 'live', icon: 'overview', key: 'o' },
    load: () => import('./pages/overview.tsx'),
  },
  {
    name: 'people',
    path: '/people',
    permission: 'users:read',
    at: { group: 'access', icon: 'people', key: 'p' },
    load: () => import('./pages/people.tsx'),
  },
  { name: 'person', path: '/people/:id', permission: 'users:read', load: () => import('./pages/person.tsx') },
];
