import { operation } from '#services/core/shared/operation.ts';
import { PHI_PURPOSES } from '../phi-shapes.ts';
import {
  listConsentsEndpoint,
  recordConsentEndpoint,
  validateConsentEndpoint,
  withdrawConsentEndpoint,
} from './consent-contract.ts';
import {
  type ConsentView,
  listConsents,
  manageConsentWithdrawal,
  recordUserConsent,
  validateUserConsent,
} from './user-consent.ts';

export const consentLine = (row: ConsentView): string =>
  `${row.recorded_at}  ${row.purpose}  version ${row.version}  ${row.granted ? 'granted' : 'not granted'}  terms ${row.terms}`;

/** Apart from the list, because the help shows `list` before `check` and `record`, which are bound by hand. */
export const listConsentsOperation = operation(listConsentsEndpoint, listConsents, {
  verb: 'privacy consents list <subject_id>',
  help: 'list every decision of a person, newest first',
  checksArguments: true,
  lines: ({ consents }) => consents.map(consentLine),
});

export const consentOperations = [
  operation(recordConsentEndpoint, recordUserConsent),
  operation(withdrawConsentEndpoint, manageConsentWithdrawal, {
    verb: 'privacy consents withdraw <subject_id>',
    help: 'withdraw the consents of a person; uses that need one stop',
    options: { purposes: { help: 'only consents for these purposes', choices: PHI_PURPOSES } },
    asks: ({ subject_id: subjectId }) => `withdraw the consents of ${subjectId}`,
    lines: ({ withdrawn }) => withdrawn.map(consentLine),
  }),
  operation(validateConsentEndpoint, validateUserConsent),
];
