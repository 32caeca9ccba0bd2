import type { Client } from '#services/domain/access/access-directory.ts';
import { targetInvalid } from '../errors.ts';
import type { HasTokenSettings } from '../token-settings.ts';

/**
 * Whom a token may be for: the installation itself where nobody else is asked for, else whoever is listed for the
 * client (`*`: anybody). A client that could name any audience would make tokens for services it has no business with
 * (RFC 9700 §2.3). Throws `target_invalid` (400).
 */
export function allowedAudience(
  { tokenSettings }: HasTokenSettings,
  client: Pick<Client, 'audiences'> | undefined,
  asked: string | undefined,
): string {
  if (asked === undefined || asked === tokenSettings.audience) return tokenSettings.audience;
  const listed = client?.audiences ?? [];
  if (listed.includes('*') || listed.includes(asked)) return asked;
  throw targetInvalid();
}
