import type { OperationName } from '../../../sdks/client/src/index.ts';
import type { Answer } from '../data/api.ts';
import type { Ref } from '../parts/ref.tsx';
import { type InLanguages, inLanguages, type LanguageTag, type Texts } from '../texts/in-languages.ts';
import type { Item } from './operation.ts';

/** What a section shows, in this order; only what is set. */
/** A text, or what is said in English alone, after a word of the page. */
export type Said = string | { readonly word: string; readonly english: string };

export type Section = {
  /** With a title it is a card. */
  readonly title?: string;
  /** Set off as a note. */
  readonly tone?: 'good' | 'warn' | 'plain';
  readonly strong?: string | undefined;
  /** The act that helps, beside what is said strongly. */
  readonly act?: {
    readonly does: OperationName;
    readonly params: Readonly<Record<string, string>>;
    readonly name: string;
    readonly reach: Readonly<Record<string, string>>;
  };
  readonly says?: readonly Said[];
  /** Text, or somebody by name, after its label. */
  readonly facts?: readonly (readonly [label: string, value: string | Parameters<typeof Ref>[0]])[];
  readonly steps?: readonly (readonly [title: Said, ...lines: Said[]])[];
  readonly json?: unknown;
  readonly copy?: readonly [label: string, text: string];
  /** How far something is, of 100, after its label. */
  readonly progress?: readonly [label: string, of100: number];
  readonly link?: { readonly text: string; readonly href: string; readonly isButton?: true };
  readonly command?: readonly string[];
  /** A file of the API to save, in one of its forms. */
  readonly file?: {
    readonly path: `/v1/${string}`;
    readonly name: string;
    readonly accept: string;
    readonly label: string;
  };
  /** The bundle of a report, which this browser verifies. */
  readonly bundle?: `/v1/${string}`;
  readonly none?: readonly [title: string, why: string];
  /** Items of the page of a list: those that a filter finds, or some of them. For readers of that page. */
  readonly list?: {
    readonly of: string;
    readonly by?: Readonly<Record<string, string>>;
    readonly only?: (item: Item) => boolean;
  };
};
/** What another operation answers, as sections below one title. */
export type Asked = {
  readonly title: string;
  readonly reads: string;
  readonly path: Readonly<Record<string, string>>;
  readonly shows: (answer: never) => Section | readonly Section[];
};

/** Declares sections of what another operation answers. */
export const asked = <N extends OperationName>(
  title: string,
  reads: N,
  path: Asked['path'],
  shows: (answer: Answer<N>) => Section | readonly Section[],
): Asked => ({ title, reads, path, shows: shows as Asked['shows'] });

/** The reader of a page: the language, and what is open to this person. */
type Reader<T extends Texts = Texts> = {
  readonly texts: { readonly [K in keyof T]: string };
  readonly language: LanguageTag;
  readonly word: (value: string) => string;
  readonly can: (permission: string) => boolean;
};
type Sections<I, T extends Texts> = (item: I, reader: Reader<T>) => readonly (Section | Asked)[];

/** What a page shows besides what follows from contracts: texts, and sections before and after the rest. */
export type Parts = {
  readonly texts: InLanguages<Texts>;
  readonly above?: Sections<Item, Texts>;
  readonly below?: Sections<Item, Texts>;
};

/** Declares the parts of a page, as values: which sections an item has for a reader. */
export const partsOf =
  <I>() =>
  <T extends Texts>(
    texts: InLanguages<T>,
    parts: { readonly above?: Sections<I, T>; readonly below?: Sections<I, T> },
  ): Parts =>
    ({ texts: inLanguages(texts), ...parts }) as Parts;
