import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { userEmailVerified } from '../audit-events.ts';
import { takeInvitation } from '../mail/invitations.store.ts';
import type { AskedBy, PendingSignUp } from '../mail/mails.ts';
import { deleteCodes } from '../mail/one-time-codes.store.ts';
import { findCode, type RedeemedCode, redeemCode } from '../mail/one-time-codes.ts';
import { readOwnSession } from '../sessions/sessions.store.ts';
import { clearSignInFailures } from '../sign-in/sign-in-guard.ts';
import {
  findAccount,
  findAccountByEmail,
  insertPassword,
  insertUser,
  lockUser,
  markEmailVerified,
} from '../users/accounts.store.ts';
import { asEmailTaken, replaceAddress } from './change-email.ts';
import {
  isStillValid,
  type Reader,
  type ReaderOfAccount,
  readerOf,
  type VerifyInput,
  type VerifyPorts,
} from './code-reader.ts';
import { forgetSessions } from './forget-sessions.ts';
import { refuseCode } from './refuse-code.ts';
import { resetCredentials } from './set-password.ts';

const PURPOSES = ['sign_up', 'verify_email', 'change_email'] as const;

/**
 * Verifies an address by the code sent to it: the address of a sign-up, whose account is then created, or the current
 * or the new address of an account. The person who entered the address may not be the person who reads its mail, so the
 * code must come with a session or the password of the account, or with a new password, which ends all existing
 * credentials and sessions. Opens no session; `by` says what came with the code. Of concurrent calls with one code, exactly one succeeds.
 * @throws codeInvalid, passwordRequired, the `passwordErrors` (400; the code stays valid), currentPasswordWrong (403),
 *   emailTaken (409) if another account has taken the address in the meantime, hashingBusy (503), loginLocked (429; for
 *   a new address also after the action `step_up`, or before detections have evaluated a sign-in; the code stays valid)
 */
export async function verifyEmail(
  ports: VerifyPorts,
  input: VerifyInput,
  caller: Caller,
): Promise<{ readonly status: 'verified'; readonly by: Reader['by'] }> {
  assertMayIssue(ports.revocations);
  const { token } = input;
  for (const purpose of PURPOSES) {
    const code = await findCode(ports.sql, purpose, token);
    if (!code) continue;
    const reader = await readerOf(ports, { ...code, purpose }, input, caller);
    if (!reader) break;
    const isRedeemed = await ports
      .transact(async (tx) => {
        await setAuditContext(tx, caller, 'address_proved');
        const proof = await redeemCode(tx, ports, [purpose], token);
        return proof !== undefined && (await applyProof(tx, ports, proof, reader, caller));
      })
      .catch(asEmailTaken);
    if (isRedeemed) return { status: 'verified', by: reader.by };
    break;
  }
  return refuseCode(ports.sql, caller);
}

async function applyProof(
  tx: Tx,
  ports: VerifyPorts,
  proof: RedeemedCode,
  reader: Reader,
  caller: Caller,
): Promise<boolean> {
  const verifiedId =
    reader.by === 'new_account'
      ? await createAccount(tx, ports, proof, reader.digest)
      : await verifyAddress(tx, ports, proof, reader, caller);
  if (verifiedId === undefined) return false;
  await deleteCodes(tx, verifiedId, proof.email);
  await takeInvitation(tx, verifiedId);
  if (reader.by === 'new_account' || reader.by === 'new_password') await clearSignInFailures(tx, ports, proof.email);
  await recordEvent(tx, caller, userEmailVerified, { target: { kind: 'user', id: verifiedId } });
  return true;
}

/**
 * Creates the account of a sign-up, or takes over the unverified account that has its address, with the password that
 * the reader of the mail sent.
 */
async function createAccount(
  tx: Tx,
  ports: VerifyPorts,
  { email, carries }: RedeemedCode,
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
  await resetCredentials(tx, ports, account, digest);
  return account.id;
}

async function verifyAddress(
  tx: Tx,
  ports: VerifyPorts,
  { email, purpose, carries }: RedeemedCode,
  reader: ReaderOfAccount,
  caller: Caller,
): Promise<string | undefined> {
  const { userId } = reader;
  const account = await findAccount(tx, userId);
  if (!account || account.isDisabled || !(await isStillValid(tx, account, reader))) return undefined;
  await forgetSessions(tx, ports, userId);
  if (purpose === 'change_email') {
    const asking = (carries as AskedBy | undefined)?.sessionId ?? '';
    if (!(await readOwnSession(tx, asking, userId))) return undefined;
    await replaceAddress(tx, ports, { id: userId, email: account.email, to: email, isVerified: true }, caller);
    return userId;
  }
  if (account.emailVerified || account.email !== email) return undefined;
  if (reader.by === 'new_password') {
    tx.afterCommit(ports.announceRevocations);
    await resetCredentials(tx, ports, account, reader.digest);
  } else {
    await markEmailVerified(tx, userId, email);
  }
  return userId;
}
