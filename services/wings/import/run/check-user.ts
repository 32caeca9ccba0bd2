import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { inspectImported } from '#services/core/identity/passwords/inspect-imported.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { isAddress, normaliseEmail } from '#services/platform/define/email.ts';
import type { LegacyUser } from '../adapters/adapter.ts';
import type { ImportMap } from '../import-shapes.ts';
import { isText, type Notice, type TrimOptions, trimUser } from './trim-user.ts';

/** A user that can be stored: every value has a form and a bound. */
export type CheckedUser = Omit<LegacyUser, 'roles'> & {
  /** Roles here. */
  readonly roles: readonly string[];
  /** Members that are not as the source has them. */
  readonly notices: readonly Notice[];
  /** SHA-256, hex: of all of it, of the address, and of the hash. */
  readonly contentSha256: string;
  readonly emailSha256: string;
  readonly passwordSha256: string | null;
};

export type Checked = { readonly user: CheckedUser } | { readonly reason: string; readonly value: string };

const ID_MAX = 255;

export const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What can be shown of a record: never more than this of its id or address, and no control character. */
export const shownValue = (text: string): string => cutText(text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ''), 128);

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
function faultOf(
  { legacy_id: id, password_hash: hash }: LegacyUser,
  email: string,
  allowed: readonly string[],
): string | null {
  if (id === '' || !isText(id, ID_MAX)) return 'id_invalid';
  // Another alphabet has letters that fold into ASCII: such an address would look like another user's.
  if (/\P{ASCII}/u.test(email)) return 'email_not_ascii';
  if (!isAddress(email)) return 'email_invalid';
  const inspected = hash === null ? null : inspectImported(hash, allowed);
  return inspected?.isAccepted === false ? inspected.reason : null;
}

/** Checks one user of a source, and brings it into the form in which it is stored and compared. */
export function checkUser(given: LegacyUser, map: ImportMap, options: TrimOptions): Checked {
  const email = normaliseEmail(given.email.trim());
  const rejected = (reason: string): Checked => ({ reason, value: shownValue(given.email || given.legacy_id) });
  const fault = faultOf(given, email, map.allow_hashes);
  if (fault !== null) return rejected(fault);
  const roles = mappedRoles(given.roles, map);
  if (roles === null) return rejected('role_not_mapped');
  const { user: trimmed, notices } = trimUser(given, options);
  if (trimmed.factors_lost.length > 0 && map.factors_lost === 'reject') return rejected('factors_lost');
  const accounts = [...trimmed.accounts].sort((one, other) =>
    one.provider === other.provider ? (one.subject < other.subject ? -1 : 1) : one.provider < other.provider ? -1 : 1,
  );
  const stored = { ...trimmed, email, roles, accounts };
  // The name of the format is for reports, and a user who is here keeps the time of the creation. Users of before
  // `factors_lost` have digests without it.
  const { password_format: _format, created_at: _createdAt, factors_lost: lost, ...content } = stored;
  const digested = lost.length > 0 ? { ...content, factors_lost: lost } : content;
  return {
    user: {
      ...stored,
      notices,
      contentSha256: sha256Of(canonicalJson(digested as unknown as Json)),
      emailSha256: sha256Of(email),
      passwordSha256: stored.password_hash === null ? null : sha256Of(stored.password_hash),
    },
  };
}
