import { operation } from '#services/core/shared/operation.ts';
import {
  type GrantedConsentView,
  listApplicationConsentsEndpoint,
  listGrantedConsentsEndpoint,
  withdrawApplicationConsentEndpoint,
  withdrawGrantedConsentEndpoint,
} from './consent-contract.ts';
import { listApplicationConsents, listGrantedConsents } from './list-consents.ts';
import { withdrawApplicationConsent, withdrawConsent } from './withdraw-consent.ts';

export const consentOperations = [
  operation(listGrantedConsentsEndpoint, listGrantedConsents),
  operation(withdrawGrantedConsentEndpoint, withdrawConsent),
  operation(listApplicationConsentsEndpoint, listApplicationConsents, {
    verb: 'users consents <user>',
    arguments: { user: { member: 'user_id', help: 'user id or e-mail address', reads: 'user' } },
    loadsKeys: true,
    line: ({ client_id: id, client_name: name, logins, scopes }: GrantedConsentView) =>
      `${id}  token families ${logins}  ${scopes.join(' ')}  ${name}`,
  }),
  operation(withdrawApplicationConsentEndpoint, withdrawApplicationConsent, {
    verb: 'users withdraw-consent <user> <client_id>',
    help: 'withdraw the consent of a user to an application, and revoke its tokens',
    arguments: { user: { member: 'user_id', help: 'user id or e-mail address', reads: 'user' } },
    listedBy: 'consents',
    asks: ({ user_id: userId, client_id: clientId }) => `withdraw the consent of ${userId} to ${clientId}`,
  }),
];
