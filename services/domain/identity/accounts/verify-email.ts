import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { assertMayIssue } from '#services/domain/tokens/revocations/revocation-set.ts';
import { userEmailVerified } from '../audit-events.ts';
import { emailTaken, loginLocked } from '../errors.ts';
import type { PendingSignUp } from '../mail/mails.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { clearSignInFailures } from '../sign-in/forgive-sign-in.ts';
import { ASK_AGAIN_SECONDS, accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { isSteppedUp } from '../sign-in/sign-in-failures.store.ts';
import { isSignInUnevaluated } from '../sign-in/sign-in-origin.store.ts';
import {
  findAccount,
  findAccountByEmail,
  insertPassword,
  insertUser,
  lockUser,
  proveEmail,
  replaceEmail,
} from './accounts.store.ts';
import {
  holds,
  type Reader,
  type ReaderOfAccount,
  readerOf,
  type VerifyInput,
  type VerifyPorts,
} from './code-reader.ts';
import { forgetSessions } from './forget-sessions.ts';
import { takeInvitation } from './invitations.store.ts';
import { deleteCodes } from './one-time-codes.store.ts';
import { findCode, type ProvenCode, redeemCode } from './one-time-codes.ts';
import { refuseCode } from './refuse-code.ts';
import { takeOver } from './set-password.ts';

/** Sealing and detections run every few seconds. */
const JUDGED_SECONDS = 5;
const PURPOSES = ['sign_up', 'verify_email', 'change_email'] as const;

/**
 * Proves an address by the code that was sent to it: of a sign-up, whose account begins now; of an account that has
 * it; or of one that changes to it. Whoever gave an address may be another than who reads its mail: so the code counts
 * with a session or the password of its account, or else with a password that the reader sets, and by which everything
 * of before ends. Makes no session. Of any number of calls with one code one succeeds.
 * @throws codeInvalid, passwordRequired, the `passwordErrors` (400; the code stays), currentPasswordWrong (403),
 *   emailTaken (409) when another account took the address meanwhile, hashingBusy (503), loginLocked (429; for another
 *   address after the act `step_up`, or before detections have judged a sign-in, as well, and the code stays)
 */
export async function verifyEmail(
  ports: VerifyPorts,
  input: VerifyInput,
  caller: Caller,
): Promise<{ readonly status: 'verified' }> {
  assertMayIssue(ports.revocations);
  const { token } = input;
  for (const purpose of PURPOSES) {
    const code = await findCode(ports.sql, purpose, token);
    if (!code) continue;
    const reader = await readerOf(ports, { ...code, purpose }, input, caller);
    if (!reader) break;
    const isProven = await ports
      .transact(async (tx) => {
        await setAuditContext(tx, caller, 'address_proved');
        const proof = await redeemCode(tx, ports, [purpose], token);
        return proof !== undefined && (await prove(tx, ports, proof, reader, caller));
      })
      .catch((err: unknown) => {
        throw (err as { code?: unknown }).code === '23505' ? emailTaken({ cause: err }) : err;
      });
    if (isProven) return { status: 'verified' };
    break;
  }
  return refuseCode(ports.sql, caller);
}

async function prove(tx: Tx, ports: VerifyPorts, proof: ProvenCode, reader: Reader, caller: Caller): Promise<boolean> {
  const provenId =
    reader.by === 'new_account'
      ? await beginAccount(tx, ports, proof, reader.digest)
      : await proveAddress(tx, ports, proof, reader, caller);
  if (provenId === undefined) return false;
  await deleteCodes(tx, provenId, proof.email);
  await takeInvitation(tx, provenId);
  if (reader.by === 'new_account' || reader.by === 'new_password') await clearSignInFailures(tx, ports, proof.email);
  await recordEvent(tx, caller, userEmailVerified, { outcome: 'ok', target: { kind: 'user', id: provenId } });
  return true;
}

/** The account of a sign-up, or one of nobody that has its address: the password of the mail's reader takes effect. */
async function beginAccount(
  tx: Tx,
  ports: VerifyPorts,
  { email, carries }: ProvenCode,
  digest: string,
): Promise<string | undefined> {
  const id = ports.random.uuid();
  if (await insertUser(tx, { id, email, name: (carries as PendingSignUp).name })) {
    await insertPassword(tx, ports.random.uuid(), id, digest);
    return id;
  }
  const found = await findAccountByEmail(tx, email);
  if (!found || !(await lockUser(tx, found.id))) return undefined;
  const account = await findAccount(tx, found.id);
  if (!account || account.email !== email || account.emailVerified || account.isDisabled) return undefined;
  tx.afterCommit(ports.announceRevocations);
  await takeOver(tx, ports, account, digest);
  return account.id;
}

async function proveAddress(
  tx: Tx,
  ports: VerifyPorts,
  { email, purpose }: ProvenCode,
  reader: ReaderOfAccount,
  caller: Caller,
): Promise<string | undefined> {
  const { userId } = reader;
  const account = await findAccount(tx, userId);
  if (!account || account.isDisabled || !(await holds(tx, account, reader))) return undefined;
  await forgetSessions(tx, ports, userId);
  if (purpose === 'change_email') {
    // Else whoever closed it is shed: by key it is of the old address. The code stays, until the account is opened.
    if (await isSteppedUp(tx, accountKeyOf(ports, account.email)))
      throw loginLocked({ retryAfterSeconds: ASK_AGAIN_SECONDS });
    // Nor before what closes it: an address that is another's already cannot be taken back, and is mailed what opens it.
    if (await isSignInUnevaluated(tx, userId)) throw loginLocked({ retryAfterSeconds: JUDGED_SECONDS });
    await replaceEmail(tx, userId, email);
    await deleteCodes(tx, userId, account.email);
    await queueMail(tx, ports, { template: 'email_changed', to: account.email }, caller);
    return userId;
  }
  if (account.emailVerified || account.email !== email) return undefined;
  if (reader.by === 'new_password') {
    tx.afterCommit(ports.announceRevocations);
    await takeOver(tx, ports, account, reader.digest);
  } else {
    await proveEmail(tx, userId, email);
  }
  return userId;
}
