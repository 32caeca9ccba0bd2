import { readJsonArray } from '../reading/read-json-array.ts';
import { sniff } from '../reading/sniff.ts';
import type { LegacySystemAdapter, LegacyUser } from './adapter.ts';
import { withFormat } from './digests.ts';
import {
  accountOf,
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

/** ZITADEL: the answer of `POST /admin/v1/export` with passwords and one-time passwords; every organisation in it. */

/** A user of an export has them under `user`, as a user of an import. */
function userOf(entry: Members): LegacyUser | Refused {
  const email = textOf(memberOf(entry, 'user.email.email'));
  const id = idOf(entry.userId, email);
  if (email === null) return { reason: 'email_missing', value: id };
  const read = (path: string): unknown => memberOf(entry, `user.${path}`);
  const names = [read('profile.firstName'), read('profile.lastName')].flatMap((part) => textOf(part) ?? []);
  // ZITADEL requires names: a user without one may have the address there.
  const joined = names.some((part) => part !== email) ? names.join(' ') : null;
  return legacyUser({
    legacy_id: id,
    email,
    email_verified: isTrue(read('email.isEmailVerified')),
    name: textOf(read('profile.displayName')) ?? joined,
    disabled: entry.state === 'USER_STATE_INACTIVE' || entry.state === 'USER_STATE_LOCKED',
    ...withFormat(textOf(read('hashedPassword.value'))),
    totp_secret: textOf(read('otpCode')),
    accounts: listOf(read('idps')).flatMap((link) => {
      return accountOf(textOf(memberOf(link, 'configId')), memberOf(link, 'externalUserId'), email);
    }),
    metadata: present({ userName: read('userName'), profile: read('profile'), phone: read('phone') }),
  });
}

export const zitadelAdapter: LegacySystemAdapter = {
  kind: 'zitadel',
  forms: ['json'],
  async *read(stream) {
    const { first, stream: whole } = await sniff(stream);
    yield* usersOf(first === '[' ? readJsonArray(whole) : readJsonArray(whole, 'humanUsers', true), userOf);
  },
};
