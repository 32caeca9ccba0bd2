import { apiKeyNotAccepted, stepUpRequired } from '#services/platform/errors.ts';
import type { Caller, Clock } from '../ports.ts';
import { isByApiKey, userOf } from './callers.ts';
import { assertNoAgent } from './own-account.ts';

/** How recent and how strong a sign-in must be for endpoints with `stepUp`. */
export type StepUpRule = {
  readonly maxAgeSeconds: number;
  /** Use of a permission requires two factors; for the caller's own account a recent sign-in is enough. */
  readonly needsSecondFactor: boolean;
  readonly clock: Pick<Clock, 'now'>;
};

export type HasStepUp = { readonly stepUp: StepUpRule };

/** Whether the sign-in behind the caller's credential had two factors. False for callers without a sign-in. */
export const hasTwoFactors = (caller: Caller): boolean => userOf(caller)?.acr === 'aal2';

/**
 * Throws `step_up_required` (403) for a user whose sign-in is older than the rule allows, or has fewer factors, with the
 * challenge of RFC 9470 §3. Whether the account has a factor that the sign-in lacks is another question, which only rows
 * answer (`assertOwnFactor`). Clients pass, because they have no sign-in. Throws `api_key_not_accepted` (403) for a user's
 * API key, and `agent_not_accepted` (403) for an agent that uses a permission: what it grants or creates would outlive its
 * kill.
 */
export function assertRecentSignIn(
  caller: Caller,
  { maxAgeSeconds, needsSecondFactor, clock }: StepUpRule,
  { usesPermission }: { readonly usesPermission: boolean },
): void {
  if (usesPermission) assertNoAgent(caller);
  const user = userOf(caller);
  if (user === null) return;
  if (isByApiKey(user)) throw apiKeyNotAccepted();
  const isFresh = clock.now() / 1_000 - user.authTime <= maxAgeSeconds;
  const asksForFactor = usesPermission && needsSecondFactor;
  if (isFresh && (!asksForFactor || hasTwoFactors(user))) return;
  const factors = asksForFactor ? ' with two factors' : '';
  throw stepUpRequired({
    detail: `This requires a sign-in${factors} within the last ${maxAgeSeconds} seconds.`,
    headers: challengeOf([...(asksForFactor ? [TWO_FACTORS] : []), `max_age=${maxAgeSeconds}`]),
  });
}

const TWO_FACTORS = 'acr_values="aal2"';

const challengeOf = (requirements: readonly string[]) => ({
  'www-authenticate': [
    'Bearer realm="sallyport"',
    'error="insufficient_user_authentication"',
    'error_description="A more recent or stronger sign-in is required"',
    ...requirements,
  ].join(', '),
});

/** `step_up_required` (403) for a sign-in with one factor to an account that has another. */
export const strongerSignInRequired = (): Error =>
  stepUpRequired({
    detail: 'The account has a second factor. This requires a sign-in with it.',
    headers: challengeOf([TWO_FACTORS]),
  });
