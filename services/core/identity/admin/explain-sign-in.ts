import { userUnknown } from '#services/core/tokens/errors.ts';
import type { SignInExplanation } from '../contracts/admin-contract.ts';
import { CODE_FAILURES_EVER } from '../factors/factors.store.ts';
import type { HasVerificationRule } from '../mail/queue-mail.ts';
import type { HasSessionLimit } from '../sessions/make-room.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { isSteppedUp } from '../users/sign-in-failures.store.ts';
import { readSignInFacts } from '../users/users.store.ts';
import { type ShowUserPorts, showUser } from './read-users.ts';
import { signInCauses } from './sign-in-causes.ts';

type HasSecondFactorRoles = {
  /** Roles that have no effect after a sign-in with one factor. */
  readonly secondFactorRoles: readonly string[];
};

type ExplainSignInPorts = ShowUserPorts & HasVerificationRule & HasSessionLimit & HasSecondFactorRoles;

/**
 * Explains to support staff why a user cannot sign in: one sentence with the command that helps, and what else applies.
 * @throws userUnknown (404)
 */
export async function explainSignIn(
  ports: ExplainSignInPorts,
  input: { readonly user_id: string },
): Promise<SignInExplanation> {
  const { sql } = ports;
  const facts = await readSignInFacts(sql, input.user_id, CODE_FAILURES_EVER);
  if (facts === undefined) throw userUnknown();
  const user = await showUser(ports, input);
  const [first, ...also] = signInCauses(
    {
      ...facts,
      id: user.id,
      email: user.email,
      disabledAt: user.disabled_at,
      isVerified: user.email_verified_at !== null,
      passkeys: user.factors.passkeys,
      hasTotp: user.factors.totp,
      codesLeft: user.factors.recovery_codes_left,
      owesFactor: user.factors.owed,
      failedLogins: user.failed_logins,
      lockedUntil: user.locked_until,
      isClosed: user.password_closed,
      isSteppedUp: await isSteppedUp(sql, accountKeyOf(ports, user.email)),
      roles: user.roles,
      sessions: user.sessions,
      lastLoginAt: user.last_login_at,
    },
    ports,
  );
  return { user_id: user.id, ...first, also };
}
