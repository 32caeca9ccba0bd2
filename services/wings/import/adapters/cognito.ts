import { parseExactJson } from '#services/core/shared/exact-json.ts';
import { readCsv } from '../reading/read-csv.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { sniff } from '../reading/sniff.ts';
import type { LegacySystemAdapter, LegacyUser } from './adapter.ts';
import {
  accountOf,
  dateOf,
  factorKindOf,
  firstOf,
  idOf,
  isTrue,
  legacyUser,
  listOf,
  type Members,
  memberOf,
  present,
  type Refused,
  textOf,
  usersOf,
} from './members.ts';
import { socialNames } from './social-names.ts';

/**
 * Amazon Cognito: the answer of `aws cognito-idp list-users`, or a CSV file with its columns. Cognito never gives password
 * hashes away: its users sign in lazily, or choose a new password.
 */

const providerOf = socialNames({
  Google: 'google',
  Facebook: 'facebook',
  SignInWithApple: 'apple',
  LoginWithAmazon: 'amazon',
});

/** Attributes that other members hold, or that are derived from them. */
const READ = new Set(['sub', 'email', 'email_verified', 'name', 'picture', 'identities']);

function identitiesOf(text: string | null): readonly unknown[] {
  try {
    return listOf(parseExactJson(text ?? '[]'));
  } catch {
    return [];
  }
}

function userFrom(attributes: Members, given: unknown, more: Partial<LegacyUser>, kept: Members): LegacyUser | Refused {
  const email = textOf(attributes.email);
  const id = idOf(given, email);
  if (email === null) return { reason: 'email_missing', value: id };
  const others = Object.entries(attributes).filter(([name, value]) => !READ.has(name) && textOf(value) !== null);
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isTrue(attributes.email_verified),
    name: textOf(attributes.name),
    image: textOf(attributes.picture),
    accounts: identitiesOf(textOf(attributes.identities)).flatMap((identity) => {
      const provider = textOf(memberOf(identity, 'providerName'));
      return accountOf(provider && providerOf(provider), memberOf(identity, 'userId'), email);
    }),
    ...more,
    metadata: present({ ...kept, attributes: others.length > 0 ? Object.fromEntries(others) : null }),
  });
}

function ofObject(user: Members): LegacyUser | Refused {
  const attributes = Object.fromEntries(
    listOf(user.Attributes).flatMap((attribute) => {
      const name = textOf(memberOf(attribute, 'Name'));
      return name === null ? [] : [[name, memberOf(attribute, 'Value')] as const];
    }),
  );
  const factors = [
    ...listOf(user.UserMFASettingList).map(factorKindOf),
    ...listOf(user.MFAOptions).map((option) => factorKindOf(memberOf(option, 'DeliveryMedium'))),
  ];
  const more = { created_at: dateOf(user.UserCreateDate), disabled: user.Enabled === false, factors_lost: factors };
  const kept = { username: user.Username, status: user.UserStatus };
  return userFrom(attributes, firstOf(attributes.sub, user.Username), more, kept);
}

function ofRow(row: Members): LegacyUser | Refused {
  const { 'cognito:username': username, 'cognito:mfa_enabled': hasFactor, ...attributes } = row;
  const more = isTrue(hasFactor) ? { factors_lost: ['unknown' as const] } : {};
  return userFrom(attributes, firstOf(row.sub, username), more, { username });
}

export const cognitoAdapter: LegacySystemAdapter = {
  kind: 'cognito',
  forms: ['csv', 'json'],
  async *read(stream) {
    const { first, stream: whole } = await sniff(stream);
    if (first === '{') yield* usersOf(readJsonArray(whole, 'Users'), ofObject);
    else if (first === '[') yield* usersOf(readJsonArray(whole), ofObject);
    else yield* usersOf(readCsv(whole), ofRow);
  },
};
