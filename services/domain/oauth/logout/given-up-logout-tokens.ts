import type { Ports } from '#services/domain/ports.ts';
import type { GivenUp } from '#services/domain/shared/retries.store.ts';
import { countGivenUp, readGivenUp, requeueLogoutToken } from './logout-tokens.store.ts';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The newest logout tokens that were given up, and how many there are in all. */
export async function readGivenUpLogoutTokens(
  { sql }: Pick<Ports, 'sql'>,
  limit: number,
): Promise<{ readonly count: number; readonly tokens: GivenUp[] }> {
  return { count: await countGivenUp(sql), tokens: await readGivenUp(sql, limit) };
}

/** Gives a logout token all its attempts again. Returns false if it is gone or was not given up. */
export const retryLogoutToken = async ({ sql }: Pick<Ports, 'sql'>, id: string): Promise<boolean> =>
  UUID.test(id) && (await requeueLogoutToken(sql, id)) !== undefined;
