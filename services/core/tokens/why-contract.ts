import { z } from 'zod';
import { componentNames } from '#services/platform/define/component-names.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { END_RULES } from '../audit/end-rule-shapes.ts';
import { clockWrong, keyRingBehind } from '../keys/errors.ts';
import { revocationStateStale, stateRewound } from '../revocations/contract.ts';

/** Rules that end a token family. A reason that a caller wrote is only in the audit log, and is shown as `revoked`. */
export const END_REASONS = [
  'unknown_token',
  'expired',
  'key_compromised',
  'sign_out',
  'ended_by_user',
  'sign_in',
  'superseded',
  'refresh_token_reused',
  'code_reused',
  'session_limit',
  'step_up',
  'consent_withdrawn',
  'password_changed',
  'password_reset',
  'address_proved',
  'social_sign_in',
  'invitation_accepted',
  'factor_enrolled',
  'factor_removed',
  'account_deleted',
  'user_deleted',
  'client_deleted',
  'revocation_budget',
  'restore_accepted',
  'revoked',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** Which rule ended it; `reason` may be free text. `admin_ended`: ended by a caller that may end other users' sessions. */
export const DECIDING_RULES = [...END_REASONS, ...END_RULES, 'admin_ended', 'token_revoked'] as const;
export type DecidingRule = (typeof DECIDING_RULES)[number];

const cause = z.object({
  /** Type of the audit event that recorded it. */
  event: z.string(),
  /** `self`: the token's user; `user`: another user with the permission. Null: no longer known. */
  actor: z.enum(['self', 'user', 'client', 'system', 'anonymous']).nullable(),
  at: z.string(),
});

/** For a refresh token: when a refresh last repeated a lost response past the grace window. */
const lostAnswerAt = z.string().optional();

const explanation = z
  .union([
    z.object({ ended: z.literal(false), lost_answer_at: lostAnswerAt }),
    z.object({
      ended: z.literal(true),
      reason: z.enum(END_REASONS),
      /** `revoked` only when nothing more than the end itself is known. */
      rule: z.enum(DECIDING_RULES),
      cause: cause.nullable(),
      lost_answer_at: lostAnswerAt,
    }),
  ])
  .register(componentNames, { id: 'EndExplanation' });
export type Explanation = z.output<typeof explanation>;

export const explainEndEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/tokens/why',
  operation: 'explainEnd',
  summary: 'Explain to the holder of a token why it or its session ended',
  tag: 'Tokens',
  auth: 'public',
  limit: 'token',
  body: z.strictObject({ token: z.string().min(1).max(16_384) }),
  responses: { 200: explanation },
  errors: [revocationStateStale, stateRewound, clockWrong, keyRingBehind, storeUnavailable],
});
