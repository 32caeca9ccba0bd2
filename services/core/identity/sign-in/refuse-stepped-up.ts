import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { userLogin } from '../audit-events.ts';
import { loginLocked } from '../contracts/sign-in-errors.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { findAccount } from '../users/accounts.store.ts';
import { isSteppedUp } from '../users/sign-in-failures.store.ts';
import { ASK_AGAIN_SECONDS, accountKeyOf } from './sign-in-counters.ts';
import { isFromKnownDevice } from './sign-in-origin.ts';

/**
 * Whether the action `step_up` of an incident refuses this sign-in: an unknown device cannot sign in with a single factor
 * then. Every single-factor sign-in method except the password calls this before it opens a session, with the user
 * locked; if it returns true, the caller rolls back its work and calls `lockedOut`. Wrong passwords alone lock no other
 * sign-in method; otherwise an attacker could lock users out by guessing.
 */
export async function isClosedTo(
  tx: Tx,
  ports: Pick<Ports, 'clock'> & HasKeyRing & HasAuth,
  { userId, cookie }: { readonly userId: string; readonly cookie: string | undefined },
): Promise<boolean> {
  const account = await findAccount(tx, userId);
  if (!account || account.isDisabled || !(await isSteppedUp(tx, accountKeyOf(ports, account.email)))) return false;
  return !(await isFromKnownDevice(tx, ports, account, cookie));
}

/** Records the refused sign-in and returns `login_locked` (429), as for the password, for the caller to throw. */
export async function lockedOut(
  sql: Sql,
  { userId, detail }: { readonly userId: string; readonly detail: EventDetail<typeof userLogin> },
  caller: Caller,
): Promise<AppError> {
  await recordEvent(sql, caller, userLogin, {
    outcome: 'locked',
    target: { kind: 'user', id: userId },
    detail: { ...detail, known_device: false },
  });
  return loginLocked({ retryAfterSeconds: ASK_AGAIN_SECONDS });
}
