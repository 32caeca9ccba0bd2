import type { ImportMap } from '../import-shapes.ts';
import { type CheckedUser, sha256Of, shownValue } from './check-user.ts';
import { canBeOwnId, spellingsOf } from './own-ids.ts';
import type { Notice } from './trim-user.ts';

/** A record of a batch: its place among all records, its line, and the user or why there is none. */
export type BatchRecord = { readonly record: number; readonly line: number } & (
  | { readonly user: CheckedUser }
  | { readonly reason: string; readonly value: string }
);

/** What is known here of a user of the source. */
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
  /** Whether the user has a second factor here. */
  readonly has_factor: boolean;
  readonly email: string | null;
  readonly is_disabled: boolean;
};

/** An account that has an address of the batch. */
export type AddressOwner = {
  readonly user_id: string;
  readonly email: string;
  readonly is_verified: boolean;
  /** Whether it already is a user of the same source. */
  readonly is_known: boolean;
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
};

export type NewUser = { readonly id: string; readonly user: CheckedUser; readonly record: BatchRecord };
export type ChangedUser = NewUser & {
  readonly setsEmail: boolean;
  readonly setsPassword: boolean;
  readonly disables: boolean;
  /** Whether the user enrols a second factor before the next session, unless one is here. */
  readonly owesFactor: boolean;
};
type LinkedUser = { readonly id: string; readonly user: CheckedUser };
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
  const rejects: Reject[] = [];
  const accounts = new Map(found.accounts);
  const confirmed = new Set(samePerson);
  const taken = new Set(found.takenIds);
  const owned = new Set<string>();
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
    const id = known?.user_id ?? null;
    if (user.accounts.some((account) => (accounts.get(accountKey(account)) ?? id) !== id)) return 'account_conflict';
    if (id === null || known === undefined) return add(record, user);
    if (known.email_sha256 !== null) return change(record, id, user, known);
    // An account that was only linked is not the import's to change.
    linked.push({ id, user });
    return null;
  };

  const add = (record: BatchRecord, user: CheckedUser): string | null => {
    const owner = found.owners.get(user.email);
    if (owner !== undefined) return link(owner, user);
    const spellings = spellingsOf(user.legacy_id);
    const isFree = ids === 'keep' && canBeOwnId(user.legacy_id) && !spellings.some((each) => taken.has(each));
    const id = isFree ? user.legacy_id : newId();
    for (const each of spellings) taken.add(each);
    for (const account of user.accounts) accounts.set(accountKey(account), id);
    created.push({ id, user, record });
    return null;
  };

  /** An address that only one side has verified proves nothing about who has the other account. */
  const link = (owner: AddressOwner, user: CheckedUser): string | null => {
    if (owner.is_known || owned.has(owner.user_id)) return 'email_conflict';
    if (!user.email_verified) return 'email_unverified_conflict';
    if (!owner.is_verified) return 'email_unverified_here';
    owned.add(owner.user_id);
    linked.push({ id: owner.user_id, user });
    return null;
  };

  const change = (record: BatchRecord, id: string, user: CheckedUser, known: KnownUser): string | null => {
    if (isReplaced(user, known) && !confirmed.has(user.legacy_id)) return 'address_and_hash_changed';
    // An address that was changed here since the import stays.
    const isOwnEmail = known.email !== null && known.email_sha256 === sha256Of(known.email);
    const setsEmail = isOwnEmail && user.email !== known.email;
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
    changed.push({ id, user, record, setsEmail, setsPassword, disables, owesFactor });
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
  return { created, changed, linked, same, rejects };
}
