/** What a retention policy is about. */
export const RETENTION_KINDS = [
  'users',
  'phi',
  'exports',
  'shredded_keys',
  'restrictions',
  'emergency_accesses',
  'disclosures',
  'privacy_requests',
  'consents',
  'legal_holds',
  'retention_runs',
  'audit_events',
] as const;
export type RetentionKind = (typeof RETENTION_KINDS)[number];

/** Six years, with two leap days (45 CFR 164.316(b)(2)(i)). */
export const FLOOR_DAYS = 2_192;
/** Kinds that are no evidence, so they may be kept for less, or for good. */
export const WITHOUT_FLOOR: readonly RetentionKind[] = ['users', 'phi', 'exports'];
