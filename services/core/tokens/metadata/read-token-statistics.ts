import type { Ports } from '#services/core/ports.ts';
import { countTokens, type TokenStatistics } from './token-statistics.store.ts';

export type { TokenStatistics } from './token-statistics.store.ts';

/** Counts since installation, from Postgres. Throws `store_unavailable` (503). */
export const readTokenStatistics = ({ sql }: Pick<Ports, 'sql'>): Promise<TokenStatistics> => countTokens(sql);
