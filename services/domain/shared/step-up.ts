import { apiKeyNotAccepted, stepUpRequired } from '#services/platform/errors.ts';
import type { Caller, Clock } from '../ports.ts';

/** How recent and how strong a sign-in must be for endpoints with `stepUp`. */
export type StepUpRule = {
  readonly maxAgeSeconds: number;
  /** Use of a permission requires two factors; for the caller's own account a recent sign-in is enough. */
  readonly needsSecondFactor: boolean;
  readonly clock: Pick<Clock, 'now'>;
};

export type HasStepUp = { readonly stepUp: StepUpRule };

/**
 * Throws `step_up_required` (403) for a user whose sign-in is older than the rule allows, or has fewer factors, with the
 * challenge of RFC 9470 §3. A sign-in with one factor means an account without a second factor: adding or removing one
 * ends every other session. Clients pass; a user's API key has no sign-in that could be recent: 403
 * `api_key_not_accepted`.
 */
export function assertRecentSignIn(
  caller: Caller,
  { maxAgeSeconds, needsSecondFactor, clock }: StepUpRule,
  { usesPermission }: { readonly usesPermission: boolean },
): void {
  if (caller.kind !== 'user') return;
  if (caller.by === 'api_key') throw apiKeyNotAccepted();
  const isFresh = clock.now() / 1_000 - caller.authTime <= maxAgeSeconds;
  const asksForFactor = usesPermission && needsSecondFactor;
  if (isFresh && (!asksForFactor || caller.acr === 'aal2')) return;
  const factors = asksForFactor ? ' with two factors' : '';
  throw stepUpRequired({
    detail: `This requires a sign-in${factors} within the last ${maxAgeSeconds} seconds.`,
    headers: {
      'www-authenticate': [
        'Bearer realm="sallyport"',
        'error="insufficient_user_authentication"',
        'error_description="A more recent or stronger sign-in is required"',
        ...(asksForFactor ? ['acr_values="aal2"'] : []),
        `max_age=${maxAgeSeconds}`,
      ].join(', '),
    },
  });
}
