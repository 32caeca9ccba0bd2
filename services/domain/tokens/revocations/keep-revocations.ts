import type { Ports } from '#services/domain/ports.ts';
import type { Config } from '#services/platform/config/load.ts';
import { raiseRevocationKeep } from './revocations.store.ts';

/** Beyond the last moment a token could pass: clocks that are slow, and consumers of the feed that come late. */
const MARGIN_SECONDS = 300;

/**
 * Makes the database remember revocations for as long as any token of these settings may live. It only grows: tokens
 * of an earlier, longer setting may still be out there. Before the first token is issued under the settings.
 */
export async function keepRevocations(
  { sql }: Pick<Ports, 'sql'>,
  { accessTokenSeconds, leewaySeconds }: Pick<Config['tokens'], 'accessTokenSeconds' | 'leewaySeconds'>,
): Promise<void> {
  await raiseRevocationKeep(sql, accessTokenSeconds + leewaySeconds + MARGIN_SECONDS);
}
