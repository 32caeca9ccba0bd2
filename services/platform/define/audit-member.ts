/**
 * What a member of an event's detail is. The sealed log is public and permanent, so its leaves show a value only if the
 * type lets it: all other values, and values that do not fit their type, are committed to.
 */
export type AuditMember =
  /** In the leaf if the value fits. */
  | { readonly kind: 'count' | 'flag' | 'instant' | 'id' | 'digest' | 'release' | 'log_name' }
  /** A name that our source declares: an error code, an operation, a permission, a job, a reason, … */
  | { readonly kind: 'code' }
  /** The name of a role or permission: in the leaf if our source declares it, else committed to like a name. */
  | { readonly kind: 'label' }
  /** Why something was done: in the leaf if the reason is one of ours, else committed to like a text. */
  | { readonly kind: 'reason' }
  /** Codes and scopes, separated by spaces. */
  | { readonly kind: 'scope' }
  | { readonly kind: 'one_of'; readonly values: readonly string[] }
  | { readonly kind: 'list'; readonly of: AuditMember }
  | { readonly kind: 'object'; readonly members: AuditMembers }
  /** A user's id: in the leaf if it is one of ours. The erasure of that user erases another one. */
  | { readonly kind: 'person' }
  /** Committed to, and erased with the person who acted or is concerned: a text that a caller chose. */
  | { readonly kind: 'text' }
  /** Committed to, and erased with that person: a keyed hash, a country. */
  | { readonly kind: 'personal' }
  /** Committed to, and kept when a user is erased: the name or address that a caller chose for a thing. */
  | { readonly kind: 'name' }
  /** Committed to, and kept when a user is erased: what concerns a patient (45 CFR 164.316(b)(2)(i)). */
  | { readonly kind: 'patient' };

export type AuditMembers = { readonly [member: string]: AuditMember };

export const count = { kind: 'count' } as const;
export const flag = { kind: 'flag' } as const;
/** A time of RFC 3339. */
export const instant = { kind: 'instant' } as const;
/** A UUID: the form of ids that we make. */
export const id = { kind: 'id' } as const;
/** A SHA-256. */
export const digest = { kind: 'digest' } as const;
/** The version of a release, a build or a migration. */
export const release = { kind: 'release' } as const;
export const code = { kind: 'code' } as const;
export const label = { kind: 'label' } as const;
export const reason = { kind: 'reason' } as const;
/** The name of a log, which is the first line of its checkpoints. */
export const logName = { kind: 'log_name' } as const;
export const scope = { kind: 'scope' } as const;
export const user = { kind: 'person' } as const;
export const text = { kind: 'text' } as const;
export const personal = { kind: 'personal' } as const;
export const name = { kind: 'name' } as const;
export const patient = { kind: 'patient' } as const;

export const oneOf = <const Value extends string>(...values: readonly Value[]) =>
  ({ kind: 'one_of', values }) as { readonly kind: 'one_of'; readonly values: readonly Value[] };
/** The same where the values come from a column or a setting, which may have others. */
export const known = (
  ...values: readonly string[]
): { readonly kind: 'one_of'; readonly values: readonly string[] } => ({ kind: 'one_of', values });
/** In the leaf if every element fits. */
export const listOf = <const Of extends AuditMember>(of: Of) => ({ kind: 'list', of }) as const;
/** In the leaf if every member is declared and fits. */
export const objectOf = <const Members extends AuditMembers>(members: Members) =>
  ({ kind: 'object', members }) as const;

export const counts = <const Name extends string>(...names: readonly Name[]): { readonly [N in Name]: typeof count } =>
  Object.fromEntries(names.map((each) => [each, count])) as { readonly [N in Name]: typeof count };
export const logHead = objectOf({ origin: logName, size: count, root: digest });

/** Of authorization details (RFC 9396): types and a digest, because values may be personal data. */
export const detailFacts = { detail_types: listOf(name), details_sha256: digest } as const;

/** What our code may give for a member; null and an absent one are the same to a reader. */
type ValueOf<M> = M extends { readonly kind: 'count' }
  ? number
  : M extends { readonly kind: 'flag' }
    ? boolean
    : M extends { readonly kind: 'list'; readonly of: infer Of }
      ? readonly ValueOf<Of>[]
      : M extends { readonly kind: 'object'; readonly members: infer Members }
        ? DetailOf<Members>
        : M extends { readonly kind: 'one_of'; readonly values: readonly (infer Value)[] }
          ? Value
          : M extends { readonly kind: 'name' }
            ? string | readonly string[]
            : string;

export type DetailOf<Members> = { readonly [M in keyof Members]?: ValueOf<Members[M]> | null | undefined };

/** `Given`, if it has no member that is not declared: also not by a spread, which the compiler does not check itself. */
export type Declared<Given, Members> = Given & { readonly [M in Exclude<keyof Given, keyof Members>]?: never };
