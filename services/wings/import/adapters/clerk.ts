import { readCsv, unshieldedRow } from '../reading/read-csv.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { readNdjson } from '../reading/read-ndjson.ts';
import { sniff } from '../reading/sniff.ts';
import type { FactorKind, LegacySystemAdapter, LegacyUser } from './adapter.ts';
import {
  accountOf,
  dateOf,
  formatOf,
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

/** Clerk: the CSV of the dashboard, which has password digests, and users as its Backend API and its CLI write them. */

const listed = (value: unknown): string[] =>
  typeof value === 'string' ? value.split(/[\s,;|]+/).filter((item) => item !== '') : [];
const nameOf = (first: unknown, last: unknown): string | null =>
  [textOf(first), textOf(last)].filter((part) => part !== null).join(' ') || null;

function ofRow(cells: Members): LegacyUser | Refused {
  const row = unshieldedRow(cells);
  const verified = listed(row.verified_email_addresses);
  const unverified = listed(row.unverified_email_addresses);
  const email = textOf(row.primary_email_address) ?? verified[0] ?? unverified[0] ?? null;
  const id = idOf(row.id, email);
  if (email === null) return { reason: 'email_missing', value: id };
  const hash = textOf(row.password_digest);
  const { first_name, last_name, username, primary_phone_number } = row;
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: verified.some((each) => each.toLowerCase() === email.toLowerCase()),
    name: nameOf(first_name, last_name),
    password_hash: hash,
    password_format: hash === null ? null : (textOf(row.password_hasher) ?? formatOf(hash)),
    totp_secret: textOf(row.totp_secret),
    metadata: present({
      first_name,
      last_name,
      username,
      primary_phone_number,
      verified_email_addresses: verified.join('|'),
      unverified_email_addresses: unverified.join('|'),
      verified_phone_numbers: row.verified_phone_numbers,
      unverified_phone_numbers: row.unverified_phone_numbers,
    }),
  });
}

type Address = { readonly id: string | null; readonly text: string; readonly isVerified: boolean };

const addressesOf = (value: unknown, member: string): Address[] =>
  listOf(value).flatMap((each) => {
    const text = textOf(memberOf(each, member));
    if (text === null) return [];
    return [
      { id: textOf(memberOf(each, 'id')), text, isVerified: memberOf(each, 'verification.status') === 'verified' },
    ];
  });

const KEPT = ['public_metadata', 'private_metadata', 'unsafe_metadata', 'external_id', 'phone_numbers'] as const;

function ofObject(user: Members): LegacyUser | Refused {
  const addresses = addressesOf(user.email_addresses, 'email_address');
  const primary =
    addresses.find((each) => each.id !== null && each.id === user.primary_email_address_id) ?? addresses[0];
  const id = idOf(user.id, primary?.text ?? null);
  if (primary === undefined) return { reason: 'email_missing', value: id };
  const hash = textOf(user.password_digest);
  const { first_name, last_name, username } = user;
  const others = addresses.filter((each) => each !== primary);
  return legacyUser({
    legacy_id: id,
    email: primary.text,
    email_verified: primary.isVerified,
    name: nameOf(first_name, last_name),
    image: user.has_image === false ? null : textOf(user.image_url),
    created_at: dateOf(user.created_at),
    disabled: isTrue(user.banned),
    password_hash: hash,
    password_format: hash === null ? null : (textOf(user.password_hasher) ?? formatOf(hash)),
    totp_secret: textOf(user.totp_secret),
    factors_lost: factorsOf(user),
    accounts: listOf(user.external_accounts).flatMap((account) => {
      const provider = textOf(memberOf(account, 'provider'))?.replace(/^oauth_/, '') ?? null;
      return accountOf(provider, memberOf(account, 'provider_user_id'), primary.text);
    }),
    metadata: present({
      first_name,
      last_name,
      username,
      ...Object.fromEntries(KEPT.map((name) => [name, isEmpty(user[name]) ? null : user[name]])),
      verified_email_addresses: others.flatMap(({ text, isVerified }) => (isVerified ? text : [])).join('|'),
      unverified_email_addresses: others.flatMap(({ text, isVerified }) => (isVerified ? [] : text)).join('|'),
    }),
  });
}

/** Kinds of second factors, whose secrets the Backend API never shows. */
function factorsOf(user: Members): readonly FactorKind[] {
  const isPhone = listOf(user.phone_numbers).some((phone) => isTrue(memberOf(phone, 'reserved_for_second_factor')));
  const kinds = [...(isPhone ? ['phone' as const] : []), ...(isTrue(user.totp_enabled) ? ['totp' as const] : [])];
  return kinds.length === 0 && isTrue(user.two_factor_enabled) ? ['unknown'] : kinds;
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

export const clerkAdapter: LegacySystemAdapter = {
  kind: 'clerk',
  forms: ['csv', 'json'],
  async *read(stream) {
    const { first, stream: whole } = await sniff(stream);
    if (first === '[') yield* usersOf(readJsonArray(whole), ofObject);
    else if (first === '{') yield* usersOf(readNdjson(whole), ofObject);
    else yield* usersOf(readCsv(whole), ofRow);
  },
};
