import { signerKeyId, writeFirebaseDigest } from '#services/core/identity/passwords/firebase-digests.ts';
import { readJsonArray } from '../reading/read-json-array.ts';
import { sniff } from '../reading/sniff.ts';
import type { FactorKind, LegacySystemAdapter, LegacyUser, ReadOptions } from './adapter.ts';
import { toBase64, withFormat } from './digests.ts';
import {
  accountOf,
  dateOf,
  factorKindOf,
  idOf,
  isTrue,
  legacyUser,
  listOf,
  type Members,
  memberOf,
  membersIn,
  present,
  type Refused,
  rolesOf,
  textOf,
  usersOf,
} from './members.ts';
import { socialNames } from './social-names.ts';

/**
 * Firebase Authentication: the file of `firebase auth:export users.json --format=json`. The parameters of its hashes are
 * not in the file: the parameter `hash_config` is the text that the console shows under "Password hash parameters".
 */

const providerOf = socialNames({
  'google.com': 'google',
  'github.com': 'github',
  'apple.com': 'apple',
  'facebook.com': 'facebook',
  'microsoft.com': 'microsoft',
  'twitter.com': 'twitter',
});
/** Providers of the file that are the user's own address or telephone number. */
const OWN = new Set(['password', 'phone']);

type HashConfig = {
  readonly algorithm: string;
  readonly signerKey: Buffer;
  readonly saltSeparator: string;
  readonly rounds: number;
  readonly memoryCost: number;
};

/** Reads `hash_config { algorithm: SCRYPT, base64_signer_key: …, base64_salt_separator: …, rounds: 8, mem_cost: 14, }`. */
function readHashConfig(text: string | undefined): HashConfig | null {
  const member = (name: string): string | null =>
    new RegExp(`\\b${name}"?\\s*:\\s*"?([\\w+/=-]+)`).exec(text ?? '')?.[1] ?? null;
  const algorithm = member('algorithm');
  if (algorithm === null) return null;
  return {
    algorithm: algorithm.toUpperCase(),
    signerKey: Buffer.from(member('base64_signer_key') ?? '', 'base64'),
    saltSeparator: toBase64(member('base64_salt_separator') ?? ''),
    rounds: Number(member('rounds') ?? Number.NaN),
    memoryCost: Number(member('mem_cost') ?? Number.NaN),
  };
}

const isScrypt = (config: HashConfig | null): config is HashConfig =>
  config?.algorithm === 'SCRYPT' &&
  config.signerKey.length > 0 &&
  Number.isInteger(config.rounds) &&
  Number.isInteger(config.memoryCost);

/** The digest of a user; a reason where it cannot be read. */
function digestOf(user: Members, config: HashConfig | null): string | null | { readonly reason: string } {
  const hash = textOf(user.passwordHash);
  if (hash === null) return null;
  if (config?.algorithm === 'BCRYPT') return Buffer.from(hash, 'base64').toString('utf8');
  if (!isScrypt(config)) return { reason: 'hash_config_missing' };
  const { signerKey, saltSeparator, rounds, memoryCost } = config;
  const salt = toBase64(textOf(user.salt) ?? '');
  return writeFirebaseDigest({
    keyId: signerKeyId(signerKey),
    saltSeparator,
    rounds,
    memoryCost,
    salt,
    hash: toBase64(hash),
  });
}

function userOf(user: Members, config: HashConfig | null): LegacyUser | Refused {
  const email = textOf(user.email);
  const id = idOf(user.localId, email);
  if (email === null) return { reason: 'email_missing', value: id };
  const digest = digestOf(user, config);
  if (typeof digest === 'object' && digest !== null) return { ...digest, value: email };
  const { customAttributes, phoneNumber, lastSignedInAt } = user;
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isTrue(user.emailVerified),
    name: textOf(user.displayName),
    image: textOf(user.photoUrl),
    created_at: dateOf(user.createdAt),
    disabled: isTrue(user.disabled),
    ...withFormat(digest),
    roles: rolesOf(membersIn(textOf(customAttributes))),
    accounts: listOf(user.providerUserInfo).flatMap((info) => {
      const provider = textOf(memberOf(info, 'providerId'));
      return provider === null || OWN.has(provider)
        ? []
        : accountOf(providerOf(provider), memberOf(info, 'rawId'), email);
    }),
    factors_lost: listOf(user.mfaInfo).map(factorOf),
    metadata: present({ customAttributes, phoneNumber, lastSignedInAt }),
  });
}

/** The kind of an enrolled second factor (Identity Toolkit's `MfaEnrollment`); its secret is never exported. */
const factorOf = (enrolled: unknown): FactorKind =>
  factorKindOf(['phoneInfo', 'totpInfo', 'emailInfo'].find((name) => memberOf(enrolled, name) !== undefined));

const configOf = ({ parameters }: ReadOptions): HashConfig | null => readHashConfig(parameters.hash_config);

export const firebaseAdapter: LegacySystemAdapter = {
  kind: 'firebase',
  forms: ['json'],
  hashKeys: (options) => {
    const config = configOf(options);
    return isScrypt(config) ? [config.signerKey] : [];
  },
  async *read(stream, options) {
    const config = configOf(options);
    const { first, stream: whole } = await sniff(stream);
    const records = readJsonArray(whole, first === '[' ? null : 'users');
    yield* usersOf(records, (value) => userOf(value, config));
  },
};
