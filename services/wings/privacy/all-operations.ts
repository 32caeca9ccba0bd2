import {
  breakGlassOperations,
  disclosureOperations,
  policyOperations,
  privacyRequestOperations,
  restrictionOperations,
} from './access/operations.ts';
import { consentOperations, listConsentsOperation } from './consent/operations.ts';
import { phiKeyOperations, phiOperations } from './operations.ts';
import { holdOperations, retentionOperations } from './retention/operations.ts';

/** Every list of the module. */
export const privacyOperations = [
  ...phiKeyOperations,
  ...phiOperations,
  ...policyOperations,
  ...breakGlassOperations,
  ...restrictionOperations,
  ...disclosureOperations,
  ...privacyRequestOperations,
  listConsentsOperation,
  ...consentOperations,
  ...retentionOperations,
  ...holdOperations,
];
