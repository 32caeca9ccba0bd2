import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { consentWithdrawn } from '../audit-events.ts';
import { deleteConsentsSince } from './consents.store.ts';

/**
 * Ends what a user let clients do since. The user is held by the caller, and no session or family yet: whoever exchanges
 * a code holds the consent before these.
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
