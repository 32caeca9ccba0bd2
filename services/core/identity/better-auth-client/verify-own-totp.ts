import { assertRecentSignIn, type HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { Caller } from '#services/core/ports.ts';
import { confirmTotpEnrolment } from '../factors/enrol-totp.ts';
import { readTwoFactor } from '../factors/factors.store.ts';
import { stepUp } from '../factors/step-up.ts';
import type { SignInAnswer } from '../sessions/open-session.ts';
import { ownSession } from '../sessions/own-session.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';

/**
 * A signed-in user sends the code of the authenticator app. While an enrolment waits for its first code, the code
 * confirms it, which requires a recent sign-in, and a new session replaces the caller's; otherwise the user authenticates
 * again with it, and the session is renewed.
 * @throws those of `confirmTotpEnrolment` and `stepUp`, stepUpRequired (403)
 */
export async function verifyOwnTotp(
  ports: SignInPorts & HasStepUp,
  { code, ...request }: { readonly code: string; readonly cookie?: string | undefined; readonly signal: AbortSignal },
  caller: Caller,
): Promise<SignInAnswer> {
  const { userId } = await ownSession(ports, caller);
  const row = await readTwoFactor(ports.sql, userId);
  if (row === undefined || row.is_verified) return stepUp(ports, { totp: code, ...request }, caller);
  assertRecentSignIn(caller, ports.stepUp, { usesPermission: false });
  return confirmTotpEnrolment(ports, { code, ...request }, caller);
}
