import { z } from 'zod';

export const inactiveReasons = [
  'malformed',
  'unknown_key',
  'bad_signature',
  'wrong_type',
  'wrong_issuer',
  'wrong_audience',
  'expired',
  'not_yet_valid',
  'revoked',
  'session_ended',
  'family_reused',
  'key_compromised',
  'binding_mismatch',
  'insufficient_scope',
  'unknown_id',
] as const;

/** Why a token is not active: the closed list of the validate answer. */
export type InactiveReason = (typeof inactiveReasons)[number];

export const verdict = z.union([
  z.object({ active: z.literal(true), claims: z.record(z.string(), z.unknown()) }),
  z.object({ active: z.literal(false), reason: z.enum(inactiveReasons) }),
]);
