import type { LanguageTag } from '../texts/in-languages.ts';

/**
 * Where the operations of administrators are: what is below has pages here, unless it is for people or callers themselves.
 * A longer path is before its beginning. Dead letters of hand-offs are among those of their queue.
 */
export const COLLECTIONS = [
  '/v1/admin/clients/refusals',
  '/v1/admin/',
  '/v1/audit/events',
  '/v1/compliance/',
  '/v1/handoff/signoffs',
  '/v1/keys',
  '/v1/siem/',
] as const;
/** The parts of a path that name the kind of thing, and those after them. */
function split(path: string) {
  const parts = path.split('/');
  const end = COLLECTIONS.find((each) => path.startsWith(each))?.split('/').length;
  return { kind: parts.slice(2, end), rest: parts.slice(end) };
}
/** `/v1/admin/clients/{client_id}` → `clients`, `/v1/siem/targets` → `siem-targets`, `/v1/keys/rotate` → `keys`. */
export const segmentOf = (path: string): string =>
  split(path)
    .kind.join('-')
    .replace(/^admin-/, '');
/** The parts of the path after `/v1/admin/clients`. */
export const restOf = ({ path }: Operation): readonly string[] => split(path).rest;

/** A member of a request or an answer, as a form, a filter or a page shows it. */
export type Shape = {
  readonly kind: 'text' | 'number' | 'yes' | 'choice' | 'time' | 'id' | 'list' | 'object' | 'any';
  readonly required?: true;
  readonly nullable?: true;
  readonly min?: number;
  readonly max?: number;
  readonly initially?: unknown;
  readonly choices?: readonly string[];
  readonly of?: Shape;
  readonly members?: Members;
  /** A file that is chosen: its text, or a picture. */
  readonly file?: 'text' | 'png';
};
export type Members = Readonly<Record<string, Shape>>;

type Says = Readonly<Record<LanguageTag, readonly [verb: string, lead: string]>>;

/** An operation of administrators, as its contract says it. */
export type Operation = {
  /** `POST /v1/admin/clients` */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** The kind of thing: `clients`. */
  readonly segment: string;
  readonly wing?: string;
  readonly permission: string;
  /** Whether it asks for a recent sign-in. */
  readonly stepUp?: true;
  /** Whether it honours an Idempotency-Key. */
  readonly keyed?: true;
  readonly reason?: 'body' | 'query';
  readonly sends?: 'body' | 'query';
  /** Whether it ends or takes away something. */
  readonly ends?: true;
  readonly says?: Says;
  readonly params: readonly string[];
  readonly members: Members;
  readonly answer?: { readonly list?: string; readonly paged?: true; readonly members: Members };
  /** What says what it would do, before it is done, and what that says. */
  readonly rehearsal?: { readonly name: string; readonly says: Says; readonly members: Members };
  /** The ending of the file that it answers. */
  readonly file?: string;
  /** Members that only its answer shows, such as a new secret. */
  readonly once?: readonly string[];
  /** `clients update {client_id}`, and the options of the other members. */
  readonly command?: {
    readonly verb: string;
    readonly members: Readonly<Record<string, string>>;
    readonly reason?: true;
  };
};

/** Words by name, in English and German, with what helps to fill it in. */
export type Words = Readonly<Record<string, readonly [en: string, de: string, helpEn?: string, helpDe?: string]>>;

/** An item of a list, by the names on the wire. */
export type Item = Readonly<Record<string, unknown>>;
