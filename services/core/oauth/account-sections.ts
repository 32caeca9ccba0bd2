import {
  type AccountSection,
  showAccountApplicationsEndpoint,
  showAccountDataEndpoint,
  showAccountEndpoint,
  showAccountKeysEndpoint,
  showAccountSecurityEndpoint,
  showAccountSessionsEndpoint,
} from './own-account-page-contract.ts';

/** The page of each section of the account page, in the order of its navigation. */
export const ACCOUNT_SECTIONS = {
  profile: showAccountEndpoint,
  security: showAccountSecurityEndpoint,
  sessions: showAccountSessionsEndpoint,
  applications: showAccountApplicationsEndpoint,
  keys: showAccountKeysEndpoint,
  data: showAccountDataEndpoint,
} as const satisfies Record<AccountSection, unknown>;
