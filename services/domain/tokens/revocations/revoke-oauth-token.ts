import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller } from '#services/domain/ports.ts';
import { tokenRevoked } from '../audit-events.ts';
import { tokenOfAnotherClient } from '../errors.ts';
import { commitRevocation, type RevokePorts, targetOfToken } from './revoke-token.ts';

const REASON = 'revoked_by_client';

/**
 * RFC 7009: a client ends a token of its own. A refresh token ends its login with the access tokens; what is unknown,
 * expired or ended already is no error.
 * Throws `token_of_another_client` (400 `invalid_grant`), which leaves that token active; `key_ring_behind`, `store_unavailable` (503).
 * @param clientId authenticated, or the name of a public client
 */
export async function revokeOAuthToken(
  ports: RevokePorts,
  token: string,
  clientId: string,
  caller: Caller,
): Promise<void> {
  const target = await targetOfToken(ports, token);
  if (target === null) return;
  if (target.clientId !== clientId) {
    await recordEvent(ports.sql, caller, tokenRevoked, {
      outcome: 'refused',
      target: { kind: 'revocation', id: `${target.kind}:${target.value}` },
      clientId,
    });
    throw tokenOfAnotherClient();
  }
  await commitRevocation(ports, target, REASON, caller);
}
