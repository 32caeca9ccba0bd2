import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../audit/log/canonical-json.ts';
import { inspectImported } from '../../identity/passwords/inspect-imported.ts';
import { isAddress, normaliseEmail } from '../../identity/users/email.ts';
import type { LegacyUser } from '../adapters/adapter.ts';
import type { ImportMap } from '../import-shapes.ts';
import { isFormula } from '../reading/read-csv.ts';

/** A user that can be stored: every value has a form and a bound. */
export type CheckedUser = Omit<LegacyUser, 'roles'> & {
  /** Roles here. */
  readonly roles: readonly string[];
  /** SHA-256, hex: of all of it, of the address, and of the hash. */
  readonly contentSha256: string;
  readonly emailSha256: string;
  readonly passwordSha256: string | null;
};

export type Checked = { readonly user: CheckedUser } | { readonly reason: string; readonly value: string };

const CONTROLS = /[\p{Cc}\p{Cs}]/u;
const METADATA_BYTES_MAX = 32_000;
const NAME_MAX = 128;
const ID_MAX = 255;
const ACCOUNTS_MAX = 20;
const CODES_MAX = 32;
const PASSKEYS_MAX = 20;
/** Address of a picture, of an import or a webhook. */
export const PICTURE = /^https:\/\/[!-~]{1,2040}$/;
const PROVIDER = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const BASE32 = /^[A-Z2-7]{16,128}$/;
const BASE64URL = /^[\w-]{1,2048}$/;

export const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The form under which addresses of one file are the same address, whatever alphabet spells them. */
export const foldedEmail = (email: string): string => email.normalize('NFKC').toLowerCase().normalize('NFKC');

const isText = (text: string, most: number): boolean => text.length <= most && !CONTROLS.test(text);

/** What can be shown of a record: never more than this of its id or address, and no control character. */
export const shownValue = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '').slice(0, 128);

/** The roles here, or null if the mapping does not name one of them. */
function mappedRoles(roles: readonly string[], map: ImportMap): readonly string[] | null {
  const found: string[] = [];
  for (const role of roles) {
    const here = Object.hasOwn(map.roles, role) ? map.roles[role] : undefined;
    // Every account here has the role `user`.
    if (here === undefined && role === 'user') continue;
    if (here === undefined) return null;
    if (here !== null && here !== 'user') found.push(here);
  }
  return [...new Set(found)].sort();
}

/** In the order in which they are found; the first is the reason. */
function faultOf(user: LegacyUser, email: string, now: number, allowed: readonly string[]): string | null {
  const { legacy_id: id, name, created_at: createdAt, password_hash: hash, accounts, passkeys } = user;
  if (id === '' || !isText(id, ID_MAX)) return 'id_invalid';
  // Another alphabet has letters that fold into ASCII: such an address would look like another user's.
  if (/\P{ASCII}/u.test(email)) return 'email_not_ascii';
  if (!isAddress(email)) return 'email_invalid';
  if (name !== null && !isText(name, NAME_MAX)) return 'name_invalid';
  if (isFormula(email) || isFormula(id) || (name !== null && isFormula(name))) return 'formula_cell';
  if (createdAt !== null && !(createdAt.getTime() >= 0 && createdAt.getTime() <= now + 86_400_000))
    return 'created_at_invalid';
  const inspected = hash === null ? null : inspectImported(hash, allowed);
  if (inspected?.isAccepted === false) return inspected.reason;
  if (accounts.length > ACCOUNTS_MAX) return 'account_invalid';
  if (
    accounts.some(
      ({ provider, subject }) => !PROVIDER.test(provider) || provider === 'credential' || !isText(subject, ID_MAX),
    )
  )
    return 'account_invalid';
  if (user.totp_secret !== null && !BASE32.test(user.totp_secret)) return 'totp_invalid';
  if (user.recovery_codes.length > CODES_MAX || user.recovery_codes.some((code) => !isText(code, 64)))
    return 'recovery_code_invalid';
  if (passkeys.length > PASSKEYS_MAX || passkeys.some((key) => !isPasskey(key))) return 'passkey_invalid';
  return null;
}

const isPasskey = ({ credential_id: id, public_key: key, counter, name }: LegacyUser['passkeys'][number]): boolean =>
  BASE64URL.test(id) &&
  BASE64URL.test(key) &&
  Number.isInteger(counter) &&
  counter >= 0 &&
  counter < 2 ** 32 &&
  (name === null || isText(name, NAME_MAX));

/** Base32 without padding, white space and case. */
const totpOf = (secret: string | null): string | null => secret?.replaceAll(/[\s=-]/g, '').toUpperCase() ?? null;

/** Metadata as it can be stored: an image that no browser may load over HTTPS stays here. Null if it is too large. */
function metadataOf({ metadata, image }: LegacyUser): LegacyUser['metadata'] | null {
  const all = image === null || PICTURE.test(image) ? metadata : { ...metadata, image };
  // What JSON cannot say is left out by the round trip; jsonb stores no NUL and no lone surrogate.
  const text = JSON.stringify(all);
  if (Buffer.byteLength(text) > METADATA_BYTES_MAX || /\\u(?:0000|d[89a-f])/i.test(text)) return null;
  return JSON.parse(text) as LegacyUser['metadata'];
}

/** Checks one user of a source, and brings it into the form in which it is stored and compared. */
export function checkUser(given: LegacyUser, map: ImportMap, now: number): Checked {
  const email = normaliseEmail(given.email.trim());
  const rejected = (reason: string): Checked => ({ reason, value: shownValue(given.email || given.legacy_id) });
  const read: LegacyUser = {
    ...given,
    name: given.name === '' ? null : given.name,
    totp_secret: totpOf(given.totp_secret),
  };
  const fault = faultOf(read, email, now, map.allow_hashes);
  if (fault !== null) return rejected(fault);
  const roles = mappedRoles(read.roles, map);
  if (roles === null) return rejected('role_not_mapped');
  const metadata = metadataOf(read);
  if (metadata === null) return rejected('metadata_invalid');
  const image = read.image !== null && PICTURE.test(read.image) ? read.image : null;
  const accounts = [...read.accounts].sort((one, other) =>
    one.provider === other.provider ? (one.subject < other.subject ? -1 : 1) : one.provider < other.provider ? -1 : 1,
  );
  const stored = { ...read, email, roles, metadata, image, accounts };
  // The name of the format is for reports, and a user who is here keeps the time of the creation.
  const { password_format: _format, created_at: _createdAt, ...content } = stored;
  return {
    user: {
      ...stored,
      contentSha256: sha256Of(canonicalJson(content as unknown as Json)),
      emailSha256: sha256Of(email),
      passwordSha256: stored.password_hash === null ? null : sha256Of(stored.password_hash),
    },
  };
}
