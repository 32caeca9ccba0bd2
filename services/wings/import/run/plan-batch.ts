import type { ImportMap } from '../import-shapes.ts';
import { type CheckedUser, sha256Of, shownValue } from './check-user.ts';
import { canBeOwnId, spellingsOf } from './own-ids.ts';
import { type AddressOwner, isJoinable, joined, type Person, personOf, WITHOUT_ROWS } from './person.ts';
import type { Notice } from './trim-user.ts';

/** A record of a batch: its place among all records, its line, and the user or why there is none. */
export type BatchRecord = { readonly record: number; readonly line: number } & (
  | { readonly user: CheckedUser }
  | { readonly reason: string; readonly value: string }
);

export type KnownUser = {
  readonly legacy_id: string;
  /** Null: deleted here. */
  readonly user_id: string | null;
  readonly content_sha256: string | null;
  readonly email_sha256: string | null;
  readonly password_sha256: string | null;
  /** Whether the password here is the imported one: neither the user nor an administrator has changed it since. */
  readonly is_password_imported: boolean;
  readonly has_password: boolean;
  /** Whether the import found before that the second factor there could not be brought. */
  readonly factors_lost: boolean;
  readonly has_factor: boolean;
  readonly email: string | null;
  readonly is_disabled: boolean;
  /** Whether another row of the source is the user's first. */
  readonly is_joined: boolean;
  /** Whether the source had verified the address. */
  readonly was_verified: boolean;
};

export type Found = {
  readonly known: ReadonlyMap<string, KnownUser>;
  /** Administrators here who are not disabled, if a record of the batch is disabled. */
  readonly admins: ReadonlySet<string>;
  readonly owners: ReadonlyMap<string, AddressOwner>;
  /** Ids of the batch, in every spelling, that a user, or a client, has. */
  readonly takenIds: ReadonlySet<string>;
  /** Who has a social account, by `accountKey`. */
  readonly accounts: ReadonlyMap<string, string>;
  /** Users of the source who are one person with who asked for the import, and would get a role of sign-off. */
  readonly selfGranted: ReadonlySet<string>;
  /** People of the batches before, which a rehearsal has not written. */
  readonly earlier?: (email: string) => Person | undefined;
};

export type NewUser = { readonly id: string; readonly user: CheckedUser; readonly record: BatchRecord };
export type ChangedUser = NewUser & {
  readonly setsEmail: boolean;
  readonly setsPassword: boolean;
  readonly disables: boolean;
  /** Whether the user enrols a second factor before the next session, unless one is here. */
  readonly owesFactor: boolean;
  readonly isJoined: boolean;
};
type LinkedUser = { readonly id: string; readonly user: CheckedUser };
/** Another row of a person who is here. */
type JoinedUser = LinkedUser & {
  /** Whether the account is not the import's to change. */
  readonly isLinked: boolean;
  readonly setsPassword: boolean;
};
export type Reject = {
  readonly record: number;
  readonly line: number;
  readonly reason: string;
  readonly value: string;
};

export type LineNotice = Notice & Omit<Reject, 'reason'> & { readonly place: number };

/** What the users of a plan are imported without, in the order of the file. */
export const noticesOf = ({ created, changed }: Pick<BatchPlan, 'created' | 'changed'>): LineNotice[] =>
  [...created, ...changed.map(withoutOldLosses)]
    .sort((one, other) => one.record.record - other.record.record)
    .flatMap(({ user, record: { record, line } }) =>
      user.notices.map(({ notice, member }, place) => ({
        record,
        place,
        line,
        notice,
        member: shownValue(member),
        value: shownValue(user.email),
      })),
    );

/** A factor that was lost before, or that the user replaced here, is not lost now. */
const withoutOldLosses = ({ user, record, owesFactor }: ChangedUser): Pick<NewUser, 'user' | 'record'> => ({
  record,
  user: owesFactor ? user : { ...user, notices: user.notices.filter(({ notice }) => notice !== 'factor_lost') },
});

export type BatchPlan = {
  readonly created: readonly NewUser[];
  readonly changed: readonly ChangedUser[];
  readonly linked: readonly LinkedUser[];
  readonly joined: readonly JoinedUser[];
  /** By address: people of the source who got it, or another row, in this batch. */
  readonly people: ReadonlyMap<string, Person>;
  readonly same: number;
  readonly rejects: readonly Reject[];
};

export const accountKey = ({ provider, subject }: { readonly provider: string; readonly subject: string }): string =>
  `${provider}\0${subject}`;

/**
 * Whether address and hash are both others than the ones imported: then nothing shows that the record is the same person
 * still, and not another one with a colliding id.
 */
const isReplaced = (user: CheckedUser, known: KnownUser): boolean =>
  user.emailSha256 !== known.email_sha256 && user.passwordSha256 !== known.password_sha256;

/** Decides what becomes of each record of a batch; writes nothing. */
export function planBatch(
  records: readonly BatchRecord[],
  found: Found,
  { ids, same_person: samePerson = [] }: Pick<ImportMap, 'ids' | 'same_person'>,
  newId: () => string,
): BatchPlan {
  const created: NewUser[] = [];
  const changed: ChangedUser[] = [];
  const linked: LinkedUser[] = [];
  const joins: JoinedUser[] = [];
  const people = new Map<string, Person>();
  const rejects: Reject[] = [];
  const accounts = new Map(found.accounts);
  const confirmed = new Set(samePerson);
  const taken = new Set(found.takenIds);
  const admins = new Set(found.admins);
  let same = 0;

  const decide = (record: BatchRecord, user: CheckedUser): string | null => {
    const known = found.known.get(user.legacy_id);
    if (known !== undefined) {
      if (known.user_id === null) return 'deleted_here';
      if (known.content_sha256 === user.contentSha256) {
        same += 1;
        return null;
      }
    }
    const person = known === undefined ? personWith(user.email) : undefined;
    if (person !== undefined && !isJoinable(person, user)) return 'email_duplicate';
    const id = known?.user_id ?? person?.id ?? null;
    if (user.accounts.some((account) => (accounts.get(accountKey(account)) ?? id) !== id)) return 'account_conflict';
    if (person !== undefined) return join(person, user);
    if (id === null || known === undefined) return add(record, user);
    if (known.email_sha256 !== null) return change(record, id, user, known);
    // An account that was only linked is not the import's to change.
    linked.push({ id, user });
    return null;
  };

  const personWith = (email: string): Person | undefined => {
    const owner = found.owners.get(email);
    const here = owner?.is_known ? personOf(owner) : undefined;
    const earlier = found.earlier?.(email);
    return people.get(email) ?? (earlier && { ...earlier, id: owner?.user_id ?? earlier.id }) ?? here;
  };

  const join = (person: Person, user: CheckedUser): string | null => {
    const { id, isLinked, hasPassword } = person;
    if (!isLinked && found.selfGranted.has(user.legacy_id)) return 'role_self_grant';
    if (!isLinked) for (const account of user.accounts) accounts.set(accountKey(account), id);
    joins.push({ id, user, isLinked, setsPassword: !isLinked && !hasPassword && user.password_hash !== null });
    people.set(user.email, joined(person, user));
    return null;
  };

  const add = (record: BatchRecord, user: CheckedUser): string | null => {
    const owner = found.owners.get(user.email);
    if (owner !== undefined) return link(owner, user);
    if (found.selfGranted.has(user.legacy_id)) return 'role_self_grant';
    const spellings = spellingsOf(user.legacy_id);
    const isFree = ids === 'keep' && canBeOwnId(user.legacy_id) && !spellings.some((each) => taken.has(each));
    const id = isFree ? user.legacy_id : newId();
    for (const each of spellings) taken.add(each);
    for (const account of user.accounts) accounts.set(accountKey(account), id);
    created.push({ id, user, record });
    people.set(
      user.email,
      joined({ ...WITHOUT_ROWS, id, isSound: user.email_verified, isDisabled: user.disabled }, user),
    );
    return null;
  };

  /** An address that only one side has verified proves nothing about who has the other account. */
  const link = (owner: AddressOwner, user: CheckedUser): string | null => {
    if (!user.email_verified) return 'email_unverified_conflict';
    if (!owner.is_verified) return 'email_unverified_here';
    linked.push({ id: owner.user_id, user });
    people.set(user.email, { ...WITHOUT_ROWS, id: owner.user_id, rows: 1, isSound: true, isLinked: true });
    return null;
  };

  const change = (record: BatchRecord, id: string, user: CheckedUser, known: KnownUser): string | null => {
    if (isReplaced(user, known) && !confirmed.has(user.legacy_id)) return 'address_and_hash_changed';
    // An address that was changed here since the import stays.
    const isOwnEmail = known.email !== null && known.email_sha256 === sha256Of(known.email);
    // Another row decides about the address; this one is another person's if it has another.
    if (known.is_joined && user.emailSha256 !== known.email_sha256) return 'email_conflict';
    const setsEmail = isOwnEmail && !known.is_joined && user.email !== known.email;
    if (setsEmail && !user.email_verified) return 'email_unverified_conflict';
    if (setsEmail && found.owners.has(user.email)) return 'email_conflict';
    const disables = user.disabled && !known.is_disabled;
    if (disables && admins.has(id) && admins.size === 1) return 'last_admin';
    if (disables) admins.delete(id);
    for (const account of user.accounts) accounts.set(accountKey(account), id);
    const setsPassword =
      user.passwordSha256 !== null &&
      user.passwordSha256 !== known.password_sha256 &&
      (known.is_password_imported || (!known.has_password && known.email_sha256 !== null));
    const owesFactor = user.factors_lost.length > 0 && !known.factors_lost && !known.has_factor;
    changed.push({ id, user, record, setsEmail, setsPassword, disables, owesFactor, isJoined: known.is_joined });
    if (setsEmail) people.set(user.email, { ...WITHOUT_ROWS, id });
    return null;
  };

  for (const record of records) {
    const { record: place, line } = record;
    if ('reason' in record) {
      rejects.push({ record: place, line, reason: record.reason, value: record.value });
      continue;
    }
    const reason = decide(record, record.user);
    if (reason !== null) rejects.push({ record: place, line, reason, value: record.user.email });
  }
  return { created, changed, linked, joined: joins, people, same, rejects };
}
