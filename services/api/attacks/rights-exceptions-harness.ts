// For tests only: what the matrix of rights does not derive from the contract of a route.

/**
 * Acts that need a permission and no reason. The purpose of a use of health data is its reason; a compliance report
 * changes nothing; RFC 7662 and RFC 7591 bodies name no resource; a sign-off has a title, and its decisions comments; a
 * rotation is what the schedule does anyway; and stopping, resuming or retrying a queue concerns no user's resources.
 */
export const NO_REASON: ReadonlySet<string> = new Set([
  'introspectToken',
  'selfRegisterClient',
  'rotateSigningKeys',
  'changeQueue',
  'encryptPhi',
  'decryptPhi',
  'validateDataAccess',
  'logPhiAccess',
  'recordDisclosure',
  'recordUserConsent',
  'requestReport',
  'requestSignOff',
  'approveSignOff',
  'denySignOff',
  'startSignOff',
  'finishSignOff',
]);

/** Ids in paths that no user owns: of the audit log, of providers, of the installation's keys, of compliance, and of hand-offs. */
export const OF_NOBODY: ReadonlySet<string> = new Set([
  'mail',
  'origin',
  'seq',
  'tile',
  'part',
  'provider',
  'rotation_id',
  'purpose',
  'restriction_id',
  'break_glass_id',
  'request_id',
  'hold_id',
  'run_id',
  'report_id',
  'control_id',
  'violation_id',
  'delivery_id',
]);

/** Endpoints whose use-case decides, and the permission that gives access to other users' resources. */
export const BY_USE_CASE: Readonly<Record<string, string>> = {
  issueTokens: 'tokens:issue',
  revokeToken: 'tokens:revoke',
  readSignOff: 'signoffs:read',
  readSignOffReceipt: 'signoffs:read',
};
