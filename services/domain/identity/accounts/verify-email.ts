import { setAuditContext } from '../../audit/audit-context.ts';
import { recordEvent } from '../../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../../ports.ts';
import type { HasRevocationPush } from '../../tokens/revocation-set.ts';
import { userEmailVerified } from '../audit-events.ts';
import type { HasAuth } from '../auth.ts';
import { emailTaken } from '../errors.ts';
import type { PendingSignUp } from '../mail/mails.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import {
  findAccount,
  findAccountByEmail,
  insertPassword,
  insertUser,
  lockUser,
  proveEmail,
  replaceEmail,
} from './accounts.store.ts';
import { forgetSessions } from './forget-sessions.ts';
import { deleteCodes } from './one-time-codes.store.ts';
import { type ProvenCode, redeemCode } from './one-time-codes.ts';
import { refuseCode } from './refuse-code.ts';
import { takeOver } from './set-password.ts';

export type VerifyPorts = Pick<Ports, 'transact' | 'sql'> & MailPorts & HasAuth & HasRevocationPush;

/**
 * Proves an address by the code that was sent to it: of a sign-up, whose account begins now; of an account that has
 * it; or of one that changes to it. Makes no session. Of any number of calls with one code one succeeds.
 * @throws codeInvalid (400), emailTaken (409) when another account took the address meanwhile
 */
export async function verifyEmail(
  ports: VerifyPorts,
  { token }: { readonly token: string },
  caller: Caller,
): Promise<{ readonly status: 'verified' }> {
  const isProven = await ports
    .transact(async (tx) => {
      await setAuditContext(tx, caller, 'address_proved');
      const proof = await redeemCode(tx, ports, ['sign_up', 'verify_email', 'change_email'], token);
      return proof !== undefined && (await prove(tx, ports, proof, caller));
    })
    .catch((err: unknown) => {
      throw (err as { code?: unknown }).code === '23505' ? emailTaken({ cause: err }) : err;
    });
  if (!isProven) await refuseCode(ports.sql, caller);
  return { status: 'verified' };
}

async function prove(tx: Tx, ports: VerifyPorts, proof: ProvenCode, caller: Caller): Promise<boolean> {
  const { userId, email } = proof;
  const provenId =
    userId === null
      ? await beginAccount(tx, ports, proof)
      : await proveAddress(tx, ports, { ...proof, userId }, caller);
  if (provenId === undefined) return false;
  await deleteCodes(tx, provenId, email);
  await recordEvent(tx, caller, userEmailVerified, { outcome: 'ok', target: { kind: 'user', id: provenId } });
  return true;
}

/** The account of a sign-up, or one of nobody that has its address: the password proved with it takes effect. */
async function beginAccount(tx: Tx, ports: VerifyPorts, { email, carries }: ProvenCode): Promise<string | undefined> {
  const { name, digest } = carries as PendingSignUp;
  const id = ports.random.uuid();
  if (await insertUser(tx, { id, email, name })) {
    await insertPassword(tx, ports.random.uuid(), id, digest);
    return id;
  }
  const found = await findAccountByEmail(tx, email);
  if (!found || !(await lockUser(tx, found.id))) return undefined;
  const account = await findAccount(tx, found.id);
  if (!account || account.email !== email || account.emailVerified || account.isDisabled) return undefined;
  tx.afterCommit(ports.announceRevocations);
  return (await takeOver(tx, ports, account, digest)) ? account.id : undefined;
}

async function proveAddress(
  tx: Tx,
  ports: VerifyPorts,
  { userId, email, purpose }: ProvenCode & { readonly userId: string },
  caller: Caller,
): Promise<string | undefined> {
  const account = await findAccount(tx, userId);
  if (!account || account.isDisabled) return undefined;
  if (purpose === 'verify_email') {
    if (!(await proveEmail(tx, userId, email))) return undefined;
  } else {
    await replaceEmail(tx, userId, email);
    await deleteCodes(tx, userId, account.email);
    await queueMail(tx, ports, { template: 'email_changed', to: account.email }, caller);
  }
  await forgetSessions(tx, ports, userId);
  return userId;
}
