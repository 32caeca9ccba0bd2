import type { AppError } from '../../platform/define/error.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { HasKeyRing } from '../keys/key-ring.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { findAccount } from './accounts/accounts.store.ts';
import { userLogin } from './audit-events.ts';
import type { HasAuth } from './auth.ts';
import { loginLocked } from './errors.ts';
import { ASK_AGAIN_SECONDS, accountKeyOf } from './login-counters.ts';
import { isSteppedUp } from './login-failures.store.ts';
import { isFromKnownDevice } from './login-sighting.ts';

/**
 * What every way of signing in by one factor but the password calls before it opens a session, with the user locked.
 * Null: go on. After the act `step_up` of an incident an unknown device gets in by no single factor, so it is
 * `login_locked` (429), as for the password: recorded here, to be thrown after the commit. Wrong passwords alone close
 * no other way in, or whoever guesses could lock people out.
 */
export async function refuseSteppedUp(
  tx: Tx,
  ports: Pick<Ports, 'clock'> & HasKeyRing & HasAuth,
  login: {
    readonly userId: string;
    readonly cookie: string | undefined;
    readonly detail: Readonly<Record<string, unknown>>;
  },
  caller: Caller,
): Promise<AppError | null> {
  const { userId, cookie, detail } = login;
  const account = await findAccount(tx, userId);
  if (!account || !(await isSteppedUp(tx, accountKeyOf(ports, account.email)))) return null;
  if (await isFromKnownDevice(tx, ports, account, cookie)) return null;
  await recordEvent(tx, caller, userLogin, {
    outcome: 'locked',
    target: { kind: 'user', id: userId },
    detail: { ...detail, known_device: false },
  });
  return loginLocked({ retryAfterSeconds: ASK_AGAIN_SECONDS });
}
