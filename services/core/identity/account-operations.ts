import { operation } from '../shared/operation.ts';
import { requestUnlock } from './accounts/ask-for-mail.ts';
import { readProfile, updateProfile } from './accounts/update-profile.ts';
import { readOwnUserEndpoint, requestUnlockEndpoint, updateUserEndpoint } from './contracts/account-contract.ts';

/** What users do with their account that neither reads nor sets a cookie. */
export const accountOperations = [
  operation(requestUnlockEndpoint, requestUnlock),
  operation(readOwnUserEndpoint, readProfile),
  operation(updateUserEndpoint, updateProfile),
];
