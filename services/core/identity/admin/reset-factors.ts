import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller } from '#services/core/ports.ts';
import { factorsReset } from '../audit-events.ts';
import type { AccountDetailView } from '../contracts/admin-contract.ts';
import { factorsAbsent } from '../contracts/factors-errors.ts';
import { removeIdleCodes, removePasskeys, removeTotp } from '../factors/factors.store.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { actOnUser, type UserAct, type UserPorts } from './act-on-user.ts';
import { showUser } from './read-users.ts';

/**
 * Removes lost factors of an account: the authenticator app and, on request, every passkey. Recovery codes are removed
 * with the last factor. Every session, token family and token ends. A mail notifies the owner, who can notice that an
 * attacker persuaded an administrator. Throws `factors_absent` (409) if there is nothing to remove, and the errors of
 * `actOnUser`.
 */
export async function resetFactors(
  ports: UserPorts & MailPorts,
  input: UserAct & { readonly passkeys: boolean },
  caller: Caller,
): Promise<AccountDetailView> {
  await actOnUser(ports, input, caller, async (tx, { id, email: to }) => {
    // Remove the passkeys first: removing the authenticator app keeps the recovery codes while there is a passkey.
    const passkeys = input.passkeys ? await removePasskeys(tx, id) : 0;
    const totp = await removeTotp(tx, id);
    if (!totp && passkeys === 0) throw factorsAbsent();
    await removeIdleCodes(tx, id);
    await recordEvent(tx, caller, factorsReset, {
      target: { kind: 'user', id },
      detail: { totp, passkeys, reason: input.reason },
    });
    await queueMail(tx, ports, { template: 'factors_reset', to }, caller);
  });
  return showUser(ports, input);
}
