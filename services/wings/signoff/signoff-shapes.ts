export { LIFE_MINUTES_MAX, SIGNOFF_ROLES, type SignOffRole } from '#services/core/access/signoff-policy-shapes.ts';

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
