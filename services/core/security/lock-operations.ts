import { showUser } from '../identity/admin/read-users.ts';
import type { AccountView } from '../identity/contracts/admin-contract.ts';
import { operation } from '../shared/operation.ts';
import { unlockUserEndpoint } from './contract.ts';
import { unlockUser } from './unlock-user.ts';

/** Accounts that wrong passwords have locked. */
export const lockOperations = [
  operation(unlockUserEndpoint, unlockUser, {
    verb: 'users unlock <user>',
    help: 'unlock an account for sign-ins from any device',
    arguments: { user: { member: 'user_id', help: 'user id or e-mail address', reads: 'user' } },
    loadsKeys: true,
    about: showUser,
    asks: (_input, { email }: AccountView) => `clear the failed sign-ins of ${email}`,
    lines: ({ user_id: userId, failed_logins: failures }) => [`${userId}  unlocked after ${failures} failures`],
  }),
];
