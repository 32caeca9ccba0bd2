import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { consentWithdrawn } from '../audit-events.ts';
import { deleteConsentsSince } from './consents.store.ts';

/**
 * Ends consents that a user granted since. The caller has locked the user, but no session or family yet: redeeming a code
 * locks the consent before these.
 */
export async function endConsentsSince(
  tx: Tx,
  { userId, since }: { readonly userId: string; readonly since: string },
  reason: string,
  caller: Caller,
): Promise<void> {
  for (const clientId of await deleteConsentsSince(tx, userId, since))
    await recordEvent(tx, caller, consentWithdrawn, {
      outcome: 'ok',
      target: { kind: 'client', id: clientId },
      clientId,
      detail: { user_id: userId, reason },
    });
}
