import type { Client } from '#services/core/access/access-directory.ts';
import { targetInvalid } from '../errors.ts';
import type { HasTokenSettings } from '../token-settings.ts';

/**
 * Returns the audience of a new token: the default one, or the requested one if it is registered for the client (`*`
 * allows any). A client that could request any audience could get tokens for services that it must not call (RFC 9700
 * §2.3). Throws `target_invalid` (400).
 */
export function allowedAudience(
  { tokenSettings }: HasTokenSettings,
  client: Pick<Client, 'audiences'> | undefined,
  requested: string | undefined,
): string {
  if (requested === undefined || requested === tokenSettings.audience) return tokenSettings.audience;
  const registered = client?.audiences ?? [];
  if (registered.includes('*') || registered.includes(requested)) return requested;
  throw targetInvalid();
}
