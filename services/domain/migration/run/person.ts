import type { CheckedUser } from './check-user.ts';

/** An account that has an address of the batch. */
export type AddressOwner = {
  readonly user_id: string;
  readonly email: string;
  readonly is_verified: boolean;
  /** Whether it already is a user of the same source, and then what its rows there are. */
  readonly is_known: boolean;
  readonly is_sound: boolean;
  readonly is_linked: boolean;
  readonly is_disabled: boolean;
  readonly has_password: boolean;
  readonly has_imported_password: boolean;
  readonly has_totp: boolean;
};

/**
 * A person of a source, who may have a row there for each way in, as an enterprise account and one with a password. Rows
 * with one address are one person if the source has verified it in each of them.
 */
export type Person = {
  readonly id: string;
  /** Whether every row of this person has this address, verified by the source. */
  readonly isSound: boolean;
  /** An account of ours, which the import does not change. */
  readonly isLinked: boolean;
  readonly isDisabled: boolean;
  /** Whether a row brought a password hash. */
  readonly hasHash: boolean;
  /** Whether there is a password here, imported or not. */
  readonly hasPassword: boolean;
  readonly hasTotp: boolean;
};

export const WITHOUT_ROWS: Omit<Person, 'id'> = {
  isSound: false,
  isLinked: false,
  isDisabled: false,
  hasHash: false,
  hasPassword: false,
  hasTotp: false,
};

export const personOf = (owner: AddressOwner): Person => ({
  id: owner.user_id,
  isSound: owner.is_sound,
  isLinked: owner.is_linked,
  isDisabled: owner.is_disabled,
  hasHash: owner.has_imported_password,
  hasPassword: owner.has_password,
  hasTotp: owner.has_totp,
});

/**
 * Whether a row is another one of this person. Of two passwords, two second factors or a ban of one way in alone, one
 * would be lost: the operator decides about such rows.
 */
export const isJoinable = (person: Person, user: CheckedUser): boolean =>
  person.isSound &&
  user.email_verified &&
  (person.isLinked ||
    (person.isDisabled === user.disabled &&
      !(person.hasHash && user.password_hash !== null) &&
      !(person.hasTotp && user.totp_secret !== null)));

/** The person with this row too. */
export const joined = (person: Person, { password_hash: hash, totp_secret: totp }: CheckedUser): Person => ({
  ...person,
  hasHash: person.hasHash || hash !== null,
  hasPassword: person.hasPassword || hash !== null,
  hasTotp: person.hasTotp || totp !== null,
});

const FLAGS = ['isSound', 'isLinked', 'isDisabled', 'hasHash', 'hasPassword', 'hasTotp'] as const;

/** A person in a byte, without the id. */
export const packed = (person: Person): number =>
  FLAGS.reduce((sum, flag, at) => sum + (person[flag] ? 1 << at : 0), 0);

export const unpacked = (id: string, flags: number): Person => ({
  ...WITHOUT_ROWS,
  id,
  ...Object.fromEntries(FLAGS.map((flag, at) => [flag, (flags & (1 << at)) !== 0])),
});
