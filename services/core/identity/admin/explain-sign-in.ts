import { listEvents } from '#services/core/audit/read/list-events.ts';
import type { Sql } from '#services/core/ports.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import type { SignInCause, SignInExplanation } from '../contracts/admin-contract.ts';
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

/**
 * Explains to support staff why a user cannot sign in: the cause, the act that helps, and what else applies.
 * @throws userUnknown (404)
 */
export async function explainSignIn(
  ports: ShowUserPorts & HasVerificationRule & HasSessionLimit & HasSecondFactorRoles,
  input: { readonly user_id: string },
): Promise<SignInExplanation> {
  const { sql } = ports;
  const facts = await readSignInFacts(sql, input.user_id, CODE_FAILURES_EVER);
  if (facts === undefined) throw userUnknown();
  const user = await showUser(ports, input);
  const [first, ...also] = signInCauses(
    {
      ...facts,
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
  const disabling = user.disabled_at === null ? {} : await readDisabling(sql, user.id, user.disabled_at);
  return { user_id: user.id, email: user.email, ...first, ...disabling, also };
}

/** Who disabled the account, and why: as the sealed log says, seconds after the act. */
async function readDisabling(sql: Sql, id: string, from: string): Promise<Partial<SignInCause>> {
  const asked = { limit: 1, type: 'user.disabled', target: `user:${id}`, from };
  const [event] = (await listEvents({ sql }, asked)).events;
  if (event === undefined) return {};
  const { reason } = event.detail;
  return { by: event.actor, ...(typeof reason === 'string' ? { reason } : {}) };
}
