import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { userLogin } from '../audit-events.ts';
import { emailUnverified } from '../contracts/account-errors.ts';
import { loginRefused, sessionSteppedUp } from '../contracts/sign-in-errors.ts';
import { type Admission, admitSession } from '../sessions/admit-session.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import type { LiveSession } from '../sessions/live-session.ts';
import { makeRoom } from '../sessions/make-room.ts';
import { createSessionFamily, type SessionWithFamily } from '../sessions/open-session.ts';
import { assuranceOfSession } from '../sessions/session-assurance.ts';
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
  /** Its id; the session that answers a challenge continues it. */
  readonly legacySession: Buffer;
  /** The session that it became before, read with the user locked; null: none. */
  readonly sessionOf: () => Promise<string | null>;
  readonly detail: EventDetail<typeof userLogin>;
};

/** A session of another system that may go on here. */
export type AdmittedCarry = {
  readonly admission: Admission;
  /** The session that goes on; undefined: one opens. */
  readonly row: NonNullable<Awaited<ReturnType<typeof readSessionRow>>> | undefined;
};

/**
 * Whether a session of another system may go on here. It goes on as the session that it became before, or as that of this
 * browser if it is the same user's; this browser's cookie proves the factors of its session. An account with a second factor
 * that neither proves is asked for it: the returned `second_factor_required` has a challenge, and is thrown after the
 * commit. The other session stays as it is.
 * @throws loginRefused (401) for a disabled or deleted account, or one locked for this device; emailUnverified (403);
 *   sessionSteppedUp (401) if the session was opened with two factors, and the account has none now
 */
export async function admitCarriedSession(
  tx: Tx,
  ports: SignInPorts,
  carried: CarriedOver,
  caller: Caller,
): Promise<AdmittedCarry | AppError> {
  const { userId, former, cookie, legacySession, detail } = carried;
  const account = (await lockUser(tx, userId)) ? await findAccount(tx, userId) : undefined;
  if (account === undefined || account.isDisabled || (await isClosedTo(tx, ports, { userId, cookie })))
    throw loginRefused();
  if (ports.verificationRequired && !account.emailVerified) throw emailUnverified();
  const known = (await carried.sessionOf()) ?? (former?.user.id === userId ? former.session.id : null);
  const found = known === null ? undefined : await readSessionRow(tx, known, ports.tokenSettings.twoFactorIdleSeconds);
  const isLive = found?.userId === userId && !found.isIdle && found.expiresAt.getTime() > ports.clock.now();
  const row = isLive ? found : undefined;
  const isOfBrowser = row !== undefined && former?.session.id === row.id;
  const assurance = isOfBrowser ? assuranceOfSession(row) : carried.assurance;
  const arrival = { userId, assurance, detail, legacySession };
  const admission = await admitSession(tx, ports, arrival, userCaller(userId, caller));
  if (isAppError(admission)) return admission;
  // The other system proves less than this session has, and only its cookie proves the rest.
  if (isTwoFactors(row?.acr) && !isTwoFactors(assurance.acr)) throw sessionSteppedUp();
  return { admission, row };
}

/**
 * Continues an admitted session of another system as one here, with its strength and age, in the same transaction
 * (`ports.auth.transact`).
 */
export async function carryOverSession(
  tx: Tx,
  ports: SignInPorts,
  carried: CarriedOver,
  { admission, row }: AdmittedCarry,
  caller: Caller,
): Promise<{ readonly signedIn: SessionWithFamily; readonly isNew: boolean }> {
  const { userId, former, cookie } = carried;
  const person = userCaller(userId, caller);
  if (row !== undefined) {
    if (former !== null && former.session.id !== row.id) await endSessionIn(tx, ports, former.session.id);
    const { isDisabled: _disabled, isIdle: _idle, ...session } = row;
    const resumed = await ports.auth.resumeSession(admission, session, caller.request);
    return { signedIn: await createSessionFamily(tx, ports, resumed, person), isNew: false };
  }
  await makeRoom(
    tx,
    ports,
    { userId, former: former?.user.id === userId ? null : former, reason: 'carry_over' },
    caller,
  );
  const { signedInAt: createdAt } = carried;
  const opened = await ports.auth.openSession({ admission, createdAt, renews: null }, caller.request);
  await recordEvent(tx, person, userLogin, {
    outcome: 'ok',
    target: { kind: 'user', id: userId },
    detail: { ...carried.detail, ...(await readSignInOriginOf(tx, ports, opened, cookie, caller)) },
  });
  return { signedIn: await createSessionFamily(tx, ports, opened, person), isNew: true };
}
