import type { ComponentChildren, ComponentType } from 'preact';
import type { OperationName } from '../../../sdks/client/src/index.ts';
import type { Answer } from '../data/api.ts';
import type { IconName } from '../parts/icons.tsx';
import type { Option } from '../parts/picker.tsx';
import type { LanguageTag } from '../texts/languages.ts';
import type { COLLECTIONS, Item } from './operation.ts';
import type { Parts } from './sections.ts';

type ItemIn<A, L extends keyof A> = { [K in L]: A[K] extends readonly (infer I)[] ? I : never }[L];
type ListName = {
  [N in OperationName]: N extends `GET ${(typeof COLLECTIONS)[number]}${string}` ? N : never;
}[OperationName];

type InRow = ComponentType<{ readonly item: Item }>;
export type Above = ComponentType<{ readonly answer: Item }>;
/** What members of the query may be, where their contract does not say it. */
export type Choices = Readonly<Record<string, (language: LanguageTag) => readonly Option[]>>;

/** What is special about a resource; what is left out follows from the contracts of its operations. */
export type Resource = {
  /** Its list, `GET /v1/admin/clients`, or one of an item. */
  readonly list: string;
  /** Which list of the answer, where that has several. */
  readonly of?: string;
  /** Its address below `/console`, by default its part of the API's. */
  readonly path?: string;
  readonly at?: { readonly group: 'live' | 'access' | 'evidence'; readonly icon: IconName; readonly key?: string };
  /** The list beside which it stands instead of the navigation. */
  readonly beside?: string;
  /** Whether each item has a page though none of its operations asks for one. */
  readonly page?: true;
  /** Members in a row: the title first; `check.ended_at` is a member of a member. */
  readonly row?: readonly string[];
  /** What an item is called, where no member says it. */
  readonly title?: (item: never, word: (value: string) => string) => string;
  readonly badges?: readonly string[];
  /** How many of how many there are, as a badge. */
  readonly counted?: (item: never) => readonly [count: number, of: number];
  /** What a filter is set to until the reader sets it. */
  readonly begins?: Readonly<Record<string, string>>;
  /** Members that its parts show. */
  readonly elsewhere?: readonly string[];
  /** Which acts an item allows, as long as the API says so: others are not offered. */
  readonly when?: Readonly<Record<string, (item: never) => boolean>>;
  /** Members that say what an act affects, and the kind of whom its reach is counted. */
  readonly blast?: readonly string[];
  readonly reach?: 'user_id' | 'client_id' | 'session_id';
  /** Fields that stay in sight where there are many. */
  readonly first?: readonly string[];
  /** Acts of others that begin at an item, with what their form begins with. */
  readonly also?: Readonly<Record<string, (item: never) => Item>>;
  /** Sealed events of an item. */
  readonly events?: 'target' | 'client';
  /** Lists of other things that an item shows, by the filter that names it: `{ sessions: 'user_id' }`. */
  readonly lists?: Readonly<Record<string, string>>;
  /** Where a row leads whose item has no page. */
  readonly leads?: (item: never) => string | undefined;
  /** Types of events that say what ended items, which are in the list no more. */
  readonly ended?: readonly string[];
  /** Milliseconds after which a list or an item is read again. */
  readonly every?: number;
  /** The command that makes the first one, where no write of administrators does. */
  readonly firstCommand?: string;
  /** What its page shows besides what follows from its contract. */
  readonly parts?: () => Promise<{ readonly parts: Parts }>;
  /** What its list shows above the rows, of the whole answer. */
  readonly above?: () => Promise<{ readonly Above: Above }>;
  /** What a row shows over its whole width. */
  readonly inRow?: () => Promise<{ readonly InRow: InRow }>;
  /** A row that is not made of members. */
  readonly asRow?: () => Promise<{ readonly AsRow: InRow }>;
  /** What its page shows around its members. */
  readonly around?: () => Promise<{
    readonly Around: ComponentType<{ readonly item: Item; readonly children: ComponentChildren }>;
  }>;
  readonly choices?: () => Promise<{ readonly choices: Choices }>;
};

type Within<K extends string, V> = V extends readonly unknown[]
  ? never
  : V extends object
    ? `${K}.${keyof V & string}`
    : never;
/** Names of members, and of members of those. */
type Paths<T> = readonly { [K in keyof T & string]: K | Within<K, NonNullable<T[K]>> }[keyof T & string][];
type Own = 'list' | 'of' | 'title' | 'row' | 'badges' | 'counted' | 'elsewhere' | 'when' | 'blast' | 'also' | 'leads';
/** Members of what reads one item of a list. */
type InDetail<N extends string> = {
  [O in OperationName]: O extends `${N}/{${string}}` ? keyof Answer<O> & string : never;
}[OperationName];
type Typed<L, I, D> = Omit<Resource, Own> & {
  readonly of?: L;
  readonly title?: (item: I, word: (value: string) => string) => string;
  readonly row?: Paths<I>;
  readonly badges?: readonly (keyof I & string)[];
  readonly counted?: (item: I) => readonly [count: number, of: number];
  readonly elsewhere?: readonly ((keyof I & string) | D)[];
  readonly blast?: readonly (keyof I & string)[];
  readonly when?: { readonly [A in OperationName]?: (item: I & Item) => boolean };
  readonly also?: { readonly [A in OperationName]?: (item: I) => Item };
  readonly leads?: (item: I) => string | undefined;
};

/**
 * Says what is special about a resource. Its list, its pages, its acts and their forms follow from the contracts.
 * @example resource('GET /v1/admin/roles', { row: ['name', 'description'], badges: ['built_in'] })
 */
export const resource = <N extends ListName, L extends keyof Answer<N> = keyof Answer<N>>(
  list: N,
  special: Typed<L, ItemIn<Answer<N>, L>, InDetail<N>>,
): Resource => ({ ...special, list }) as Resource;
