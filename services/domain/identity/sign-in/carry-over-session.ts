import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { userLogin } from '../audit-events.ts';
import { emailUnverified } from '../contracts/account-errors.ts';
import { loginRefused, sessionSteppedUp } from '../contracts/sign-in-errors.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import type { LiveSession } from '../sessions/live-session.ts';
import { makeRoom } from '../sessions/make-room.ts';
import { createSessionFamily, type SessionWithFamily } from '../sessions/open-session.ts';
import { readSessionRow } from '../sessions/sessions.store.ts';
import { findAccount, lockUser } from '../users/accounts.store.ts';
import { type Assurance, isTwoFactors } from '../users/assurance.ts';
import { userCaller } from './finish-sign-in.ts';
import { isClosedTo } from './refuse-stepped-up.ts';
import type { SignInPorts } from './sign-in.ts';
import { readSignInOriginOf } from './sign-in-origin.ts';

export type CarriedOver = {
  readonly userId: string;
  readonly assurance: Assurance;
  /** When the user signed in elsewhere. */
  readonly signedInAt: Date;
  /** The session of this browser. */
  readonly former: LiveSession | null;
  readonly cookie: string | undefined;
  /** The session that it became before, read with the user locked; null: none. */
  readonly sessionOf: () => Promise<string | null>;
  readonly detail: Readonly<Record<string, unknown>>;
};

export type CarriedSession = { readonly signedIn: SessionWithFamily; readonly isNew: boolean };

/**
 * Continues a session of another system as one here, with its strength and age, in the caller's transaction
 * (`ports.auth.transact`). A session that it became before goes on, with the cookie that it has; so does the session of
 * this browser, if it is the same user's, with its own strength. Otherwise a session opens. The caller has verified the
 * other session, and records nothing of what is refused.
 * @throws sessionSteppedUp (401) if the session has a second factor here that the other one lacks, unless this browser has
 *   its cookie; loginRefused (401) for a disabled or deleted account, or one locked for this device; emailUnverified (403)
 */
export async function carryOverSession(
  tx: Tx,
  ports: SignInPorts,
  carried: CarriedOver,
  caller: Caller,
): Promise<CarriedSession> {
  const { userId, former, cookie } = carried;
  const account = (await lockUser(tx, userId)) ? await findAccount(tx, userId) : undefined;
  if (account === undefined || account.isDisabled || (await isClosedTo(tx, ports, { userId, cookie })))
    throw loginRefused();
  if (ports.verificationRequired && !account.emailVerified) throw emailUnverified();
  const person = userCaller(userId, caller);
  const known = (await carried.sessionOf()) ?? (former?.user.id === userId ? former.session.id : null);
  const row = known === null ? undefined : await readSessionRow(tx, known, ports.tokenSettings.twoFactorIdleSeconds);
  if (row?.userId === userId && !row.isIdle && row.expiresAt.getTime() > ports.clock.now()) {
    // The other system proves less than this session has, and only its cookie proves the rest.
    if (isTwoFactors(row.acr) && !isTwoFactors(carried.assurance.acr) && former?.session.id !== row.id)
      throw sessionSteppedUp();
    if (former !== null && former.session.id !== row.id) await endSessionIn(tx, ports, former.session.id);
    const { isDisabled: _disabled, isIdle: _idle, ...session } = row;
    const resumed = await ports.auth.resumeSession(session, caller.request);
    return { signedIn: await createSessionFamily(tx, ports, resumed, person), isNew: false };
  }
  await makeRoom(
    tx,
    ports,
    { userId, former: former?.user.id === userId ? null : former, reason: 'carry_over' },
    caller,
  );
  const { assurance, signedInAt: createdAt } = carried;
  const opened = await ports.auth.openSession({ userId, assurance, createdAt, renews: null }, caller.request);
  await recordEvent(tx, person, userLogin, {
    outcome: 'ok',
    target: { kind: 'user', id: userId },
    detail: { ...carried.detail, ...(await readSignInOriginOf(tx, ports, opened, cookie, caller)) },
  });
  return { signedIn: await createSessionFamily(tx, ports, opened, person), isNew: true };
}
