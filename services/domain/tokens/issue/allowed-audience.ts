import type { Client } from '#services/domain/access/access-directory.ts';
import { targetInvalid } from '../errors.ts';
import type { HasTokenSettings } from '../token-settings.ts';

/**
 * The audience of a token: the default one unless another is requested, which must be registered for the client (`*`
 * allows any). A client that could name any audience could get tokens for services it has nothing to do with (RFC 9700
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
