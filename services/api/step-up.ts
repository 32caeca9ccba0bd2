import type { Caller, Clock } from '../domain/ports.ts';
import { stepUpRequired } from '../platform/errors.ts';

/** How fresh a login must be for what endpoints with `stepUp` do. */
export type StepUpRule = {
  readonly maxAgeSeconds: number;
  readonly clock: Pick<Clock, 'now'>;
};

/**
 * Throws `step_up_required` (403) for a person whose login is older than the rule allows, with the challenge of
 * RFC 9470 §3. Clients are no people, and pass.
 */
export function assertFreshLogin(caller: Caller, { maxAgeSeconds, clock }: StepUpRule): void {
  if (caller.kind !== 'user') return;
  if (clock.now() / 1_000 - caller.authTime <= maxAgeSeconds) return;
  throw stepUpRequired({
    detail: `This needs a login of the last ${maxAgeSeconds} seconds.`,
    headers: {
      'www-authenticate': `Bearer realm="sallyport", error="insufficient_user_authentication", error_description="A more recent login is needed", max_age=${maxAgeSeconds}`,
    },
  });
}
