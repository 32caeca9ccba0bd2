import type { Caller, Ports } from '#services/core/ports.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { ownSession } from '../sessions/own-session.ts';
import type { TotpEnrolment } from './enrol-totp.ts';
import { readTwoFactor } from './factors.store.ts';
import { shownSecret } from './totp.ts';

/**
 * Whether the caller's authenticator app that waits for its first code has this secret and these recovery codes. A page
 * that has shown them may then show them again after a wrong code; enrolling again has replaced those of before.
 * @throws unauthenticated (401)
 */
export async function isPendingTotp(
  ports: Pick<Ports, 'sql'> & HasAuth,
  { totpUri, recoveryCodes }: TotpEnrolment,
  caller: Caller,
): Promise<boolean> {
  const { userId } = await ownSession(ports, caller);
  const row = await readTwoFactor(ports.sql, userId);
  if (!row || row.is_verified) return false;
  const secret = shownSecret(await ports.auth.factors.open(row.secret));
  if (new URL(totpUri).searchParams.get('secret') !== secret) return false;
  // None are shown where those that came with a passkey stay valid.
  return (
    recoveryCodes.length === 0 || (await ports.auth.factors.open(row.backupCodes)) === JSON.stringify(recoveryCodes)
  );
}
