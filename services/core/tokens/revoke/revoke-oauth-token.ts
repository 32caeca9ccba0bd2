import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller } from '#services/core/ports.ts';
import { tokenRevoked } from '../audit-events.ts';
import { tokenOfAnotherClient } from '../errors.ts';
import { commitRevocation, type RevokePorts, targetOfToken } from './revoke-token.ts';

const REASON = 'revoked_by_client';

/**
 * RFC 7009: a client revokes one of its own tokens. A refresh token ends its family with the access tokens. An unknown,
 * expired or revoked token is no error.
 * Throws `token_of_another_client` (400 `invalid_grant`), which leaves that token active; `key_ring_behind`, `store_unavailable` (503).
 * @param clientId of the authenticated client, or stated by a public client
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
