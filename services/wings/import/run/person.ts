import type { CheckedUser } from './check-user.ts';

/** An account that has an address of the batch. */
export type AddressOwner = {
  readonly user_id: string;
  readonly email: string;
  readonly is_verified: boolean;
  /** Whether it already is a user of the same source, and then what its rows there are. */
  readonly is_known: boolean;
  readonly row_count: number;
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
  readonly rows: number;
  /** Whether every row of this person has this address, verified by the source. */
  readonly isSound: boolean;
  /** An account of ours, which the import does not change. */
  readonly isLinked: boolean;
  readonly isDisabled: boolean;
  readonly hasHash: boolean;
  /** Whether there is a password here, imported or not. */
  readonly hasPassword: boolean;
  readonly hasTotp: boolean;
};

export const WITHOUT_ROWS: Omit<Person, 'id'> = {
  rows: 0,
  isSound: false,
  isLinked: false,
  isDisabled: false,
  hasHash: false,
  hasPassword: false,
  hasTotp: false,
};

export const personOf = (owner: AddressOwner): Person => ({
  id: owner.user_id,
  rows: owner.row_count,
  isSound: owner.is_sound,
  isLinked: owner.is_linked,
  isDisabled: owner.is_disabled,
  hasHash: owner.has_imported_password,
  hasPassword: owner.has_password,
  hasTotp: owner.has_totp,
});

/** Rows of one person: more than a source has ways in, and each may bring twenty accounts. */
const ROWS_MAX = 20;

/**
 * Whether a row is another one of this person. Of two passwords, two second factors or a ban of one way in alone, one
 * would be lost: the operator decides about such rows.
 */
export const isJoinable = (person: Person, user: CheckedUser): boolean =>
  person.rows < ROWS_MAX &&
  person.isSound &&
  user.email_verified &&
  (person.isLinked ||
    (person.isDisabled === user.disabled &&
      !(person.hasHash && user.password_hash !== null) &&
      !(person.hasTotp && user.totp_secret !== null)));

export const joined = (person: Person, { password_hash: hash, totp_secret: totp }: CheckedUser): Person => ({
  ...person,
  rows: person.rows + 1,
  hasHash: person.hasHash || hash !== null,
  hasPassword: person.hasPassword || hash !== null,
  hasTotp: person.hasTotp || totp !== null,
});

const FLAGS = ['isSound', 'isLinked', 'isDisabled', 'hasHash', 'hasPassword', 'hasTotp'] as const;

/** A person in two bytes, without the id. */
export const packed = (person: Person): number =>
  FLAGS.reduce((sum, flag, at) => sum + (person[flag] ? 1 << at : 0), Math.min(person.rows, ROWS_MAX) << FLAGS.length);

export const unpacked = (id: string, note: number): Person => ({
  ...WITHOUT_ROWS,
  id,
  rows: note >> FLAGS.length,
  ...Object.fromEntries(FLAGS.map((flag, at) => [flag, (note & (1 << at)) !== 0])),
});
