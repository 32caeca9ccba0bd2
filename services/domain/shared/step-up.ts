import { apiKeyNotAccepted, stepUpRequired } from '#services/platform/errors.ts';
import type { Caller, Clock } from '../ports.ts';

/** How fresh, and how well proved, a login must be for what endpoints with `stepUp` do. */
export type StepUpRule = {
  readonly maxAgeSeconds: number;
  /** Whoever uses a permission for it must have proved two factors; of one's own account freshness is enough. */
  readonly needsSecondFactor: boolean;
  readonly clock: Pick<Clock, 'now'>;
};

export type HasStepUp = { readonly stepUp: StepUpRule };

/**
 * Throws `step_up_required` (403) for a person whose login is older than the rule allows, or of fewer factors, with the
 * challenge of RFC 9470 §3. A login of one factor is one of an account that has no second: enrolling or losing one ends
 * every other. Clients are no people, and pass; a user’s API key has no login that could be fresh: 403
 * `api_key_not_accepted`.
 */
export function assertFreshLogin(
  caller: Caller,
  { maxAgeSeconds, needsSecondFactor, clock }: StepUpRule,
  { usesPermission }: { readonly usesPermission: boolean },
): void {
  if (caller.kind !== 'user') return;
  if (caller.by === 'api_key') throw apiKeyNotAccepted();
  const isFresh = clock.now() / 1_000 - caller.authTime <= maxAgeSeconds;
  const asksForFactor = usesPermission && needsSecondFactor;
  if (isFresh && (!asksForFactor || caller.acr === 'aal2')) return;
  const factors = asksForFactor ? ' of two factors' : '';
  throw stepUpRequired({
    detail: `This needs a login${factors} of the last ${maxAgeSeconds} seconds.`,
    headers: {
      'www-authenticate': [
        'Bearer realm="sallyport"',
        'error="insufficient_user_authentication"',
        'error_description="A more recent or stronger login is needed"',
        ...(asksForFactor ? ['acr_values="aal2"'] : []),
        `max_age=${maxAgeSeconds}`,
      ].join(', '),
    },
  });
}
