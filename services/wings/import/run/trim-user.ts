import { cutText } from '#services/platform/define/cut-text.ts';
import type { LegacyPasskey, LegacyUser } from '../adapters/adapter.ts';

// A member that no sign-in needs never rejects its user: it is shortened or left out, and the import says so. Only the id,
// the address, the hash and the roles of a record reject it.

/** What became of a member of a record; `factor_lost` names a kind of second factor. */
export type Notice = {
  readonly notice: 'factor_lost' | 'left_out' | 'shortened';
  /** `name`, `image`, `accounts`, … or the path of a member of the metadata. */
  readonly member: string;
};

const CONTROLS = /[\p{Cc}\p{Cs}]/gu;
const METADATA_BYTES_MAX = 32_000;
/** A longer text is a picture, or a document. */
const METADATA_TEXT_MAX = 8_000;
const NAME_MAX = 128;
const ID_MAX = 255;
const ACCOUNTS_MAX = 20;
const CODES_MAX = 32;
const PASSKEYS_MAX = 20;
const DAY_MS = 86_400_000;
/** Address of a picture, of an import or a webhook. */
export const PICTURE = /^https:\/\/[!-~]{1,2040}$/;
const PROVIDER = /^[a-z0-9][a-z0-9_.:-]{0,63}$/;
const BASE32 = /^[A-Z2-7]{16,128}$/;
const BASE64URL = /^[\w-]{1,2048}$/;

export const isText = (text: string, most: number): boolean => text.length <= most && text.search(CONTROLS) === -1;

/**
 * Names of providers as they are kept: in lower case, with `-` for each character but `a-z`, `0-9`, `_`, `.`, `:` and `-`.
 * So `Google` is the `google` of our settings. Two names of one file that would become one are two providers: the second
 * is no name, because its users could be taken for those of the first.
 * @returns null for a name that cannot be kept
 */
export function createProviderNames(): (name: string) => string | null {
  const given = new Map<string, string>();
  return (name) => {
    const kept = name.toLowerCase().replaceAll(/[^a-z0-9_.:-]/g, '-');
    if (!PROVIDER.test(kept) || kept === 'credential') return null;
    const first = given.get(kept);
    if (first === undefined && given.size < 1_000) given.set(kept, name);
    return (first ?? name) === name ? kept : null;
  };
}

export type TrimOptions = {
  readonly now: number;
  /** The RP ID of passkeys here: one that was made for another does not work. */
  readonly relyingPartyId: string;
  providerName(name: string): string | null;
};

/**
 * A user whose every member but id, address, hash and roles has a form and a bound. `factors_lost` has kinds only if no
 * second factor is left.
 */
export function trimUser(
  given: LegacyUser,
  options: TrimOptions,
): { readonly user: LegacyUser; readonly notices: readonly Notice[] } {
  const notices: Notice[] = [];
  const leftOut = (member: string): void => {
    notices.push({ notice: 'left_out', member });
  };
  const name = nameOf(given.name, notices);
  const createdAt = given.created_at;
  const isSane = createdAt !== null && createdAt.getTime() >= 0 && createdAt.getTime() <= options.now + DAY_MS;
  if (createdAt !== null && !isSane) leftOut('created_at');
  const accounts = given.accounts.flatMap(({ provider, subject }) => {
    const kept = options.providerName(provider);
    return kept === null || !isText(subject, ID_MAX) ? [] : [{ provider: kept, subject }];
  });
  if (Math.min(accounts.length, ACCOUNTS_MAX) < given.accounts.length) leftOut('accounts');
  const codes = given.recovery_codes.filter((code) => isText(code, 64)).slice(0, CODES_MAX);
  if (codes.length < given.recovery_codes.length) leftOut('recovery_codes');
  const isPicture = given.image !== null && PICTURE.test(given.image);
  // An image that no browser may load over HTTPS stays here.
  const all = given.image === null || isPicture ? given.metadata : { ...given.metadata, image: given.image };
  const user = {
    ...given,
    name,
    created_at: isSane ? createdAt : null,
    accounts: accounts.slice(0, ACCOUNTS_MAX),
    recovery_codes: codes,
    image: isPicture ? given.image : null,
    metadata: metadataOf(all, leftOut),
    ...factorsOf(given, options),
  };
  notices.push(...user.factors_lost.map((member) => ({ notice: 'factor_lost' as const, member })));
  return { user, notices };
}

function nameOf(given: string | null, notices: Notice[]): string | null {
  if (given === null) return null;
  // A line end in a cell of a spreadsheet separates words.
  const plain = given.replaceAll(/[\r\n\t]+/g, ' ').replaceAll(CONTROLS, '');
  const name = cutText(plain, NAME_MAX).trim();
  if (name !== given.trim()) notices.push({ notice: name === '' ? 'left_out' : 'shortened', member: 'name' });
  return name === '' ? null : name;
}

/** Base32 without padding, white space and case. */
const totpOf = (secret: string | null): string | null => secret?.replaceAll(/[\s=-]/g, '').toUpperCase() ?? null;

const isPasskey = ({ credential_id: id, public_key: key, counter }: LegacyPasskey): boolean =>
  BASE64URL.test(id) && BASE64URL.test(key) && Number.isInteger(counter) && counter >= 0 && counter < 2 ** 32;

/** The factors that can be stored, and the kinds that are lost if none of them works here. */
function factorsOf(
  given: LegacyUser,
  { relyingPartyId }: TrimOptions,
): Pick<LegacyUser, 'totp_secret' | 'passkeys' | 'factors_lost'> {
  const totp = totpOf(given.totp_secret);
  const secret = totp !== null && BASE32.test(totp) ? totp : null;
  const passkeys = given.passkeys
    .filter(isPasskey)
    .slice(0, PASSKEYS_MAX)
    .map((passkey) => ({ ...passkey, name: passkey.name?.replaceAll(CONTROLS, '').slice(0, NAME_MAX) ?? null }));
  const isLeft = secret !== null || passkeys.some(({ rp_id: rpId }) => rpId === relyingPartyId);
  const lost = [
    ...given.factors_lost,
    ...(totp === null ? [] : ['totp' as const]),
    ...(given.passkeys.length === 0 ? [] : ['passkey' as const]),
  ];
  return { totp_secret: secret, passkeys, factors_lost: isLeft ? [] : [...new Set(lost)].sort() };
}

/** Metadata as they can be stored: jsonb has no NUL and no lone surrogate. */
function metadataOf(given: LegacyUser['metadata'], leftOut: (path: string) => void): LegacyUser['metadata'] {
  const pruned = (value: unknown, path: string): unknown => {
    if (typeof value === 'string') {
      if (value.length <= METADATA_TEXT_MAX && value.isWellFormed() && !value.includes('\0')) return value;
      leftOut(path);
      return undefined;
    }
    if (Array.isArray(value)) return value.map((item) => pruned(item, path)).filter((item) => item !== undefined);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, member]) => {
        const isName = name.isWellFormed() && !name.includes('\0');
        const kept = isName ? pruned(member, `${path}.${name}`) : undefined;
        if (!isName) leftOut(path);
        return kept === undefined ? [] : [[name, kept]];
      }),
    );
  };
  // What JSON cannot say is left out by the round trip.
  const kept = pruned(JSON.parse(JSON.stringify(given)), 'metadata') as Record<string, unknown>;
  const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
  while (bytes(kept) > METADATA_BYTES_MAX) {
    const [largest = ''] = Object.keys(kept).sort((one, other) => bytes(kept[other]) - bytes(kept[one]));
    delete kept[largest];
    leftOut(`metadata.${largest}`);
  }
  return kept;
}
