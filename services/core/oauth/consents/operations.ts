import { operation } from '#services/core/shared/operation.ts';
import { listGrantedConsentsEndpoint, withdrawGrantedConsentEndpoint } from './consent-contract.ts';
import { listGrantedConsents } from './list-consents.ts';
import { withdrawConsent } from './withdraw-consent.ts';

/** A user's consents to applications. */
export const consentOperations = [
  operation(listGrantedConsentsEndpoint, listGrantedConsents),
  operation(withdrawGrantedConsentEndpoint, withdrawConsent),
];
