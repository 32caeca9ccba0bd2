/** Roles in which people sign off; each is also a role of the installation. */
export const SIGNOFF_ROLES = [
  'developer',
  'tech_lead',
  'qa',
  'security_reviewer',
  'product_owner',
  'architect',
] as const;
export type SignOffRole = (typeof SIGNOFF_ROLES)[number];

/** `interrupted`: the act started before the sign-off expired, and its end was not reported. */
export const SIGNOFF_STATES = [
  'pending',
  'approved',
  'denied',
  'expired',
  'running',
  'interrupted',
  'done',
  'failed',
] as const;
export type SignOffState = (typeof SIGNOFF_STATES)[number];

export const DECISIONS = ['approve', 'deny'] as const;
export type Decision = (typeof DECISIONS)[number];

export const ARGUMENTS_BYTES_MAX = 32_768;
export const ARGUMENTS_DEPTH_MAX = 32;
export const COMMENT_LENGTH_MAX = 1_000;
export const LIFE_MINUTES_MAX = 1_440;
