import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller } from '#services/domain/ports.ts';
import type { AccountDetailView } from '../admin-contract.ts';
import { factorsReset } from '../audit-events.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { actOnUser, type UserAct, type UserPorts } from '../users/act-on-user.ts';
import { showUser } from '../users/read-users.ts';
import { removeIdleCodes, removePasskeys, removeTotp } from './factors.store.ts';
import { factorsAbsent } from './factors-errors.ts';

/**
 * Takes what its owner has lost from an account: the authenticator app, and every passkey where asked for; recovery
 * codes go with the last of them. Every session, login and token ends, and the owner is told by mail: whoever
 * talked somebody into this is seen.
 * Throws `factors_absent` (409) where there is nothing to take, and as every act on an account.
 */
export async function resetFactors(
  ports: UserPorts & MailPorts,
  input: UserAct & { readonly passkeys: boolean },
  caller: Caller,
): Promise<AccountDetailView> {
  await actOnUser(ports, input, caller, async (tx, { id, email: to }) => {
    // Passkeys first: the recovery codes of an authenticator app stay where a passkey needs them.
    const passkeys = input.passkeys ? await removePasskeys(tx, id) : 0;
    const totp = await removeTotp(tx, id);
    if (!totp && passkeys === 0) throw factorsAbsent();
    await removeIdleCodes(tx, id);
    await recordEvent(tx, caller, factorsReset, {
      outcome: 'ok',
      target: { kind: 'user', id },
      detail: { totp, passkeys, reason: input.reason },
    });
    await queueMail(tx, ports, { template: 'factors_reset', to }, caller);
  });
  return showUser(ports, input.userId);
}
