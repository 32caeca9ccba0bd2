import type { Ports } from '#services/core/ports.ts';
import type { Config } from '#services/platform/config/load.ts';
import { raiseRevocationKeep } from './revocations.store.ts';

export { revocationPurge } from './revocations.store.ts';

/** Added to the lifetime of a token, for verifiers with slow clocks and for consumers that read the feed late. */
const MARGIN_SECONDS = 300;

/**
 * Makes the database keep revocations for as long as a token issued under these settings can live. It never shortens
 * the time, because tokens of an earlier, longer setting may still be valid. Call it before the first token is issued
 * under the settings.
 */
export async function keepRevocations(
  { sql }: Pick<Ports, 'sql'>,
  { accessTokenSeconds, leewaySeconds }: Pick<Config['tokens'], 'accessTokenSeconds' | 'leewaySeconds'>,
): Promise<void> {
  await raiseRevocationKeep(sql, accessTokenSeconds + leewaySeconds + MARGIN_SECONDS);
}
